//! The account: clients with their lists, suppression lists and webhooks; then fault rules and calls.

use super::super::clock;
use super::super::faults::StandingRule;
use super::super::model::{Webhook, World};
use super::super::orders::{OrderBy, Window};
use super::super::request_log::LoggedRequest;
use super::super::suppressed::Suppression;
use super::{counts, faults, grouped, requests};
use crate::sandbox::web::Markup;
use actix_web::HttpResponse;

/// Suppressed addresses shown for a client.
const SUPPRESSED: usize = 50;

pub(in super::super) fn home(world: &mut World, rules: &[StandingRule], calls: &[LoggedRequest]) -> HttpResponse {
    let mut page = Markup::default();
    page.raw("<header><h1>Emulated Campaign Monitor</h1><p class=\"soft\">")
        .raw("A stand-in on this machine. Nothing here reaches the real service.</p>")
        .raw("<nav aria-label=\"On this page\"><ul><li><a href=\"#clients\">Clients and lists</a></li>")
        .raw("<li><a href=\"#faults\">Fault rules</a></li><li><a href=\"#requests\">Newest calls</a></li></ul></nav>")
        .raw("</header><main><div id=\"clients\">");
    if world.clients.is_empty() {
        page.raw("<p>No clients yet.</p>");
    }
    let ids: Vec<String> = world.clients.keys().cloned().collect();
    for id in ids {
        client(&mut page, world, &id);
    }
    page.raw("</div>");
    faults::section(&mut page, rules);
    requests::section(&mut page, calls, &world.account_zone);
    page.raw("</main>");
    page.into_page("Emulated Campaign Monitor")
}

fn client(page: &mut Markup, world: &mut World, id: &str) {
    let newest = Window { by: OrderBy::Date, descending: true, start: 0, length: SUPPRESSED };
    let Some(client) = world.clients.get_mut(id) else {
        return;
    };
    let zone = client.zone.clone();
    page.raw("<h2>").text(&client.name).raw("</h2><p class=\"soft\">").text(&clock::label(&zone));
    page.raw(" &middot; client id <code>").text(id).raw("</code></p><ul class=\"cards\">");
    let mut lists = world.lists.values().filter(|list| list.client_id == id).peekable();
    if lists.peek().is_none() {
        page.raw("<li class=\"soft\">No lists yet.</li>");
    }
    for list in lists {
        page.raw("<li><a class=\"whole\" href=\"/lists/")
            .text(&list.id)
            .raw("\"><strong>")
            .text(&list.title)
            .raw("</strong>");
        counts(page, list);
        page.raw("</a></li>");
    }
    page.raw("</ul><h3>Webhooks</h3><ul class=\"cards\">");
    let hooks = world.lists.values().filter(|list| list.client_id == id);
    let mut hooks = hooks.flat_map(|list| list.webhooks.iter().map(|hook| (list.title.as_str(), hook))).peekable();
    if hooks.peek().is_none() {
        page.raw("<li class=\"soft\">No webhooks.</li>");
    }
    for (title, hook) in hooks {
        webhook(page, title, hook);
    }
    page.raw("</ul>");
    if let Some(client) = world.clients.get_mut(id) {
        let (entries, total) = client.suppressed.page(newest);
        suppressed(page, &entries, total, &zone);
    }
}

fn webhook(page: &mut Markup, title: &str, hook: &Webhook) {
    let (tone, state) = if hook.active { ("good", "Active") } else { ("bad", "Deactivated") };
    page.raw("<li><div class=\"row\"><code>")
        .text(&cut(&hook.url))
        .raw("</code><span class=\"state ")
        .raw(tone)
        .raw("\">")
        .raw(state)
        .raw("</span></div><p class=\"soft\">")
        .text(title)
        .raw(": ")
        .text(&hook.events.join(", "))
        .raw("</p></li>");
}

fn suppressed(page: &mut Markup, entries: &[&Suppression], total: usize, zone: &str) {
    page.raw("<h3>Suppression list</h3>");
    if total == 0 {
        page.raw("<p class=\"soft\">Nobody is on it.</p>");
        return;
    }
    page.raw("<details><summary>").text(&match total {
        1 => "1 address".to_owned(),
        _ => format!("{} addresses", grouped(total)),
    });
    page.raw("</summary><ul class=\"cards\">");
    for entry in entries {
        page.raw("<li><div class=\"row\"><strong>")
            .text(&entry.email)
            .raw("</strong><span>")
            .text(&entry.reason)
            .raw("</span></div><p class=\"soft\">")
            .text(&clock::seconds(entry.at, zone))
            .raw("</p></li>");
    }
    page.raw("</ul>");
    if total > entries.len() {
        page.raw("<p class=\"soft\">").text(&format!("{} more are not shown.", grouped(total - entries.len())));
        page.raw("</p>");
    }
    page.raw("</details>");
}

/// The address without its secret: a token stands in the last piece of the path or in the query.
fn cut(url: &str) -> String {
    let Ok(url) = url::Url::parse(url) else {
        return "\u{2026}".to_owned();
    };
    let (before, last) = url.path().rsplit_once('/').unwrap_or_default();
    let shown: String = last.chars().take(4).collect();
    let dots = if last.chars().count() > 4 || url.query().is_some() { "\u{2026}" } else { "" };
    format!("{}{before}/{shown}{dots}", url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_cut_before_its_secret() {
        for (url, shown) in [
            ("https://sync.example.com/hooks/cm/0123456789abcdef", "https://sync.example.com/hooks/cm/0123\u{2026}"),
            ("http://user:pass@127.0.0.1:8080/h?token=secret#x", "http://127.0.0.1:8080/h\u{2026}"),
            ("https://sync.example.com", "https://sync.example.com/"),
            ("no address", "\u{2026}"),
        ] {
            assert_eq!(cut(url), shown);
        }
    }
}
