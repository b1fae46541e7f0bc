//! Kind words when a link does not work or a request cannot be answered.

use serde::Serialize;

use super::engine::render;
use super::parts::{Frame, Href, Outcome};
use super::texts::text;

/// Why a link does not work. Bad signature, unknown and foreign links are one and the same; the others are
/// told apart only after the signature was found good (LK-06).
#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind", content = "outcomes")]
pub enum LinkProblem {
    /// Not a link of ours, or not whole. The frame should be [`Frame::neutral`].
    Unknown,
    /// Too old; nothing is mailed by itself, the person asks again on the site.
    Expired,
    /// Already answered: what stands on record.
    Used(Vec<Outcome>),
    /// A newer mail has a newer link.
    Superseded,
}

/// A link that does not work.
#[derive(Clone, Serialize)]
pub struct LinkProblemPage {
    /// The frame.
    pub frame: Frame,
    /// Why.
    pub problem: LinkProblem,
    /// Where to stop, for a used link with a yes on record.
    pub withdraw: Option<Href>,
    /// Where to ask again: the form, for an expired or used link.
    pub sign_up: Option<Href>,
    /// The controller's own site.
    pub site: Option<Href>,
}

/// A few words in place of an error: for 4xx and 5xx on pages that people see.
#[derive(Clone, Serialize)]
pub struct MessagePage {
    /// The frame.
    pub frame: Frame,
    /// The heading.
    pub title: String,
    /// What happened and what can be done, for the reader.
    pub text: String,
    /// The way on: where to, and how the link reads.
    pub link: Option<(Href, String)>,
}

/// The usual troubles, for which the table of texts has words.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// 400, 413, 415, 422: we could not read what was sent.
    Unreadable,
    /// 403: sent from a place that may not.
    NotAllowed,
    /// 404, 405, 410: nothing here.
    NotFound,
    /// 429: too often.
    TooOften,
    /// 503: try again shortly.
    Busy,
    /// 500: our fault.
    Ours,
}

impl Trouble {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Unreadable, Self::NotAllowed, Self::NotFound, Self::TooOften, Self::Busy, Self::Ours];

    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Unreadable => ("trouble_unreadable_title", "trouble_unreadable_text"),
            Self::NotAllowed => ("trouble_not_allowed_title", "trouble_not_allowed_text"),
            Self::NotFound => ("trouble_not_found_title", "trouble_not_found_text"),
            Self::TooOften => ("trouble_too_often_title", "trouble_too_often_text"),
            Self::Busy => ("trouble_busy_title", "trouble_busy_text"),
            Self::Ours => ("trouble_ours_title", "trouble_ours_text"),
        }
    }
}

impl MessagePage {
    /// The page for a usual trouble, in the frame's language.
    pub fn about(frame: Frame, trouble: Trouble) -> Self {
        let (title, words) = trouble.keys();
        let (title, text) = (text(&frame.lang, title), text(&frame.lang, words));
        Self {
            title: title.unwrap_or_default().to_owned(),
            text: text.unwrap_or_default().to_owned(),
            frame,
            link: None,
        }
    }
}

/// Renders the page for a link that does not work.
pub fn render_link_problem(page: &LinkProblemPage) -> String {
    render("link_problem.html", page)
}

/// Renders a message.
pub fn render_message(page: &MessagePage) -> String {
    render("message.html", page)
}
