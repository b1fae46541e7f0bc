//! The page on which somebody who comes back from the provider sees for whom their account would be connected, and the
//! words for what came of it.

use serde::Serialize;

use super::engine::render;
use super::parts::Frame;
use super::texts::{fill, text};
use super::trouble::MessagePage;

/// One button: the account is connected to the controller that the frame names.
#[derive(Clone, Serialize)]
pub struct ConnectPage {
    /// The frame; names the controller.
    pub frame: Frame,
}

/// What came of connecting an account.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ConnectionNews {
    /// It is connected; a destination may now be made with it.
    Connected,
    /// A destination is spoken to by it from now on.
    InUse,
    /// The person, or somebody at the provider, said no.
    Denied,
    /// The provider does not take the operator's app, or what it asks.
    AppRefused,
    /// The provider gave no access this time.
    Failed,
    /// Not begun here, answered already, or too old.
    Gone,
}

impl ConnectionNews {
    /// All of it.
    pub const ALL: [Self; 6] = [Self::Connected, Self::InUse, Self::Denied, Self::AppRefused, Self::Failed, Self::Gone];

    const fn keys(self) -> (&'static str, &'static str) {
        match self {
            Self::Connected => ("connected_title", "connected_text"),
            Self::InUse => ("connected_title", "connected_in_use_text"),
            Self::Denied => ("unconnected_title", "connect_denied_text"),
            Self::AppRefused => ("unconnected_title", "connect_refused_text"),
            Self::Failed => ("unconnected_title", "connect_failed_text"),
            Self::Gone => ("connect_gone_title", "connect_gone_text"),
        }
    }
}

impl MessagePage {
    /// The page that says what came of it.
    pub fn of_connection(frame: Frame, news: ConnectionNews) -> Self {
        let (title, words) = news.keys();
        let words = text(&frame.lang, words).unwrap_or_default();
        let words = fill(words, |name| (name == "controller").then(|| frame.controller.as_str().into()));
        Self {
            title: text(&frame.lang, title).unwrap_or_default().to_owned(),
            text: words.unwrap_or_default(),
            frame,
            link: None,
        }
    }
}

/// Renders the page with the button.
pub fn render_connect(page: &ConnectPage) -> String {
    render("connect.html", page)
}
