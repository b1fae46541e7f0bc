//! The pages behind the links that ask: re-permission (`/r/{token}`), confirmation of a sign-up (`/c/{token}`), and
//! the result of both. Shown once more with a `Problem`, they are the "please confirm again" pages (LK-03, LK-05).

use serde::Serialize;

use super::engine::render;
use super::parts::{Frame, Held, Href, Notice, Outcome, Problem};
use crate::domain::time::Timestamp;

/// Asks somebody who is mailed today whether that may go on. It sends `nonce`, `name` (a correction, mostly empty),
/// `website` (a trap for machines) and `choice.{slug}` with `yes` or `no`.
#[derive(Clone, Serialize)]
pub struct AnswerPage {
    /// The frame.
    pub frame: Frame,
    /// The notice, with those purposes that are asked about.
    pub notice: Notice,
    /// What is held.
    pub held: Held,
    /// Until when the link can be answered.
    pub ends: Option<Timestamp>,
    /// Opaque, bound to this link for a short time (LK-04).
    pub nonce: String,
    /// What was typed as a correction, when the page is shown once more.
    pub name: String,
    /// Why it is shown once more; empty at first.
    pub problems: Vec<Problem>,
}

/// Asks whether it was this person who signed up, under the same notice as the form (DO-05). It sends `nonce`,
/// `website` (a trap for machines) and `choice.{slug}` with `yes` or `no`.
#[derive(Clone, Serialize)]
pub struct ConfirmPage {
    /// The frame.
    pub frame: Frame,
    /// The notice, with those purposes that were requested.
    pub notice: Notice,
    /// What is held.
    pub held: Held,
    /// When the form was sent.
    pub requested_at: Timestamp,
    /// Where to say "this was not me" (DO-04).
    pub not_me: Option<Href>,
    /// Opaque, bound to this link for a short time (LK-04).
    pub nonce: String,
    /// Why it is shown once more; empty at first.
    pub problems: Vec<Problem>,
}

/// What was recorded.
#[derive(Clone, Serialize)]
pub struct DecidedPage {
    /// The frame.
    pub frame: Frame,
    /// What was recorded for each purpose.
    pub outcomes: Vec<Outcome>,
    /// Where to stop, when there is a yes.
    pub withdraw: Option<Href>,
    /// The form with the full notice, for those who said no and change their mind.
    pub sign_up: Option<Href>,
    /// The controller's own site.
    pub site: Option<Href>,
    /// The controller's page on rights and complaints (DR-09).
    pub rights: Option<Href>,
}

/// Renders the re-permission page.
pub fn render_answer(page: &AnswerPage) -> String {
    render("answer.html", page)
}

/// Renders the confirmation page.
pub fn render_confirm(page: &ConfirmPage) -> String {
    render("confirm.html", page)
}

/// Renders the result.
pub fn render_decided(page: &DecidedPage) -> String {
    render("decided.html", page)
}
