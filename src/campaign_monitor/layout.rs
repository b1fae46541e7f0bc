//! How an account is laid out: clients, lists, custom fields, webhooks.
//!
//! Read as leniently as people are: missing and null fields become empty, unknown words are kept
//! or become *other*. What must not be guessed ([`ListDetails::confirmed_opt_in`]) is required.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::types::lenient;

/// A client of the account.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ClientEntry {
    /// Opaque id.
    #[serde(rename = "ClientID")]
    pub client_id: String,
    /// Name.
    #[serde(rename = "Name", default, deserialize_with = "lenient")]
    pub name: String,
}

/// What we read of a client's details. The API key that stands beside it is never taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ClientDetails {
    /// Opaque id.
    #[serde(rename = "ClientID", deserialize_with = "lenient")]
    pub client_id: String,
    /// Company.
    #[serde(rename = "CompanyName", deserialize_with = "lenient")]
    pub company_name: String,
    /// The label of its zone; see [`super::zone`].
    #[serde(rename = "TimeZone", deserialize_with = "lenient")]
    pub time_zone: String,
}

/// A list of a client.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ListEntry {
    /// Opaque id.
    #[serde(rename = "ListID")]
    pub list_id: String,
    /// Name.
    #[serde(rename = "Name", default, deserialize_with = "lenient")]
    pub name: String,
}

/// How far an opt-out reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UnsubscribeSetting {
    /// Every list of the client, and the suppression list.
    AllClientLists,
    /// This list alone; the suppression list does not protect it.
    OnlyThisList,
    /// A word we do not know.
    #[default]
    #[serde(other)]
    Other,
}

/// A list to create.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewList<'a> {
    /// Title, unique within the client.
    pub title: &'a str,
    /// Reach of an opt-out.
    pub unsubscribe_setting: UnsubscribeSetting,
    /// Whether the provider sends a verification mail of its own.
    pub confirmed_opt_in: bool,
}

/// A list's settings.
#[derive(Clone, Debug, Deserialize)]
pub struct ListDetails {
    /// Opaque id.
    #[serde(rename = "ListID")]
    pub list_id: String,
    /// Title.
    #[serde(rename = "Title", default, deserialize_with = "lenient")]
    pub title: String,
    /// Reach of an opt-out.
    #[serde(rename = "UnsubscribeSetting", default, deserialize_with = "lenient")]
    pub unsubscribe_setting: UnsubscribeSetting,
    /// True when the provider sends a verification mail of its own, which we do not want.
    #[serde(rename = "ConfirmedOptIn")]
    pub confirmed_opt_in: bool,
}

/// A custom field of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CustomField {
    /// Name as shown.
    #[serde(deserialize_with = "lenient")]
    pub field_name: String,
    /// Key in brackets.
    #[serde(deserialize_with = "lenient")]
    pub key: String,
    /// Word for the type, such as `Text` or `Date`.
    #[serde(deserialize_with = "lenient")]
    pub data_type: String,
    /// Options of a choice.
    #[serde(deserialize_with = "lenient")]
    pub field_options: Vec<String>,
    /// Whether the person may edit it.
    #[serde(deserialize_with = "lenient")]
    pub visible_in_preference_center: bool,
}

/// Types of fields that we create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum FieldType {
    /// Up to 250 characters.
    Text,
    /// A number.
    Number,
    /// A day.
    Date,
    /// One of several options.
    MultiSelectOne,
    /// Any of several options.
    MultiSelectMany,
}

impl FieldType {
    /// The provider's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Number => "Number",
            Self::Date => "Date",
            Self::MultiSelectOne => "MultiSelectOne",
            Self::MultiSelectMany => "MultiSelectMany",
        }
    }
}

/// A custom field to create. Use plain ASCII names and options: others get unusable keys.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewField {
    /// Name; its key is the name without blanks.
    pub field_name: String,
    /// Type.
    pub data_type: FieldType,
    /// Options of a choice; empty for other types.
    pub options: Vec<String>,
    /// Keep evidence of consent out of the subscriber's own reach: false.
    pub visible_in_preference_center: bool,
}

/// A webhook of a list. Its address carries our secret path, so `Debug` hides it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Webhook {
    /// Opaque id.
    #[serde(rename = "WebhookID", deserialize_with = "lenient")]
    pub webhook_id: String,
    /// Kinds of events it delivers.
    #[serde(rename = "Events", deserialize_with = "lenient")]
    pub events: Vec<String>,
    /// Where it delivers.
    #[serde(rename = "Url", deserialize_with = "lenient")]
    pub url: String,
    /// `Active`, or a word for a switched-off one.
    #[serde(rename = "Status", deserialize_with = "lenient")]
    pub status: String,
    /// `Json` or `Xml`.
    #[serde(rename = "PayloadFormat", deserialize_with = "lenient")]
    pub payload_format: String,
}

impl Webhook {
    /// Only `Active` is on; the word for off is not published.
    pub fn is_active(&self) -> bool {
        self.status.eq_ignore_ascii_case("active")
    }

    /// Whether it tells, in JSON, of every kind of event.
    pub fn tells_all(&self) -> bool {
        let tells = |kind: &str| self.events.iter().any(|event| event.eq_ignore_ascii_case(kind));
        self.payload_format.eq_ignore_ascii_case("json") && super::webhooks::EVENTS.iter().all(|kind| tells(kind))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Webhook({}, {})", self.webhook_id, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_words_do_not_break_reading() {
        let list: ListDetails = serde_json::from_str(
            r#"{"ListID":"1","Title":null,"UnsubscribeSetting":"Sometimes","ConfirmedOptIn":false}"#,
        )
        .unwrap();
        assert_eq!(list.unsubscribe_setting, UnsubscribeSetting::Other);
        let silent = serde_json::from_str::<ListDetails>(r#"{"ListID":"1","UnsubscribeSetting":"AllClientLists"}"#);
        assert!(silent.is_err(), "whether the provider mails people by itself is not guessed");
    }

    #[test]
    fn a_webhook_is_on_only_when_it_says_so() {
        let hook = |status: &str| Webhook { status: status.to_owned(), ..Webhook::default() };
        assert!(hook("Active").is_active());
        assert!(!hook("Inactive").is_active() && !hook("").is_active());
    }
}
