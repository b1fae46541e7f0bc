//! The other side of the provider: what people, mailbox providers and marketers do there.

use super::body::is_email;
use super::model::{State, Subscriber, World};
use jiff::Timestamp;

/// Something a person does at the provider rather than through its API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonAct {
    /// Clicks the provider's unsubscribe link.
    Unsubscribe,
    /// Fills in the provider's own sign-up form.
    Subscribe,
    /// Clicks the provider's own verification link.
    Confirm,
    /// Marks a campaign as spam.
    Complain,
    /// Has a mailbox that does not exist any more.
    Bounce,
}

impl PersonAct {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "unsubscribe" => Some(Self::Unsubscribe),
            "subscribe" => Some(Self::Subscribe),
            "confirm" => Some(Self::Confirm),
            "complain" => Some(Self::Complain),
            "bounce" => Some(Self::Bounce),
            _ => None,
        }
    }
}

impl World {
    /// Does it and fires what it fires; false when it changes nothing (nobody there, done already).
    pub(super) fn act(&mut self, act: PersonAct, list_id: &str, email: &str, now: Timestamp) -> bool {
        let email = email.trim();
        let key = email.to_lowercase();
        let Some(list) = self.lists.get(list_id) else {
            return false;
        };
        let (client_id, heeds) = (list.client_id.clone(), list.honours_suppression());
        match act {
            PersonAct::Unsubscribe => self.unsubscribe(list_id, email, now).is_ok(),
            PersonAct::Subscribe => self.sign_up(list_id, email, now),
            PersonAct::Confirm => self.confirm(list_id, &key, now),
            PersonAct::Complain => {
                // Which state text a complaint carries is not known; `Spam` is one of the two guesses
                // and the one a careless receiver would overlook.
                let left = self.deactivate(list_id, &key, State::Unsubscribed, "Spam", now);
                if left {
                    self.suppress(&client_id, email, "Spam Complaint", now);
                }
                left
            }
            PersonAct::Bounce => {
                let left = self.deactivate(list_id, &key, State::Bounced, "Bounced", now);
                if left && heeds {
                    self.suppress(&client_id, email, "Bounced", now);
                }
                left
            }
        }
    }

    fn sign_up(&mut self, list_id: &str, email: &str, now: Timestamp) -> bool {
        let key = email.to_lowercase();
        let Some(list) = self.lists.get_mut(list_id).filter(|_| is_email(email)) else {
            return false;
        };
        let asks = list.confirmed_opt_in;
        let state = if asks { State::Unconfirmed } else { State::Active };
        let came = match list.subscribers.get(&key).map(|subscriber| subscriber.state) {
            Some(State::Active) => return false,
            Some(_) => list.subscribers.take(&key),
            None => None,
        };
        let (filed, mut subscriber) = came.unwrap_or_else(|| (key.as_str().into(), Subscriber::new(email, state, now)));
        subscriber.state = state;
        subscriber.changed_at = now;
        list.subscribers.put(filed, subscriber);
        if !asks {
            self.fire_subscribe(list_id, &key, "192.0.2.10", now);
        }
        true
    }

    fn confirm(&mut self, list_id: &str, key: &str, now: Timestamp) -> bool {
        let Some(list) = self.lists.get_mut(list_id) else {
            return false;
        };
        if list.subscribers.get(key).is_none_or(|subscriber| subscriber.state != State::Unconfirmed) {
            return false;
        }
        list.subscribers.change(key, |subscriber| {
            subscriber.state = State::Active;
            subscriber.changed_at = now;
        });
        self.fire_subscribe(list_id, key, "192.0.2.10", now);
        true
    }

    /// Somebody corrects their address in the preference centre.
    pub(super) fn change_address(&mut self, list_id: &str, old: &str, new: &str, now: Timestamp) -> bool {
        let (old_key, new_key) = (old.trim().to_lowercase(), new.trim().to_lowercase());
        let Some(list) = self.lists.get_mut(list_id).filter(|_| is_email(new.trim())) else {
            return false;
        };
        if list.subscribers.contains(&new_key) {
            return false;
        }
        let Some((_, mut subscriber)) = list.subscribers.take(&old_key) else {
            return false;
        };
        let before = std::mem::replace(&mut subscriber.email, new.trim().to_owned());
        list.subscribers.put(new_key.as_str().into(), subscriber);
        self.fire_update(list_id, &new_key, Some(&before), now);
        true
    }
}
