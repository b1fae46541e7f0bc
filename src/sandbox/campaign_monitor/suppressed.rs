//! The suppression list of one client, in the two orders that its pages ask for.

use super::orders::{Key, OrderBy, Orders, Place, Window};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Serialize, Deserialize)]
pub(super) struct Suppression {
    pub(super) email: String,
    pub(super) reason: String,
    pub(super) at: Timestamp,
}

#[derive(Default, Deserialize)]
#[serde(from = "BTreeMap<Key, Suppression>")]
pub(super) struct Suppressed {
    by_key: BTreeMap<Key, Suppression>,
    orders: Orders,
}

impl Serialize for Suppressed {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.by_key.serialize(to)
    }
}

impl From<BTreeMap<Key, Suppression>> for Suppressed {
    fn from(by_key: BTreeMap<Key, Suppression>) -> Self {
        Self { by_key, ..Self::default() }
    }
}

fn place((key, entry): (&Key, &Suppression)) -> Place {
    Place { key: Arc::clone(key), name: Arc::default(), at: entry.at }
}

impl Suppressed {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// What was noted first stays.
    pub(super) fn note(&mut self, email: &str, reason: &str, at: Timestamp) {
        let key: Key = email.to_lowercase().into();
        if !self.contains(&key) {
            let entry = Suppression { email: email.to_owned(), reason: reason.to_owned(), at };
            self.orders.add(place((&key, &entry)));
            self.by_key.insert(key, entry);
        }
    }

    /// False when the address was not on it.
    pub(super) fn remove(&mut self, key: &str) -> bool {
        let gone = self.by_key.remove_entry(key);
        if let Some((key, entry)) = &gone {
            self.orders.remove(place((key, entry)));
        }
        gone.is_some()
    }

    /// One window, and how many there are in all.
    pub(super) fn page(&mut self, window: Window) -> (Vec<&Suppression>, usize) {
        let Self { by_key, orders } = self;
        // There is no name to order by.
        let window = Window { by: if window.by == OrderBy::Name { OrderBy::Email } else { window.by }, ..window };
        orders.make(window.by, || by_key.iter().map(place));
        let (keys, total) = orders.window(window, 0);
        (keys.iter().filter_map(|key| by_key.get(key)).collect(), total)
    }
}
