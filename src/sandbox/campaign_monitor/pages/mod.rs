//! The pages for people, without a script: the account with its clients, lists, suppression lists, webhooks,
//! fault rules and newest calls, and the people of a list.
//!
//! Promises: secrets are cut (webhook addresses carry a token) and addresses in the paths of calls are masked,
//! so that a page can be shown to somebody; everything is reached with the keyboard.

mod account;
mod faults;
mod list;
mod requests;

use super::model::{List, State};
use crate::sandbox::web::Markup;

pub(super) use account::home;
pub(super) use faults::refused_rule;
pub(super) use list::list;

/// Calls shown.
pub(super) const REQUESTS: usize = 40;

fn counts(page: &mut Markup, list: &List) {
    page.raw("<ul class=\"counts\">");
    for state in State::ALL {
        let count = grouped(list.subscribers.count(state));
        page.raw("<li>").text(&format!("{count} {}", state.name().to_lowercase())).raw("</li>");
    }
    page.raw("</ul>");
}

/// A number with its thousands apart.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let parts: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_stand_apart() {
        let shown = [0, 999, 1_000, 1_234_567].map(super::grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
