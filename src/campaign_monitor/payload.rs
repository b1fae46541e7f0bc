//! What a webhook of the provider delivers.
//!
//! Deliveries are unsigned, come in batches, may repeat, arrive out of order, and include the
//! echo of our own writes. So a batch is a **hint**: an opt-out may be acted on at once, a
//! subscription must be read back first. Reading is lenient: unknown kinds are kept, missing
//! fields stay empty, an unknown list or an empty batch is no error (it may be a test call).

use std::fmt;

use serde_json::{Map, Value};

use super::types::{StoredField, normalise_address};

/// Most events of one delivery.
pub const MOST_EVENTS: usize = 1000;
/// Longest word kept of an unknown kind.
const MOST_KIND: usize = 40;

/// Why a delivery cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// Not a JSON object.
    #[error("the delivery is not a JSON object")]
    NotAnObject,
    /// `Events` is something other than a list.
    #[error("the delivery's events are not a list")]
    NotAList,
    /// More events than the provider ever sends.
    #[error("the delivery holds {0} events, {MOST_EVENTS} are allowed")]
    TooMany(usize),
}

/// One delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebhookBatch {
    /// The list it is about, if it says so.
    pub list_id: Option<String>,
    /// Its events, in no promised order.
    pub events: Vec<WebhookEvent>,
}

/// Kinds of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Somebody became active. To be read back before it is believed.
    Subscribe,
    /// A record changed, in any state.
    Update,
    /// Somebody must no longer be mailed, whatever the state says.
    Deactivate,
    /// A kind we do not know (shortened); empty when none was given.
    Unknown(String),
}

/// One event. Absent fields are `None`, not empty text.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookEvent {
    /// What happened.
    pub kind: EventKind,
    /// When, in the client's zone.
    pub date: Option<String>,
    /// The address now.
    pub email_address: Option<String>,
    /// The address before; only updates tell it, and it may be the same.
    pub old_email_address: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Word for the state.
    pub state: Option<String>,
    /// Custom fields.
    pub custom_fields: Vec<StoredField>,
}

impl WebhookEvent {
    /// The address before, if it differs from the address now.
    pub fn moved_from(&self) -> Option<&str> {
        let (old, new) = (self.old_email_address.as_deref()?, self.email_address.as_deref()?);
        (normalise_address(old) != normalise_address(new)).then_some(old)
    }

    /// Equal for two deliveries of one event and, in practice, for nothing else. It contains the
    /// address: hash it with a key before it is stored.
    pub fn identity(&self, list_id: &str) -> Vec<u8> {
        let kind = match &self.kind {
            EventKind::Subscribe => "Subscribe",
            EventKind::Update => "Update",
            EventKind::Deactivate => "Deactivate",
            EventKind::Unknown(word) => word,
        };
        let address = |text: &Option<String>| text.as_deref().map(normalise_address).unwrap_or_default();
        let parts = [
            list_id.to_owned(),
            kind.to_owned(),
            self.date.clone().unwrap_or_default(),
            address(&self.email_address),
            address(&self.old_email_address),
            self.state.clone().unwrap_or_default(),
        ];
        // Lengths before texts, so that no two different events can run together.
        parts.iter().flat_map(|p| (p.len() as u64).to_be_bytes().into_iter().chain(p.bytes())).collect()
    }
}

impl fmt::Debug for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookEvent({:?}, {:?}, ***)", self.kind, self.date)
    }
}

/// Read a delivery. The number of bytes is for the receiver to bound.
pub fn parse_batch(body: &[u8]) -> Result<WebhookBatch, PayloadError> {
    let Ok(Value::Object(envelope)) = serde_json::from_slice(body) else {
        return Err(PayloadError::NotAnObject);
    };
    let events = match member(&envelope, "Events") {
        None | Some(Value::Null) => &[][..],
        Some(Value::Array(events)) => events,
        Some(_) => return Err(PayloadError::NotAList),
    };
    if events.len() > MOST_EVENTS {
        return Err(PayloadError::TooMany(events.len()));
    }
    Ok(WebhookBatch { list_id: text(&envelope, "ListID"), events: events.iter().map(event).collect() })
}

fn event(value: &Value) -> WebhookEvent {
    let nothing = Map::new();
    let object = value.as_object().unwrap_or(&nothing);
    let fields = member(object, "CustomFields").and_then(Value::as_array).map(Vec::as_slice);
    WebhookEvent {
        kind: kind(text(object, "Type").unwrap_or_default().trim()),
        date: text(object, "Date"),
        email_address: text(object, "EmailAddress"),
        old_email_address: text(object, "OldEmailAddress"),
        name: text(object, "Name"),
        state: text(object, "State"),
        custom_fields: fields.unwrap_or_default().iter().filter_map(field).collect(),
    }
}

