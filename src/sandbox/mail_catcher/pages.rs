//! The two pages of the inbox.

use super::mime;
use super::store::{CaughtMail, MailSummary};
use crate::sandbox::web::Markup;
use actix_web::HttpResponse;
use jiff::Timestamp;

/// Longest text shown in a page; the `.eml` has everything.
const SHOWN: usize = 200_000;

pub(super) fn list(messages: &[MailSummary], total: usize) -> HttpResponse {
    let mut page = Markup::default();
    page.raw("<header><h1>Caught mail</h1><p class=\"soft\">")
        .text(&match total {
            1 => "1 message.".to_owned(),
            total if total > messages.len() => {
                format!("{total} messages, the newest {} shown.", messages.len())
            }
            total => format!("{total} messages."),
        })
        .raw(" Nothing here has left this machine.</p></header><main>");
    if messages.is_empty() {
        page.raw("<p>No mail yet. Whatever is sent through the sandbox relay appears here.</p>");
    } else {
        page.raw("<ul class=\"cards\">");
        for message in messages {
            page.raw("<li><a class=\"whole\" href=\"/messages/")
                .text(&message.id)
                .raw("\"><div class=\"row\"><strong>")
                .text(or_else(&message.subject, "(no subject)"))
                .raw("</strong>");
            time(&mut page, message.received_at);
            page.raw("</div><div class=\"soft\">To ")
                .text(&message.to.join(", "))
                .raw(" &middot; from ")
                .text(or_else(&message.from, "(nobody)"))
                .raw("</div></a></li>");
        }
        page.raw("</ul>");
    }
    page.raw("</main>");
    page.into_page("Caught mail")
}

pub(super) fn message(message: &CaughtMail) -> HttpResponse {
    let summary = message.summary();
    let body = mime::body(&message.raw);
    let subject = or_else(&summary.subject, "(no subject)").to_owned();
    let mut page = Markup::default();
    page.raw("<header><p><a href=\"/\">All mail</a></p><h1>")
        .text(&subject)
        .raw("</h1><dl><dt>From</dt><dd>")
        .text(or_else(&summary.from, "(nobody)"))
        .raw("</dd><dt>To</dt><dd>")
        .text(&summary.to.join(", "))
        .raw("</dd><dt>Received</dt><dd>");
    time(&mut page, summary.received_at);
    page.raw("</dd><dt>Envelope from</dt><dd>").text(or_else(&message.envelope_from, "<>")).raw("</dd>");
    if body.attachments > 0 {
        page.raw("<dt>Attached</dt><dd>").text(&format!("{} (in the raw mail)", body.attachments)).raw("</dd>");
    }
    page.raw("</dl></header><main>");
    if body.html.is_some() {
        page.raw("<h2>As the reader sees it</h2><iframe title=\"The message as HTML\" sandbox=\"allow-popups ")
            .raw("allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation\" src=\"/messages/")
            .text(&message.id)
            .raw("/html\"></iframe>");
    }
    page.raw("<h2>Text</h2><pre>").text(shown(&body.text)).raw("</pre>");
    page.raw("<details><summary>Headers</summary><dl>");
    for (name, value) in mime::headers(&message.raw) {
        page.raw("<dt>").text(&name).raw("</dt><dd>").text(&value).raw("</dd>");
    }
    let source = String::from_utf8_lossy(&message.raw);
    page.raw("</dl></details><details><summary>Source</summary><pre>")
        .text(shown(&source))
        .raw("</pre></details><p><a href=\"/messages/")
        .text(&message.id)
        .raw(".eml\">Raw mail (.eml)</a></p></main>");
    page.into_page(&subject)
}

fn time(page: &mut Markup, at: Timestamp) {
    page.raw("<time class=\"soft\" datetime=\"")
        .text(&at.to_string())
        .raw("\">")
        .text(&at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
        .raw("</time>");
}

fn or_else<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.trim().is_empty() { otherwise } else { text }
}

fn shown(text: &str) -> &str {
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
