//! The page behind a preference link (`/p/{token}`): how things stand, purpose by purpose, and a button to stop each, or
//! everything. As on the page of a withdrawal one press is enough, nothing is typed, and no form carries a nonce.

use serde::Serialize;

use super::engine::render;
use super::parts::{Frame, Href};
use crate::domain::time::Timestamp;

/// Each button is a form of its own: it sends `purpose` with the purpose's short name, or `stop` with `all`.
#[derive(Clone, Serialize)]
pub struct PreferencesPage {
    /// The frame; names the controller.
    pub frame: Frame,
    /// The masked address.
    pub address: String,
    /// The purposes, each with how it stands.
    pub lines: Vec<PreferenceLine>,
    /// Whether the button that stops everything stands below.
    pub everything: bool,
    /// What has just come of a press.
    pub news: Option<PreferenceNews>,
    /// The form with the full notice, if there is one (DK-03).
    pub sign_up: Option<Href>,
}

/// A purpose, and how it stands.
#[derive(Clone, Serialize)]
pub struct PreferenceLine {
    /// Its short name.
    pub slug: String,
    /// The purpose, in the words of the notice.
    pub label: String,
    /// How it stands.
    pub stands: PreferenceState,
    /// Since when; none where nothing has happened.
    pub at: Option<Timestamp>,
    /// Whether it has a button that stops it.
    pub can_stop: bool,
}

/// How a purpose can stand, as far as a person needs to know.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreferenceState {
    /// The person said yes.
    Yes,
    /// The person signed up and has yet to confirm it.
    Requested,
    /// The person was asked and has not answered.
    Asked,
    /// The person said no.
    No,
    /// The person stopped it.
    Stopped,
    /// The yes has run to its end.
    Expired,
    /// It ended without the person.
    Ended,
    /// Nothing was said.
    Nothing,
}

/// What has come of a press.
#[derive(Clone, Serialize)]
#[serde(rename_all = "snake_case", tag = "what", content = "purpose")]
pub enum PreferenceNews {
    /// This purpose is stopped, in the words of the notice.
    Stopped(String),
    /// Everything is stopped.
    Everything,
    /// It was not to be seen which button was pressed: nothing has changed.
    Unclear,
}

/// The page behind a preference link whose person is on record no more: what they may have wanted is so.
#[derive(Clone, Serialize)]
pub struct NoPreferencesPage {
    /// A neutral frame: whose it was is not told.
    pub frame: Frame,
}

/// Renders the page of a preference link.
pub fn render_preferences(page: &PreferencesPage) -> String {
    render("preferences.html", page)
}

/// Renders the page where nobody is on record.
pub fn render_no_preferences(page: &NoPreferencesPage) -> String {
    render("no_preferences.html", page)
}
