//! The first floor: one function per thing asked. Each is one transaction: the new state, its event and the work that
//! follows are written together or not at all. Nobody here knows a status code or a table.

pub mod address;
pub mod answer;
pub mod campaigns;
pub mod caps;
pub mod clockwork;
pub mod confirmed;
pub mod connection;
pub mod controllers;
pub mod deliver;
pub mod destination_fields;
pub mod destinations;
pub mod docket;
pub mod error;
pub mod forms;
pub mod imports;
pub mod issue_link;
mod kept;
pub mod key_versions;
pub mod keys;
pub mod limits;
mod line;
pub mod linked;
pub mod nonce;
pub mod notices;
pub mod oauth;
pub mod once;
pub mod open_form;
pub mod parked;
pub mod past;
pub mod people;
pub mod permission;
pub mod policies;
pub mod preferences;
pub mod purposes;
pub mod reconcile;
pub mod record;
mod record_many;
pub mod refresh;
pub mod remap;
pub mod reseal;
pub mod rules;
pub mod scene;
pub mod senders;
pub mod setup;
mod shape;
pub mod sign_up;
pub mod site_consent;
pub mod staff_stop;
pub mod sync;
pub mod tokens;
pub mod upkeep;
pub mod webhook;
pub mod whereabouts;
pub mod withdraw;

use std::sync::Arc;

use crate::crypto::RootKeys;
use crate::domain::clock::{Clock, Ids};
use crate::store::Store;

pub use error::Error;
pub use keys::Keys;
pub use limits::{Limits, Pieces, Throttles};
pub use rules::Rules;

pub use crate::mail::RelayPool;
pub use crate::store::StoreError as StoreFailure;

/// Everything a use case needs; built once, shared by all doors, cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// The store.
    pub store: Store,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where ids come from.
    pub ids: Arc<dyn Ids>,
    /// The controllers' keys, opened when needed.
    pub keys: Arc<Keys>,
    /// Forms as they were read a moment ago.
    pub forms: Arc<open_form::FormCache>,
    /// What pages behind links show to everybody, as it was read a moment ago.
    pub scenes: Arc<scene::Scenes>,
    /// Turns at renewing tokens of the provider.
    pub renewals: Arc<oauth::Renewals>,
    /// Lifetimes and limits.
    pub rules: Arc<Rules>,
    /// Where links lead: scheme, host and port, without a slash at the end.
    pub base_url: Arc<str>,
}

impl Services {
    /// Puts the house's services together.
    pub fn new(
        store: Store,
        root: RootKeys,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        rules: Rules,
        base_url: &str,
    ) -> Self {
        let keys = Keys::new(root, store.clone(), Arc::clone(&clock), rules.key_refresh);
        Self {
            store,
            clock,
            ids,
            keys: Arc::new(keys),
            forms: Arc::default(),
            scenes: Arc::default(),
            renewals: Arc::default(),
            rules: Arc::new(rules),
            base_url: base_url.trim_end_matches('/').into(),
        }
    }
}
