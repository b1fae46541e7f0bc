//! What a link is for, and how that is written into a token.

use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::ids::LinkId;
use crate::domain::link::LinkAction as Action;
use crate::domain::time::Timestamp;

/// What a token is going to say. Made by [`Claims::until`], [`Claims::withdrawal`] or [`Claims::preferences`], so that
/// an end is there exactly when the action has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims {
    action: Action,
    link: LinkId,
    expires: Option<Timestamp>,
}

impl Claims {
    /// A link that ends, at the full second at or before `expires`. For one that stops the end is left out: those links
    /// live for ever (LK-06).
    pub fn until(action: Action, link: LinkId, expires: Timestamp) -> Self {
        let held = Timestamp::from_micros(expires.seconds().clamp(0, LAST_SECOND) * 1_000_000);
        Self { action, link, expires: action.ends().then_some(held) }
    }

    /// A link to stop it.
    pub fn withdrawal(link: LinkId) -> Self {
        Self { action: Action::Withdraw, link, expires: None }
    }

    /// A link to see what stands, and to stop it.
    pub fn preferences(link: LinkId) -> Self {
        Self { action: Action::Manage, link, expires: None }
    }

    /// What it is for.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The record it names.
    pub fn link(&self) -> LinkId {
        self.link
    }

    /// When it ends, if it does.
    pub fn expires(&self) -> Option<Timestamp> {
        self.expires
    }
}

/// The last second of ten digits, in the year 2286: a longer number would lengthen the address.
pub(super) const LAST_SECOND: i64 = 9_999_999_999;

/// The claims as they are written. Reading is strict: no other members, none twice, and each of its own type; a
/// number in quotes, with a fraction or below zero is not a time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    pub aud: String,
    pub jti: String,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    pub exp: Option<u64>,
}

/// A member that is there has a value: `null` does not pass for absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    u64::deserialize(deserializer).map(Some)
}
