//! A purpose: one thing consented to, on one channel (CV-04). Open tracking is a purpose of its own (TR-01).

use super::coded::coded;
use super::ids::PurposeId;
use super::slug::Slug;
use super::time::{Period, Timestamp};

coded! {
    /// By which channel a purpose reaches people.
    Channel {
        /// E-mail.
        Email = 1 "email",
    }
}

coded! {
    /// What a purpose is for.
    PurposeKind {
        /// Being written to.
        Marketing = 1 "marketing",
        /// Individual measurement of opens and clicks: becomes `ConsentToTrack` and is never mailed about by itself.
        Tracking = 2 "tracking",
    }
}

/// One thing consented to.
#[derive(Debug, Clone, PartialEq)]
pub struct Purpose {
    /// Its id.
    pub id: PurposeId,
    /// Its short name, unique within the controller; the key of a choice on a form.
    pub slug: Slug,
    /// Its name as people read it.
    pub label: String,
    /// What will be done, in a sentence.
    pub description: String,
    /// The channel.
    pub channel: Channel,
    /// The kind.
    pub kind: PurposeKind,
    /// How long a consent lasts; fixed and copied at the time of consent (EX-02).
    pub validity: Period,
    /// How long before its end a consent may be renewed by mail (EX-02).
    pub refresh_window: Period,
    /// Whether a yes needs confirming by a mailed link (DO-01).
    pub double_opt_in: bool,
    /// Whether the controller chose to mail UK corporate subscribers without consent (RP-01, default no).
    pub mail_corporate: bool,
}

/// How long a consent given now holds, and from when it may be renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// The moment it ends.
    pub valid_until: Timestamp,
    /// The moment from which its renewal may be asked for by mail.
    pub refresh_from: Timestamp,
}

impl Purpose {
    /// The terms of a consent that starts at `from`.
    pub fn terms(&self, from: Timestamp) -> Terms {
        let valid_until = self.validity.after(from);
        Terms { valid_until, refresh_from: self.refresh_window.before(valid_until).max(from) }
    }
}
