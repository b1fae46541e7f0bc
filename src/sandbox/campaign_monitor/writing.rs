//! The rules of change: what a write does in each state, how far an unsubscribe reaches, what fires.
//!
//! Promises: reference section 15.2 (states and `Resubscribe`), 15.4 (reach), 15.5 (suppression) and
//! 15.6 (consent to track), and the events of 14.2. Nothing is written when the answer is a refusal.

use super::body::{Row, is_email, is_mobile};
use super::clock;
use super::error::ApiError;
use super::fields;
use super::model::{Fired, List, State, Subscriber, World};
use super::orders::Key;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Most people one list holds; beyond it a write is answered with a vendor failure.
pub(super) const SUBSCRIBER_LIMIT: usize = 2_000_000;

/// Whether an accepted row was new to the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    New,
    Existing,
}

/// Whether a new person may have to confirm at the provider first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// Single add and sign-up form: confirmed opt-in applies.
    Asks,
    /// Import: rows become active without the provider's own mail.
    Trusts,
}

/// Address, mobile number and consent values of a row (Codes 1, 220, 221, 214, 215).
pub(super) fn check_row(row: &Row) -> Result<(), ApiError> {
    let email_good = is_email(&row.email);
    let mobile_good = row.mobile.as_deref().is_none_or(|m| m.is_empty() || is_mobile(m));
    match (email_good, mobile_good) {
        (true, true) => {}
        (false, true) => return Err(ApiError::input(1)),
        (true, false) => return Err(ApiError::input(220)),
        (false, false) => return Err(ApiError::input(221)),
    }
    match row.consent_to_track.as_deref() {
        None | Some("") => Err(ApiError::input(214)),
        Some(value) if is_consent(value) => Ok(()),
        Some(_) => Err(ApiError::input(215)),
    }
}

pub(super) fn is_consent(value: &str) -> bool {
    ["yes", "no", "unchanged"].contains(&value.to_ascii_lowercase().as_str())
}

impl World {
    /// Whether add or import may write this row (Codes 204 to 208).
    pub(super) fn check_add(&self, list: &List, row: &Row, resubscribe: bool) -> Result<(), ApiError> {
        check_row(row)?;
        let key = row.key();
        if !resubscribe {
            let suppressed = self.clients.get(&list.client_id).is_some_and(|client| client.suppressed.contains(&key));
            if suppressed && list.honours_suppression() {
                return Err(ApiError::input(204));
            }
        }
        match list.subscribers.get(&key).map(|subscriber| subscriber.state) {
            None if list.subscribers.len() >= SUBSCRIBER_LIMIT => {
                Err(ApiError::new(500, 500, "The sandbox list is full"))
            }
            None | Some(State::Active) => Ok(()),
            Some(_) if resubscribe => Ok(()),
            Some(State::Deleted) => Err(ApiError::input(205)),
            Some(State::Unsubscribed) => Err(ApiError::input(206)),
            Some(State::Bounced) => Err(ApiError::input(207)),
            Some(State::Unconfirmed) => Err(ApiError::input(208)),
        }
    }

    /// Writes a checked row as add and import do.
    pub(super) fn add(
        &mut self,
        list_id: &str,
        row: &Row,
        resubscribe: bool,
        door: Door,
        now: Timestamp,
    ) -> Result<Written, ApiError> {
        let list = self.lists.get(list_id).ok_or_else(ApiError::unknown_list)?;
        self.check_add(list, row, resubscribe)?;
        let list = self.list(list_id)?;
        let asks = door == Door::Asks && list.confirmed_opt_in;
        let known = list.subscribers.take(&row.key());
        let before = known.as_ref().map(|(_, subscriber)| subscriber.state);
        let state = match before {
            None if asks => State::Unconfirmed,
            Some(State::Unconfirmed) if door == Door::Asks => State::Unconfirmed,
            _ => State::Active,
        };
        let (key, mut subscriber) =
            known.unwrap_or_else(|| (row.key().into(), Subscriber::new(&row.email, state, now)));
        apply(&mut subscriber, row, list);
        if before.is_some_and(|before| before != state) {
            subscriber.changed_at = now;
        }
        subscriber.state = state;
        list.subscribers.put(Key::clone(&key), subscriber);
        self.note_tracking(list_id, &key, row)?;
        match (before, state) {
            (_, State::Unconfirmed) => {}
            (Some(State::Active), _) => self.fire_update(list_id, &key, None, now),
            _ => self.fire_subscribe(list_id, &key, "API", now),
        }
        Ok(match before {
            Some(_) => Written::Existing,
            None => Written::New,
        })
    }

