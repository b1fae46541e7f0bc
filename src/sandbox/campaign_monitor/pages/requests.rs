//! The newest calls: when, what, and how they were answered.

use super::super::clock;
use super::super::request_log::LoggedRequest;
use super::REQUESTS;
use crate::sandbox::web::Markup;

pub(super) fn section(page: &mut Markup, calls: &[LoggedRequest], zone: &str) {
    page.raw("<h2 id=\"requests\">Newest calls</h2>");
    if calls.is_empty() {
        page.raw("<p class=\"soft\">Nobody called yet.</p>");
        return;
    }
    page.raw("<p class=\"soft\">")
        .text(&format!("The newest {REQUESTS} at most, newest first. Times: {zone}."))
        .raw("</p>");
    page.raw("<ul class=\"cards\">");
    for call in calls {
        page.raw("<li><div class=\"row\"><code>")
            .text(&call.method)
            .raw(" ")
            .text(&masked(&call.path))
            .raw("</code><span class=\"state ")
            .raw(if (200..300).contains(&call.status) { "good" } else { "bad" })
            .raw("\">")
            .text(&outcome(call))
            .raw("</span></div><p class=\"soft\">")
            .text(&clock::seconds(call.at, zone))
            .raw("</p></li>");
    }
    page.raw("</ul>");
}

fn outcome(call: &LoggedRequest) -> String {
    match (call.status, call.code) {
        (0, _) => "connection closed".to_owned(),
        (status, Some(code)) => format!("{status}, code {code}"),
        (status, None) => status.to_string(),
    }
}

/// The path with every address in it down to its first letter.
fn masked(path: &str) -> String {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let pieces: Vec<_> =
        path.split('/').map(|piece| if is_address(piece) { mask(piece) } else { piece.to_owned() }).collect();
    let mut shown = pieces.join("/");
    if let Some(query) = query {
        let pairs: Vec<_> = query
            .split('&')
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("email") || is_address(value) => {
                    format!("{name}={}", mask(value))
                }
                None if is_address(pair) => mask(pair),
                _ => pair.to_owned(),
            })
            .collect();
        shown.push('?');
        shown.push_str(&pairs.join("&"));
    }
    shown
}

fn is_address(text: &str) -> bool {
    text.contains('@') || text.contains("%40")
}

fn mask(text: &str) -> String {
    match text.chars().next() {
        Some(first) if first != '%' => format!("{first}***"),
        Some(_) => "***".to_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_is_left_in_a_path() {
        for (path, shown) in [
            (
                "/api/v3.3/subscribers/a1.json?email=anna%40example.com&x=1",
                "/api/v3.3/subscribers/a1.json?email=a***&x=1",
            ),
            ("/api/v3.3/subscribers/a1.json?Email=nobody", "/api/v3.3/subscribers/a1.json?Email=n***"),
            ("/x/anna@example.com/y?to=%22b%22@example.com&c@example.com", "/x/a***/y?to=***&c***"),
            ("/api/v3.3/clients.json", "/api/v3.3/clients.json"),
        ] {
            assert_eq!(masked(path), shown);
        }
    }
}
