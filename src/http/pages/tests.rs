//! Every template with every sample, and what must hold for each page.

use std::collections::BTreeMap;

use serde::Serialize;

use super::engine::{TEMPLATES, try_render};
use super::stylesheet::CSS;
use super::*;

/// Threat-model and WC-02: HTML and stylesheet together.
const MAX_PAGE: usize = 20_000;

/// (name of the sample, page).
fn pages() -> Vec<(String, String)> {
    fn all<C: Serialize>(pages: &mut Vec<(String, String)>, template: &str, samples: &[C], render: fn(&C) -> String) {
        let name = template.trim_end_matches(".html");
        for (number, sample) in samples.iter().enumerate() {
            let page = try_render(template, sample).unwrap_or_else(|fault| panic!("{name}-{number}: {fault:?}"));
            assert_eq!(render(sample), page, "{name}-{number}");
            pages.push((format!("{name}-{number}"), page));
        }
    }
    let mut pages = Vec::new();
    all(&mut pages, "form.html", &FormPage::samples(), render_form);
    all(&mut pages, "form_done.html", &FormDonePage::samples(), render_form_done);
    all(&mut pages, "answer.html", &AnswerPage::samples(), render_answer);
    all(&mut pages, "confirm.html", &ConfirmPage::samples(), render_confirm);
    all(&mut pages, "decided.html", &DecidedPage::samples(), render_decided);
    all(&mut pages, "withdraw.html", &WithdrawPage::samples(), render_withdraw);
    all(&mut pages, "withdrawn.html", &WithdrawnPage::samples(), render_withdrawn);
    all(&mut pages, "connect.html", &ConnectPage::samples(), render_connect);
    all(&mut pages, "preferences.html", &PreferencesPage::samples(), render_preferences);
    all(&mut pages, "no_preferences.html", &NoPreferencesPage::samples(), render_no_preferences);
    all(&mut pages, "move.html", &MovePage::samples(), render_move);
    all(&mut pages, "move_done.html", &MoveDonePage::samples(), render_move_done);
    all(&mut pages, "not_me.html", &NotMePage::samples(), render_not_me);
    all(&mut pages, "not_me_done.html", &NotMeDonePage::samples(), render_not_me_done);
    all(&mut pages, "link_problem.html", &LinkProblemPage::samples(), render_link_problem);
    let policy = |page: &PolicyPage| render_policy(page).expect("it fits a page");
    all(&mut pages, "policy.html", &PolicyPage::samples(), policy);
    all(&mut pages, "message.html", &MessagePage::samples(), render_message);
    pages
}

/// The start tags of a page, in order.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).filter(|tag| tag.starts_with(|c: char| c.is_ascii_alphabetic())).map(|tag| {
        let end = tag.find('>').expect("every tag ends");
        &tag[..end]
    })
}

fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split('"').next()
}

#[test]
fn every_page_keeps_the_rules() {
    for (name, page) in pages() {
        let lower = page.to_lowercase();
        for forbidden in
            ["<script", "<style", " style=", " onload=\"", "javascript:", "http-equiv", "<iframe", "<img", "prefetch"]
        {
            assert!(!lower.contains(forbidden), "{name} contains {forbidden}");
        }
        for tag in tags(&page) {
            let words: Vec<_> = tag.split_whitespace().collect();
            assert!(!words.contains(&"checked") && !words.contains(&"selected"), "{name}: {tag} (CV-01)");
            assert!(attribute(tag, "src").is_none() && attribute(tag, "action").is_none(), "{name}: {tag}");
            if tag.starts_with("link") {
                assert_eq!(attribute(tag, "href").map(unescaped), Some(stylesheet().0.to_owned()), "{name}: {tag}");
            }
        }
        assert!(page.len() + CSS.len() <= MAX_PAGE, "{name}: {} bytes (WC-02)", page.len() + CSS.len());
        let title = page.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).expect("a title");
        assert!(title.trim() == title && title.len() > 5, "{name}: `{title}`");
        assert_eq!(page.matches("<h1>").count(), 1, "{name}");
        assert_eq!(page.matches("<main>").count(), 1, "{name}");
        assert!(!page.contains("None") && !page.contains("undefined"), "{name}");
    }
}

fn unescaped(text: &str) -> String {
    text.replace("&#x2f;", "/")
}

