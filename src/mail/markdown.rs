//! The marketer's Markdown as HTML and as text, from one stream of events.
//!
//! Promises: raw HTML stays visible text; pictures become their alternative text, so nothing is fetched from outside
//! (TR-01); links lead to http, https or mailto only; values are put in after parsing, as text or as the whole target
//! of a link. [`sanitise`](super::sanitise) at the end is a second net under the same rules. In the text part each address stands
//! alone on a line in `<…>` (ML-17).

use pulldown_cmark::{CodeBlockKind, CowStr, Event, LinkType, Options, Parser, Tag, TagEnd, html};

use super::sanitise;
use super::template::{TemplateProblem, Values, Variable};

/// One body in both forms.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Parts {
    /// Sanitised HTML with inline styles.
    pub html: String,
    /// Plain text with LF line ends.
    pub text: String,
}

/// Renders a marked body with the values of one mail.
pub(super) fn render(marked: &str, values: &Values) -> Parts {
    let events = events(marked, values);
    let text = text_of(&events);
    let mut raw = String::with_capacity(marked.len() * 2);
    html::push_html(&mut raw, events.into_iter());
    Parts { html: sanitise::for_mail(&raw), text }
}

/// A document of its own, such as a policy, as HTML for a page: by the rules of a mail's body, without its inline styles,
/// which a page's policy forbids, and without variables. Nothing for a text that is nested without end or holds the
/// characters that stand for variables; it can still be shown as it is.
pub fn document(text: &str) -> Option<String> {
    if text.chars().any(|c| Variable::of_mark(c).is_some()) || check_structure(text).is_err() {
        return None;
    }
    let mut raw = String::with_capacity(text.len() * 2);
    html::push_html(&mut raw, events(text, &Values::new(|_| String::new())).into_iter());
    Some(sanitise::for_page(&raw))
}

/// Deepest nesting of lists, quotes and emphasis. The sanitiser's work grows with the square of the depth.
const MAX_DEPTH: usize = 30;

/// Checks that the text is not nested without end, and that variables inside link targets are links and stand alone.
pub(super) fn check_structure(marked: &str) -> Result<(), TemplateProblem> {
    let mut depth = 0_usize;
    for event in Parser::new_ext(marked, Options::empty()) {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(TemplateProblem::TooDeep);
        }
        let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
        let mut variables = dest_url.chars().filter_map(Variable::of_mark);
        if let Some(other) = variables.clone().find(|v| !v.is_link()) {
            return Err(TemplateProblem::NotALink { name: other.name() });
        }
        if variables.next().is_some() && dest_url.chars().count() != 1 {
            return Err(TemplateProblem::MixedLink);
        }
    }
    Ok(())
}

/// The parser's events with everything unwanted taken out and every value put in.
fn events<'a>(marked: &'a str, values: &Values) -> Vec<Event<'a>> {
    let mut out = Vec::new();
    let mut links: Vec<bool> = Vec::new();
    let mut in_code = false;
    for event in Parser::new_ext(marked, Options::empty()) {
        match event {
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => {}
            Event::Start(Tag::HtmlBlock) => out.push(Event::Start(Tag::Paragraph)),
            Event::End(TagEnd::HtmlBlock) => out.push(Event::End(TagEnd::Paragraph)),
            Event::Start(Tag::CodeBlock(_)) => {
                in_code = true;
                out.push(Event::Start(Tag::CodeBlock(CodeBlockKind::Indented)));
            }
            Event::End(TagEnd::CodeBlock) => {
                in_code = false;
                out.push(Event::End(TagEnd::CodeBlock));
            }
            Event::Start(Tag::Link { dest_url, .. }) => {
                let target = values.fill(&dest_url);
                let open = is_allowed_target(&target);
                links.push(open);
                if open {
                    out.push(Event::Start(link(target)));
                }
            }
            Event::End(TagEnd::Link) => {
                if links.pop() == Some(true) {
                    out.push(Event::End(TagEnd::Link));
                }
            }
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => {
                push_text(&mut out, &text, values, !in_code && links.is_empty());
            }
            Event::Code(text) => out.push(Event::Code(values.fill(&text).into())),
            other => out.push(other),
        }
    }
    out
}

fn link(target: String) -> Tag<'static> {
    Tag::Link {
        link_type: LinkType::Inline,
        dest_url: target.into(),
        title: CowStr::Borrowed(""),
        id: CowStr::Borrowed(""),
    }
}