fn kind(word: &str) -> EventKind {
    if word.eq_ignore_ascii_case("subscribe") {
        EventKind::Subscribe
    } else if word.eq_ignore_ascii_case("update") {
        EventKind::Update
    } else if word.eq_ignore_ascii_case("deactivate") {
        EventKind::Deactivate
    } else {
        EventKind::Unknown(word.chars().take(MOST_KIND).collect())
    }
}

fn field(value: &Value) -> Option<StoredField> {
    let object = value.as_object()?;
    let value = match member(object, "Value") {
        Some(Value::Number(number)) => number.to_string(),
        _ => text(object, "Value").unwrap_or_default(),
    };
    Some(StoredField { key: text(object, "Key")?, value })
}

/// Names are matched without regard to case, as the provider itself does.
fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A text that says something.
fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = member(object, name)?.as_str()?;
    (!text.trim().is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BATCH: &str = r#"{ "ListID": "0a1b", "Events": [
        { "Type": "Subscribe", "Date": "2026-03-02 09:15:00", "EmailAddress": "anna@example.com",
          "Name": "Anna", "CustomFields": [ { "Key": "[v]", "Value": "2" }, { "Key": "n", "Value": 3 }, 7 ] },
        { "Type": "Update", "OldEmailAddress": "ben@example.com", "EmailAddress": "ben.new@example.com",
          "State": "Active", "CustomFields": null },
        { "Type": "Update", "OldEmailAddress": "Carla@example.com", "EmailAddress": "carla@example.com" },
        { "type": "deactivate", "emailaddress": "carla@example.com", "State": "Spam" },
        { "Type": "Explode", "EmailAddress": 5 }, {}, 12 ] }"#;

    #[test]
    fn a_batch_is_read_whatever_is_in_it() {
        let batch = parse_batch(BATCH.as_bytes()).unwrap();
        assert_eq!(batch.list_id.as_deref(), Some("0a1b"));
        let kinds: Vec<_> = batch.events.iter().map(|e| e.kind.clone()).collect();
        let unknown = |word: &str| EventKind::Unknown(word.to_owned());
        use EventKind::*;
        assert_eq!(kinds, [Subscribe, Update, Update, Deactivate, unknown("Explode"), unknown(""), unknown("")]);
        assert_eq!(batch.events[0].custom_fields.len(), 2);
        assert_eq!(batch.events[0].custom_fields[1].value, "3");
        assert_eq!(batch.events[1].moved_from(), Some("ben@example.com"));
        assert_eq!(batch.events[2].moved_from(), None);
        assert_eq!(batch.events[3].email_address.as_deref(), Some("carla@example.com"));
        assert_eq!(batch.events[4].email_address, None);
        assert!(!format!("{batch:?}").contains("example.com"));
    }

    #[test]
    fn test_calls_are_no_errors_and_rubbish_is() {
        for fine in ["{}", r#"{"ListID":"x"}"#, r#"{"Events":[]}"#, r#"{"Events":null}"#] {
            assert_eq!(parse_batch(fine.as_bytes()).unwrap().events, [], "{fine}");
        }
        for bad in ["", "[]", "7", "<Events/>", "{", "\u{feff}"] {
            assert_eq!(parse_batch(bad.as_bytes()), Err(PayloadError::NotAnObject), "{bad}");
        }
        assert_eq!(parse_batch(br#"{"Events":{}}"#), Err(PayloadError::NotAList));
    }

    #[test]
    fn a_batch_is_bounded() {
        let batch = |n: usize| format!(r#"{{"Events":[{}]}}"#, vec!["{}"; n].join(","));
        assert_eq!(parse_batch(batch(1000).as_bytes()).unwrap().events.len(), 1000);
        assert_eq!(parse_batch(batch(1001).as_bytes()), Err(PayloadError::TooMany(1001)));
        let long = format!(r#"{{"Events":[{{"Type":"{}"}}]}}"#, "é".repeat(500));
        let kind = parse_batch(long.as_bytes()).unwrap().events.remove(0).kind;
        assert_eq!(kind, EventKind::Unknown("é".repeat(40)));
    }

    #[test]
    fn one_event_has_one_identity() {
        let events = parse_batch(BATCH.as_bytes()).unwrap().events;
        let again = parse_batch(BATCH.as_bytes()).unwrap().events;
        assert_eq!(events[1].identity("0a1b"), again[1].identity("0a1b"));
        assert_ne!(events[0].identity("0a1b"), events[1].identity("0a1b"));
        assert_ne!(events[0].identity("0a1b"), events[0].identity("0a1c"));
        let mut moved = events[0].clone();
        moved.state = Some("Active".to_owned());
        assert_ne!(moved.identity("0a1b"), events[0].identity("0a1b"));
    }
}