#[test]
fn ids_are_unique_and_everything_points_somewhere() {
    for (name, page) in pages() {
        let mut ids = BTreeMap::new();
        for id in tags(&page).filter_map(|tag| attribute(tag, "id")) {
            assert!(ids.insert(id, ()).is_none(), "{name}: `{id}` twice");
        }
        for tag in tags(&page) {
            for pointer in ["for", "aria-describedby", "aria-labelledby"] {
                if let Some(target) = attribute(tag, pointer) {
                    assert!(ids.contains_key(target), "{name}: {tag}");
                }
            }
            if let Some(target) = attribute(tag, "href").and_then(|href| href.strip_prefix('#')) {
                assert!(ids.contains_key(target), "{name}: {tag}");
            }
        }
    }
}

#[test]
fn the_first_form_is_the_answer_form() {
    for (name, page) in pages() {
        let form = page.split("<form").nth(1).map(|rest| rest.split("</form>").next().unwrap_or_default());
        let wanted: &[&str] = match name.split('-').next() {
            Some("form") => {
                &["name=\"email\"", "name=\"name\"", "name=\"nonce\"", "name=\"website\"", "name=\"choice."]
            }
            Some("answer") => &["name=\"name\"", "name=\"nonce\"", "name=\"website\"", "name=\"choice."],
            Some("confirm") => &["name=\"nonce\"", "name=\"website\"", "name=\"choice."],
            Some("move") => &["name=\"nonce\"", "name=\"website\"", "name=\"choice\""],
            Some("withdraw") => &["name=\"stop\" value=\"this\""],
            Some("preferences") if form.is_some() => &["name=\"purpose\" value=\""],
            Some("not_me" | "connect") => &[],
            // Opened again after its stop, the page still offers to stop the rest.
            Some("withdrawn") if form.is_some() => &["name=\"stop\" value=\"all\""],
            _ => {
                assert!(form.is_none(), "{name} has a form");
                continue;
            }
        };
        let form = form.expect("a form");
        assert!(form.starts_with(" method=\"post\""), "{name}");
        for field in wanted {
            assert!(form.contains(field), "{name} lacks {field}");
        }
        assert_eq!(form.matches("<button").count(), 1, "{name}");
    }
}

#[test]
fn yes_and_no_are_alike() {
    for (name, page) in pages() {
        let radios: Vec<_> = tags(&page).filter(|tag| tag.contains("type=\"radio\"")).collect();
        for pair in radios.chunks(2) {
            let plain = |tag: &str, value: &str| {
                let id = attribute(tag, "id").map(|id| format!(" id=\"{id}\"")).unwrap_or_default();
                tag.replace(&id, "").replace(&format!("value=\"{value}\""), "value")
            };
            assert_eq!(plain(pair[0], "yes"), plain(pair[1], "no"), "{name} (DK-01)");
        }
    }
    for told_apart in ["value=", "first-child", "nth-", "last-of-type", "#choice"] {
        assert!(!CSS.contains(told_apart), "the stylesheet could tell yes from no by {told_apart} (DK-01)");
    }
}

#[test]
fn results_are_announced_and_problems_are_linked() {
    for (name, page) in pages() {
        match name.split('-').next() {
            Some("form" | "answer" | "confirm" | "move") => {
                assert_eq!(page.contains("role=\"alert\""), page.contains("class=\"problems\""), "{name}");
                assert_eq!(
                    page.matches("aria-describedby").count(),
                    page.matches("class=\"problem\"").count(),
                    "{name}"
                );
            }
            Some("withdraw" | "not_me" | "connect" | "policy") => {}
            Some("preferences") => {
                let stopped = ["<h1>Stopped</h1>", "<h1>Beendet</h1>"].iter().any(|heading| page.contains(heading));
                assert_eq!(page.contains("role=\"status\""), stopped, "{name}");
                assert_eq!(page.contains("role=\"alert\""), page.contains("class=\"problems\""), "{name}");
            }
            _ => assert!(page.contains("role=\"status\""), "{name} (WCAG 4.1.3)"),
        }
    }
}

#[test]
fn the_page_after_the_form_tells_nothing_about_the_address() {
    let page = render_form_done(&FormDonePage::samples()[0]);
    assert!(page.contains("Where one has to be confirmed") && !page.contains('@'), "R-20");
}