    /// Changes somebody who is on the list; never adds (reference section 5.2).
    pub(super) fn update(
        &mut self,
        list_id: &str,
        current: &str,
        row: &Row,
        resubscribe: bool,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let (old, new) = (current.trim().to_lowercase(), row.key());
        let list = self.list(list_id)?;
        let Some(subscriber) = list.subscribers.get(&old) else {
            return Err(ApiError::input(203));
        };
        let old_email = subscriber.email.clone();
        if !is_email(&row.email) {
            let missing = row.email.is_empty();
            return Err(ApiError::input(if missing { 1 } else { 211 }));
        }
        check_row(row)?;
        if old != new && list.subscribers.contains(&new) {
            return Err(ApiError::input(201));
        }
        let list = self.list(list_id)?;
        if let Some((known, mut subscriber)) = list.subscribers.take(&old) {
            let key = if old == new { known } else { new.as_str().into() };
            apply(&mut subscriber, row, list);
            subscriber.email.clone_from(&row.email);
            let wakes = resubscribe && !matches!(subscriber.state, State::Active | State::Unconfirmed);
            if wakes {
                subscriber.state = State::Active;
                subscriber.changed_at = now;
            }
            list.subscribers.put(Key::clone(&key), subscriber);
            self.note_tracking(list_id, &key, row)?;
            if wakes {
                self.fire_subscribe(list_id, &new, "API", now);
            } else {
                self.fire_update(list_id, &new, Some(&old_email), now);
            }
        }
        Ok(())
    }

    /// Consent to track belongs to the client and the address; `Unchanged` keeps what is known.
    fn note_tracking(&mut self, list_id: &str, key: &Key, row: &Row) -> Result<(), ApiError> {
        let client_id = self.list(list_id)?.client_id.clone();
        let tracking = &mut self.client(&client_id)?.tracking;
        match row.consent_to_track.as_deref().unwrap_or_default() {
            yes if yes.eq_ignore_ascii_case("yes") => tracking.insert(Key::clone(key), true),
            no if no.eq_ignore_ascii_case("no") => tracking.insert(Key::clone(key), false),
            _ => None,
        };
        Ok(())
    }

    /// Takes one person out of one list. `says` is the reason state the webhook gives.
    pub(super) fn deactivate(&mut self, list_id: &str, key: &str, to: State, says: &str, now: Timestamp) -> bool {
        let Some(list) = self.lists.get_mut(list_id) else {
            return false;
        };
        if list.subscribers.get(key).is_none_or(|subscriber| subscriber.state == to) {
            return false;
        }
        list.subscribers.change(key, |subscriber| {
            subscriber.state = to;
            subscriber.changed_at = now;
        });
        let mut event = self.event("Deactivate", list_id, key, now);
        event["State"] = json!(says);
        self.fire("Deactivate", list_id, event);
        true
    }

    /// An unsubscribe as far as the list's setting makes it reach.
    pub(super) fn unsubscribe(&mut self, list_id: &str, email: &str, now: Timestamp) -> Result<(), ApiError> {
        let key = email.trim().to_lowercase();
        let list = self.list(list_id)?;
        let (client_id, everywhere) = (list.client_id.clone(), list.honours_suppression());
        match list.subscribers.get(&key).map(|subscriber| subscriber.state) {
            None | Some(State::Unsubscribed | State::Deleted) => return Err(ApiError::input(203)),
            Some(_) => {}
        }
        self.deactivate(list_id, &key, State::Unsubscribed, "Unsubscribed", now);
        if everywhere {
            for other in self.lists_of(&client_id) {
                if self.is_mailed(&other, &key) {
                    self.deactivate(&other, &key, State::Unsubscribed, "Unsubscribed", now);
                }
            }
            self.note_suppressed(&client_id, email.trim(), "Unsubscribed", now);
        }
        Ok(())
    }

