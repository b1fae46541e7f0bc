//! The page behind the link of a mail to a new address (`/a/{token}`), and the one after it (DR-05).

use serde::Serialize;

use super::engine::render;
use super::parts::{Frame, Problem};
use crate::domain::time::Timestamp;

/// Asks whether a new address is the reader's. It sends `nonce`, `website` (a trap for machines) and `choice` with `yes`
/// or `no`.
#[derive(Clone, Serialize)]
pub struct MovePage {
    /// The frame.
    pub frame: Frame,
    /// The address in force, masked.
    pub old: String,
    /// The new one, masked.
    pub new: String,
    /// When the change was asked for.
    pub asked_at: Timestamp,
    /// Opaque, bound to this link for a short time (LK-04).
    pub nonce: String,
    /// Why it is shown once more; empty at first.
    pub problems: Vec<Problem>,
}

/// What became of it, as far as the reader needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Moved {
    /// The new address is in force.
    Yes,
    /// The reader said no.
    No,
    /// Nothing has changed, as it could not be done.
    NotPossible,
    /// Nothing has changed: the time was over.
    Expired,
    /// Nothing has changed: another change was asked for since.
    Over,
}

/// What became of it.
#[derive(Clone, Serialize)]
pub struct MoveDonePage {
    /// The frame.
    pub frame: Frame,
    /// What.
    pub moved: Moved,
}

/// Renders the question.
pub fn render_move(page: &MovePage) -> String {
    render("move.html", page)
}

/// Renders what became of it.
pub fn render_move_done(page: &MoveDonePage) -> String {
    render("move_done.html", page)
}