#[test]
fn each_preference_says_how_it_stands_and_each_button_what_it_stops() {
    let samples = PreferencesPage::samples();
    let page = render_preferences(&samples[0]);
    for words in [
        "Subscribed since <time datetime=\"2026-03-02T09:30:00Z\">2 March 2026, 09:30 UTC</time>",
        "Signed up on <time",
        "You were asked on <time",
        "You said no on <time",
        "Stopped on <time",
        "Expired on <time",
        "Ended on <time",
        "Not subscribed",
        "aria-label=\"Stop: The monthly newsletter by e-mail\">Stop</button>",
        "Stop everything from Acme Gardens Ltd",
        "j•••@e•••.org",
    ] {
        assert!(page.contains(words), "{words}: {page}");
    }
    // One for each purpose that can be stopped, and one for everything.
    assert_eq!(page.matches("<button").count(), 6, "{page}");
    let german = render_preferences(&samples[1]);
    assert!(german.contains("aria-label=\"Beenden: Der Gartenbrief") && german.contains("Angemeldet seit"), "{german}");
    let over = render_preferences(&samples[3]);
    assert!(over.contains("keinerlei Werbung mehr.") && !over.contains("<button"), "{over}");
}

#[test]
fn as_many_preferences_as_a_controller_may_have_make_a_page() {
    let one = PreferencesPage::samples().swap_remove(0);
    let lines: Vec<_> = one.lines.iter().cycle().take(100).cloned().collect();
    let page = try_render("preferences.html", &PreferencesPage { lines, ..one }).expect("it can be rendered");
    assert_eq!(page.matches("<li>").count(), 100);
}

#[test]
fn a_page_speaks_the_language_of_its_notice() {
    let page = render_answer(&AnswerPage::samples()[1]);
    assert!(page.contains("<html lang=\"de-DE\"") && page.contains("Gut zu wissen"), "WC-03");
    assert!(render_withdrawn(&WithdrawnPage::samples()[1]).contains(">24. November 2026, 09:30 Uhr (UTC)</time>"));
    assert!(render_confirm(&ConfirmPage::samples()[0]).contains(">23 November 2026, 10:38 UTC</time>"));
}

#[test]
fn the_stylesheet_loads_nothing_and_its_name_follows_its_content() {
    let (path, css) = stylesheet();
    assert!(!css.contains("url(") && !css.contains("@import") && !css.contains("@font-face"));
    let name =
        path.strip_prefix("/assets/pages-").and_then(|rest| rest.strip_suffix(".css")).expect("the agreed shape");
    assert!(name.len() == 16 && name.bytes().all(|b| b.is_ascii_hexdigit()));
}

/// Relative luminance by WCAG 2.2.
fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let value = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).expect("six digits")) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

#[test]
fn colours_have_the_contrast_of_wcag_aa() {
    let palettes: Vec<BTreeMap<&str, &str>> = CSS
        .split(":root {")
        .skip(1)
        .take(2)
        .map(|block| {
            let lines = block.split('}').next().unwrap_or_default().split(';');
            lines.filter_map(|line| line.trim().strip_prefix("--")).filter_map(|line| line.split_once(": ")).collect()
        })
        .collect();
    assert_eq!(palettes.len(), 2);
    for palette in palettes {
        let ratio = |a: &str, b: &str| {
            let (a, b) = (luminance(palette[a]), luminance(palette[b]));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        for (front, back, least) in [
            ("ink", "paper", 7.0),
            ("ink", "card", 7.0),
            ("soft", "paper", 4.5),
            ("soft", "card", 4.5),
            ("accent", "card", 4.5),
            ("on-accent", "accent", 4.5),
            ("alert", "card", 4.5),
            ("edge", "card", 3.0),
        ] {
            assert!(ratio(front, back) >= least, "{front} on {back}: {:.2} in {palette:?}", ratio(front, back));
        }
    }
}

#[test]
fn every_template_is_known_and_used() {
    for (name, _) in TEMPLATES {
        let used = TEMPLATES.iter().any(|(_, source)| source.contains(&format!("\"{name}\"")));
        assert!(used || !(name.starts_with("part_") || name == "base.html"), "{name} is not used");
    }
}

#[test]
fn only_a_policy_is_written_unescaped() {
    for (name, source) in TEMPLATES {
        let wanted = if name == "policy.html" { 1 } else { 0 };
        assert_eq!(source.matches("sanitised(").count(), wanted, "{name}");
        assert!(!source.contains("autoescape"), "{name}");
    }
}

#[test]
fn a_page_that_cannot_be_rendered_says_so_kindly() {
    #[derive(Serialize)]
    struct Nothing {}
    let page = super::engine::render("form.html", &Nothing {});
    assert!(page.contains("cannot be shown") && try_render("form.html", &Nothing {}).is_err());
}
