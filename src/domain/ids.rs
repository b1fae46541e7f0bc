//! Typed ids: a campaign's id cannot pass for a subject's. All are UUIDs of version 7, so that rows are inserted
//! near each other (RFC 9562). An id is a name, never a secret (LK-13).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text was not a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected a UUID")]
pub struct InvalidId;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps a UUID that is known to name one of these.
            pub const fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
            /// The bare UUID.
            pub const fn uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{}({})", stringify!($name), self.0) }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { self.0.fmt(f) }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }
    )+};
}

ids! {
    /// An organisation for which personal data is held (GDPR Art 4(7)).
    ControllerId,
    /// A person, within one controller.
    SubjectId,
    /// One thing consented to, on one channel.
    PurposeId,
    /// A family of policy versions.
    PolicyId,
    /// Immutable bytes of a privacy policy.
    PolicyVersionId,
    /// The exact wording shown at the moment of choice.
    NoticeId,
    /// From-address, name, reply-to and postal line of a controller's mail.
    SenderId,
    /// A site form.
    FormId,
    /// One upload of contacts or of a do-not-mail list.
    ImportId,
    /// A re-permission round.
    CampaignId,
    /// One mail to one person.
    MailId,
    /// One append-only fact.
    EventId,
    /// The record behind a signed link (`jti`): 16 random bytes.
    LinkId,
    /// An API token (its name, not its secret).
    TokenId,
    /// A row of the outbox.
    TaskId,
    /// A place where confirmed subscribers are kept in step.
    DestinationId,
    /// A comparison of both sides of a destination.
    ReconcileId,
    /// A difference that was found in one.
    FindingId,
    /// An account at the provider that was connected by OAuth.
    ConnectionId,
}

/// The controller that a credential or a verified link named. Whoever holds one may touch this controller's rows
/// and no others: the store has no query that does without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ControllerScope(ControllerId);

impl ControllerScope {
    /// For the few look-ups that find the controller (a token's hash, a form key, a link's `kid`, a webhook's
    /// secret) and for work that carries its controller with it. Never from a path, body or header.
    pub const fn granted(controller: ControllerId) -> Self {
        Self(controller)
    }

    /// The controller.
    pub const fn controller(self) -> ControllerId {
        self.0
    }
}
