//! A person with a browser's patience: opens a page, reads it, chooses, sends.

use std::time::Duration;

use super::{Answer, Api, TestApp};

/// The seal of a page's form.
pub fn seal(html: &str) -> String {
    let mark = "name=\"nonce\" value=\"";
    let from = html.find(mark).expect("the page has a seal") + mark.len();
    html[from..].split('"').next().expect("the seal ends").to_owned()
}

/// The first address on a page that begins with this path.
pub fn link_on(html: &str, path: &str) -> String {
    let html = html.replace("&#x2f;", "/");
    let from = html.find(&format!("\"{path}")).unwrap_or_else(|| panic!("no link to {path}")) + 1;
    html[from..].split('"').next().expect("the address ends").to_owned()
}

/// Opens the page behind a link, takes three seconds to read it, and sends these fields.
pub async fn answer(app: &TestApp, who: &Api, link: &str, fields: &[(&str, &str)]) -> Answer {
    let page = who.get(link).await.expect(200);
    app.clock.advance(Duration::from_secs(3));
    let seal = seal(&page.body());
    let mut all = vec![("nonce", seal.as_str())];
    all.extend_from_slice(fields);
    who.form(link, &all).await
}

/// Answers a link at a service that may be dead; says whether the answer was acknowledged.
pub async fn try_answer(app: &TestApp, link: &str, fields: &[(&str, &str)]) -> bool {
    try_answer_between(app, link, link, fields).await
}

/// The same, where the page is shown at one address and its answer sent to another, of one service in several processes.
pub async fn try_answer_between(app: &TestApp, shown_at: &str, sent_to: &str, fields: &[(&str, &str)]) -> bool {
    let who = app.nobody();
    let Some(page) = who.try_get(shown_at).await else { return false };
    if !page.contains("name=\"nonce\"") {
        // Answered before, by a post whose answer was lost.
        return page.contains("role=\"status\"") || page.contains("<main");
    }
    let seal = seal(&page);
    let mut all = vec![("nonce", seal.as_str())];
    all.extend_from_slice(fields);
    who.try_form(sent_to, &all).await == Some(200)
}