/// Text with its values; a link variable that stands in plain text becomes a link.
fn push_text(out: &mut Vec<Event<'_>>, text: &str, values: &Values, may_link: bool) {
    let mut plain = String::new();
    for c in text.chars() {
        match Variable::of_mark(c) {
            Some(variable) if variable.is_link() && may_link => {
                out.push(Event::Text(std::mem::take(&mut plain).into()));
                let target = values.get(variable).to_owned();
                out.push(Event::Start(link(target.clone())));
                out.push(Event::Text(target.into()));
                out.push(Event::End(TagEnd::Link));
            }
            Some(variable) => plain.push_str(values.get(variable)),
            None => plain.push(c),
        }
    }
    if !plain.is_empty() {
        out.push(Event::Text(plain.into()));
    }
}

fn is_allowed_target(target: &str) -> bool {
    let scheme = target.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    let clean = !target.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>'));
    clean && matches!(scheme.as_deref(), Some("http" | "https" | "mailto"))
}

/// The events as plain text.
fn text_of(events: &[Event<'_>]) -> String {
    let mut writer = TextWriter::default();
    for event in events {
        writer.take(event);
    }
    writer.end_block();
    writer.out.trim().to_owned()
}

#[derive(Default)]
struct TextWriter {
    out: String,
    block: String,
    /// Where the label of the open link begins, and its target.
    link: Option<(usize, String)>,
    /// Targets that follow the block.
    targets: Vec<String>,
    /// Open lists; the number of the next item for a numbered one.
    lists: Vec<Option<u64>>,
    /// The mark of the item whose first block comes next.
    mark: Option<String>,
    quotes: usize,
}

impl TextWriter {
    fn take(&mut self, event: &Event<'_>) {
        match event {
            Event::Text(text) | Event::Code(text) => self.block.push_str(text),
            Event::SoftBreak => self.block.push(' '),
            Event::HardBreak => self.block.push('\n'),
            Event::Rule => {
                self.end_block();
                self.block.push_str("----------");
                self.end_block();
            }
            Event::Start(Tag::Link { dest_url, .. }) => self.link = Some((self.block.len(), dest_url.to_string())),
            Event::End(TagEnd::Link) => self.end_link(),
            Event::Start(Tag::List(first)) => {
                self.end_block();
                self.lists.push(*first);
            }
            Event::End(TagEnd::List(_)) => {
                self.lists.pop();
                if self.lists.is_empty() {
                    self.out.push('\n');
                }
            }
            Event::Start(Tag::Item) => {
                self.mark = Some(match self.lists.last_mut() {
                    Some(Some(number)) => {
                        *number = number.saturating_add(1);
                        format!("{}. ", number.saturating_sub(1))
                    }
                    _ => "- ".to_owned(),
                });
            }
            Event::Start(Tag::BlockQuote(_)) => {
                self.end_block();
                self.quotes += 1;
            }
            Event::End(TagEnd::BlockQuote(_)) => {
                self.end_block();
                self.quotes = self.quotes.saturating_sub(1);
            }
            Event::End(TagEnd::Paragraph | TagEnd::Heading(_) | TagEnd::CodeBlock | TagEnd::Item) => self.end_block(),
            _ => {}
        }
    }

    fn end_link(&mut self) {
        let Some((start, target)) = self.link.take() else {
            return;
        };
        let label = self.block.split_off(start.min(self.block.len()));
        if label.trim() == target {
            let gap = if self.block.trim().is_empty() { "" } else { "\n" };
            self.block = format!("{}{gap}<{target}>\n", self.block.trim_end());
        } else {
            self.block.push_str(&label);
            self.targets.push(target);
        }
    }

    fn end_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        let mut lines: Vec<String> = block.lines().map(|line| line.trim().to_owned()).collect();
        lines.extend(self.targets.drain(..).map(|target| format!("<{target}>")));
        lines.retain(|line| !line.is_empty());
        if lines.is_empty() {
            return;
        }
        let in_list = !self.lists.is_empty();
        // Depth is shown up to a few levels; deeper nesting stays readable without growing sideways.
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(5));
        let quote = "> ".repeat(self.quotes.min(5));
        for (number, line) in lines.iter().enumerate() {
            let mark = match (number, self.mark.take(), in_list) {
                (0, Some(mark), _) => mark,
                (_, _, true) => "  ".to_owned(),
                _ => String::new(),
            };
            self.out.push_str(&quote);
            self.out.push_str(&indent);
            self.out.push_str(&mark);
            self.out.push_str(line);
            self.out.push('\n');
        }
        if !in_list {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::template::marked, *};

    fn values(name: &str) -> Values {
        Values::new(|variable| match variable {
            Variable::Name => name.to_owned(),
            v if v.is_link() => format!("https://c.example/{}?a=1&b=2", v.name()),
            v => v.name().to_owned(),
        })
    }

    fn parts(body: &str, name: &str) -> Parts {
        render(&marked("body", body).unwrap(), &values(name))
    }

    #[test]
    fn a_name_stays_text_whatever_it_is() {
        for name in [
            "[x](http://evil.example)",
            "<script>alert(1)</script>",
            "**b** _i_ `c`",
            "<http://evil.example>",
            "![x](http://e/y.png)",
        ] {
            let Parts { html, text } =
                parts("Hello {{ name }},\n\n# {{ name }}\n\n[{{ name }}]({{ answer_link }}) `{{ name }}`", name);
            assert!(!html.contains("evil.example\"") && !html.contains("<script") && !html.contains("<img"), "{html}");
            assert!(!html.contains("<strong") && !html.contains("<em"), "{html}");
            assert!(text.contains(name), "{text}");
        }
    }

    #[test]
    fn raw_html_pictures_and_strange_targets_are_disarmed() {
        let body = "<b onclick=x>bold</b>\n\n<script>\nx\n</script>\n\n![alt](https://e.example/p.png)\n\n[j](javascript:alert(1)) [d](data:x) [r](/rel) [J](JaVaScRiPt:x)";
        let Parts { html, text } = parts(body, "");
        for bad in ["<b", "<script", "<img", "p.png", "href"] {
            assert!(!html.contains(bad), "{bad}: {html}");
        }
        assert!(html.contains("&lt;script&gt;") && html.contains("alt"));
        assert!(!text.contains("javascript:") && !text.contains("p.png"));
    }

    #[test]
    fn links_and_styles() {
        let Parts { html, text } = parts(
            "See [this]({{ answer_link }}) now.\n\n{{ policy_link }}\n\nOr {{ withdraw_link }} here\n\n- a\n- b [c](https://e.example)\n\n1. x\n2. y\n\n> q",
            "",
        );
        assert!(html.contains("<a href=\"https://c.example/answer_link?a=1&amp;b=2\""), "{html}");
        assert!(html.contains("<p style=\"margin:0 0 16px\">"), "{html}");
        assert!(html.contains(">https://c.example/policy_link?a=1&amp;b=2</a>"), "{html}");
        let expected = "See this now.\n<https://c.example/answer_link?a=1&b=2>\n\n<https://c.example/policy_link?a=1&b=2>\n\n\
            Or\n<https://c.example/withdraw_link?a=1&b=2>\nhere\n\n- a\n- b c\n  <https://e.example>\n\n1. x\n2. y\n\n> q";
        assert_eq!(text, expected);
    }

    #[test]
    fn deep_nesting_is_refused_or_cheap() {
        for piece in ["> ", "- ", "*a ", "[", "![", "<a>", "**", "`", "[a](b", "1. ", "> - "] {
            let body = piece.repeat(60_000 / piece.len());
            let marked = marked("body", &body).unwrap();
            let begun = std::time::Instant::now();
            if check_structure(&marked).is_ok() {
                render(&marked, &values("x"));
            }
            // Generous: the build under test is not optimised.
            assert!(begun.elapsed().as_secs() < 5, "{piece} took {:?}", begun.elapsed());
        }
        assert_eq!(check_structure(&format!("{}x", "> ".repeat(40))), Err(TemplateProblem::TooDeep));
        assert_eq!(check_structure(&format!("{}x", "> ".repeat(10))), Ok(()));
    }

    proptest! {
        #[test]
        fn any_body_and_name_stay_harmless(body in ".{0,300}", name in any::<String>()) {
            if let Ok(marked) = marked("body", &body) {
                let Parts { html, .. } = render(&marked, &values(&name));
                let lower = html.to_lowercase();
                prop_assert!(!lower.contains("<script") && !lower.contains("<img") && !lower.contains("javascript:\""));
            }
        }
    }
}
