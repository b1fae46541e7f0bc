//! The hosted sign-up form (`/f/{form_key}`) and the page after it.

use serde::Serialize;

use super::engine::render;
use super::parts::{Frame, Href, Notice, Problem};

/// The hosted form. It sends `nonce`, `email`, `name`, `website` (a trap for machines: people never see it) and, for
/// each purpose, `choice.{slug}` with `yes` or `no`.
#[derive(Clone, Serialize)]
pub struct FormPage {
    /// The frame.
    pub frame: Frame,
    /// The notice with everything it asks.
    pub notice: Notice,
    /// Opaque, bound to this form for a short time.
    pub nonce: String,
    /// What was typed, when the form is shown once more; empty at first. Answers are never filled in again: a consent
    /// control has no default (CV-01).
    pub email: String,
    /// See `email`.
    pub name: String,
    /// Why it is shown once more; empty at first.
    pub problems: Vec<Problem>,
}

/// The page after the form: the same words whatever is known about the address.
#[derive(Clone, Serialize)]
pub struct FormDonePage {
    /// The frame.
    pub frame: Frame,
    /// The controller's own site.
    pub site: Option<Href>,
}

/// Renders the form.
pub fn render_form(page: &FormPage) -> String {
    render("form.html", page)
}

/// Renders the page after the form.
pub fn render_form_done(page: &FormDonePage) -> String {
    render("form_done.html", page)
}