    /// Puts an address on the client's suppression list; active people of lists that heed it leave.
    pub(super) fn suppress(&mut self, client_id: &str, email: &str, reason: &str, now: Timestamp) {
        let key = email.trim().to_lowercase();
        self.note_suppressed(client_id, email.trim(), reason, now);
        for list_id in self.lists_of(client_id) {
            let heeds = self.lists.get(&list_id).is_some_and(List::honours_suppression);
            if heeds && self.is_mailed(&list_id, &key) {
                self.deactivate(&list_id, &key, State::Unsubscribed, "Unsubscribed", now);
            }
        }
    }

    fn note_suppressed(&mut self, client_id: &str, email: &str, reason: &str, now: Timestamp) {
        if let Some(client) = self.clients.get_mut(client_id) {
            client.suppressed.note(email, reason, now);
        }
    }

    fn is_mailed(&self, list_id: &str, key: &str) -> bool {
        self.lists
            .get(list_id)
            .and_then(|list| list.subscribers.get(key))
            .is_some_and(|s| matches!(s.state, State::Active | State::Unconfirmed))
    }

    pub(super) fn fire_subscribe(&mut self, list_id: &str, key: &str, from: &str, now: Timestamp) {
        let mut event = self.event("Subscribe", list_id, key, now);
        event["SignupIPAddress"] = json!(from);
        self.fire("Subscribe", list_id, event);
    }

    pub(super) fn fire_update(&mut self, list_id: &str, key: &str, old: Option<&str>, now: Timestamp) {
        let mut event = self.event("Update", list_id, key, now);
        event["OldEmailAddress"] = old.map_or_else(|| event["EmailAddress"].clone(), |old| json!(old));
        if let Some(subscriber) = self.lists.get(list_id).and_then(|list| list.subscribers.get(key)) {
            event["State"] = json!(subscriber.state.name());
        }
        self.fire("Update", list_id, event);
    }

    fn event(&self, kind: &str, list_id: &str, key: &str, now: Timestamp) -> Value {
        let subscriber = self.lists.get(list_id).and_then(|list| list.subscribers.get(key));
        let fields: Vec<_> = subscriber
            .iter()
            .flat_map(|subscriber| &subscriber.fields)
            .map(|(key, value)| json!({"Key": key, "Value": value}))
            .collect();
        json!({
            "Type": kind,
            "Date": clock::seconds(now, self.zone_of_list(list_id)),
            "EmailAddress": subscriber.map_or(key, |subscriber| &subscriber.email),
            "Name": subscriber.map_or("", |subscriber| &*subscriber.name),
            "CustomFields": fields,
        })
    }

    fn fire(&mut self, kind: &'static str, list_id: &str, event: Value) {
        let heard = self.lists.get(list_id).is_some_and(|list| {
            let wants = |hook: &super::model::Webhook| hook.active && hook.events.iter().any(|e| e == kind);
            list.webhooks.iter().any(wants)
        });
        if heard {
            self.fired.push(Fired { list_id: list_id.to_owned(), kind, event });
        }
    }
}

fn apply(subscriber: &mut Subscriber, row: &Row, list: &List) {
    if let Some(name) = &row.name {
        subscriber.name = name.as_str().into();
    }
    if let Some(mobile) = &row.mobile {
        subscriber.mobile = (!mobile.is_empty()).then(|| mobile.clone());
    }
    subscriber.sms_consent = match row.consent_to_sms.as_deref() {
        // Recorded only together with a number.
        _ if subscriber.mobile.is_none() => false,
        Some(yes) if yes.eq_ignore_ascii_case("yes") => true,
        Some(no) if no.eq_ignore_ascii_case("no") => false,
        _ => subscriber.sms_consent,
    };
    subscriber.fields = fields::after(&subscriber.fields, &row.fields, list);
}
