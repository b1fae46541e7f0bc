//! A policy in Markdown as a page, with the way to its exact bytes.

use serde::Serialize;

use super::engine::try_render;
use super::parts::{Frame, Href};

/// HTML that went through the sanitiser. The one thing that a page takes unescaped.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct Sanitised(String);

impl Sanitised {
    /// Takes what [`as_page`](crate::usecases::policies::as_page) made, and nothing else.
    pub const fn of_policy(html: String) -> Self {
        Self(html)
    }
}

/// A version of a policy.
#[derive(Clone, Serialize)]
pub struct PolicyPage {
    /// The frame; names the controller.
    pub frame: Frame,
    /// The version's label.
    pub version: String,
    /// The document.
    pub text: Sanitised,
    /// Where its exact bytes are.
    pub exact: Href,
    /// Their SHA-256, in hex.
    pub sha256: String,
}

/// Renders the page; nothing when it would be longer than a page may be.
pub fn render_policy(page: &PolicyPage) -> Option<String> {
    try_render("policy.html", page).ok()
}
