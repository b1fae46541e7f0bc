//! What the emulated provider remembers: clients, lists, people on them, and who is suppressed.
//!
//! Promises: plain data with look-ups; everything here goes into the snapshot. Leaves the rules of
//! change to `writing` and the shapes of answers to `reading`.

use super::error::ApiError;
use super::orders::Key;
use super::people::People;
use super::suppressed::Suppressed;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A subscriber's state on one list (reference section 15.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Gets campaigns.
    Active,
    /// On a list with confirmed opt-in, link not clicked yet.
    Unconfirmed,
    /// Left, or was scrubbed.
    Unsubscribed,
    /// Hard bounce.
    Bounced,
    /// Removed by the list's owner.
    Deleted,
}

impl State {
    pub(super) const ALL: [Self; 5] =
        [Self::Active, Self::Unconfirmed, Self::Unsubscribed, Self::Bounced, Self::Deleted];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Unconfirmed => "Unconfirmed",
            Self::Unsubscribed => "Unsubscribed",
            Self::Bounced => "Bounced",
            Self::Deleted => "Deleted",
        }
    }

    pub(super) fn from_page(page: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(page))
    }
}

/// How far an unsubscribe reaches (reference section 15.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnsubscribeSetting {
    /// Every list of the client, and the suppression list.
    #[default]
    AllClientLists,
    /// Only the list itself; the suppression list does not apply to it.
    OnlyThisList,
}

/// A custom field of somebody: its bare key, shared by everybody who has the field, and the value.
pub(super) type FieldValue = (Arc<str>, Box<str>);

#[derive(Serialize, Deserialize)]
pub(super) struct Subscriber {
    pub(super) email: String,
    pub(super) name: Arc<str>,
    pub(super) mobile: Option<String>,
    pub(super) sms_consent: bool,
    pub(super) state: State,
    pub(super) changed_at: Timestamp,
    pub(super) joined_at: Timestamp,
    /// Bare field keys and values; a multi-choice field has one entry per option.
    pub(super) fields: Vec<FieldValue>,
}

impl Subscriber {
    /// Somebody of whom only the address is known.
    pub(super) fn new(email: &str, state: State, now: Timestamp) -> Self {
        Self {
            email: email.to_owned(),
            name: Arc::default(),
            mobile: None,
            sms_consent: false,
            state,
            changed_at: now,
            joined_at: now,
            fields: Vec::new(),
        }
    }
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(from = "NamedField")]
pub(super) struct CustomField {
    name: String,
    /// The key without its brackets: the name without blanks, case kept.
    #[serde(skip)]
    key: Arc<str>,
    pub(super) data_type: String,
    pub(super) options: Vec<String>,
    pub(super) in_preference_center: bool,
}

/// A custom field as a snapshot has it.
#[derive(Deserialize)]
struct NamedField {
    name: String,
    data_type: String,
    options: Vec<String>,
    in_preference_center: bool,
}

impl From<NamedField> for CustomField {
    fn from(field: NamedField) -> Self {
        Self::new(field.name, field.data_type, field.options, field.in_preference_center)
    }
}

impl CustomField {
    pub(super) fn new(name: String, data_type: String, options: Vec<String>, in_preference_center: bool) -> Self {
        let key = Self::key_of(&name);
        Self { name, key, data_type, options, in_preference_center }
    }

    fn key_of(name: &str) -> Arc<str> {
        name.split_whitespace().collect::<String>().into()
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The key follows the name.
    pub(super) fn rename(&mut self, name: String) {
        self.key = Self::key_of(&name);
        self.name = name;
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Webhook {
    pub(super) id: String,
    pub(super) events: Vec<String>,
    pub(super) url: String,
    pub(super) active: bool,
}

#[derive(Serialize, Deserialize)]
pub(super) struct List {
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) title: String,
    pub(super) unsubscribe_page: String,
    pub(super) unsubscribe_setting: UnsubscribeSetting,
    pub(super) confirmed_opt_in: bool,
    pub(super) confirmation_success_page: String,
    pub(super) custom_fields: Vec<CustomField>,
    /// By address in lower case.
    pub(super) subscribers: People,
    pub(super) webhooks: Vec<Webhook>,
}

impl List {
    pub(super) fn honours_suppression(&self) -> bool {
        self.unsubscribe_setting == UnsubscribeSetting::AllClientLists
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct Client {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) api_key: String,
    /// IANA name.
    pub(super) zone: String,
    /// Consent to track by address in lower case: per client, not per list (section 15.6).
    pub(super) tracking: HashMap<Key, bool>,
    pub(super) suppressed: Suppressed,
}

/// One webhook event waiting to be spread over the list's webhooks.
pub(super) struct Fired {
    pub(super) list_id: String,
    pub(super) kind: &'static str,
    pub(super) event: Value,
}

#[derive(Serialize, Deserialize)]
pub(super) struct World {
    pub(super) account_key: String,
    pub(super) account_zone: String,
    pub(super) clients: BTreeMap<String, Client>,
    pub(super) lists: BTreeMap<String, List>,
    /// Whether subscriber dates are shown cut to their minute, as the vendor's samples are.
    #[serde(skip)]
    pub(super) whole_minutes: bool,
    #[serde(skip)]
    pub(super) fired: Vec<Fired>,
    #[serde(default)]
    pub(super) oauth: super::oauth::Book,
}

impl World {
    pub(super) fn client(&mut self, id: &str) -> Result<&mut Client, ApiError> {
        self.clients.get_mut(id).ok_or_else(ApiError::foreign_client)
    }

    pub(super) fn list(&mut self, id: &str) -> Result<&mut List, ApiError> {
        self.lists.get_mut(id).ok_or_else(ApiError::unknown_list)
    }

    pub(super) fn lists_of(&self, client_id: &str) -> Vec<String> {
        self.lists.values().filter(|list| list.client_id == client_id).map(|list| list.id.clone()).collect()
    }

    pub(super) fn zone_of_list(&self, list_id: &str) -> &str {
        self.lists
            .get(list_id)
            .and_then(|list| self.clients.get(&list.client_id))
            .map_or(&self.account_zone, |client| &client.zone)
    }
}

/// 32 lower-case hex digits, as the provider's ids and keys look.
pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
