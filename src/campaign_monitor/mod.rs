//! Our client for the Campaign Monitor API, version 3.3.
//!
//! Promises: every call ends within the set time, reads a bounded answer, and every way it can
//! fail has one [`Verdict`]: done, try again, ask a person, or *they stopped* (the provider holds
//! an opt-out that we must respect). Nothing here prints an address, a name or a credential.
//!
//! Leaves to others: when to call (the gate), how often to repeat (the worker; a call here is
//! sent once, or once more with a token that was renewed), what a refused row means for a person's consent (use cases), and storage.
//! Written from the provider's contract alone, so that the emulator may disagree with it.

// A test that cannot go on says so by ending.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod bearer;
pub mod breaker;
pub mod client;
pub mod error;
pub mod fields;
pub mod import;
pub mod layout;
pub mod oauth;
pub mod payload;
pub mod settings;
pub mod types;
pub mod zone;

mod lists;
mod subscribers;
mod suppression;
mod verdict;
mod wait;
mod webhooks;

pub use bearer::{Bearer, Renewal, Replacing, Stale};
pub use breaker::{Admission, Breaker, BreakerSettings, Permit};
pub use client::{Account, Client};
pub use error::{CallError, InputError};
pub use fields::{FieldError, FieldValue, normalise_key};
pub use import::{ImportOutcome, NewSubscriber, RowResult};
pub use layout::{
    ClientDetails, ClientEntry, CustomField, FieldType, ListDetails, ListEntry, NewField, NewList, UnsubscribeSetting,
    Webhook,
};
pub use oauth::{GrantError, OauthApp, TokenGrant, parse_grant};
pub use payload::{EventKind, PayloadError, WebhookBatch, WebhookEvent, parse_batch};
pub use settings::{ClientSettings, Credentials, Secret, SettingsError};
pub use subscribers::{Removal, Renamed};
pub use types::{
    ConsentToTrack, Direction, ListState, OrderField, Page, PageRequest, StoredField, Subscriber, SuppressionEntry,
    normalise_address,
};
pub use verdict::{Reason, Verdict};
pub use webhooks::WebhookTest;
pub use zone::{Zone, ZoneError, label_zone, parse_local};
