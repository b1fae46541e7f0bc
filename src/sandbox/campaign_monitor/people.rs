//! The people of one list: by address, counted by state, and in the orders that pages ask for.
//!
//! Promises: counts and orders follow every change, because changes go through here alone; a page costs
//! its own length, whatever the length of the list. The snapshot holds the people and no orders.

use super::model::{FieldValue, State, Subscriber};
use super::orders::{Key, OrderBy, Orders, Place, Window};
use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

#[derive(Default, Deserialize)]
#[serde(from = "BTreeMap<Key, Subscriber>")]
pub(super) struct People {
    by_key: BTreeMap<Key, Subscriber>,
    counts: [usize; State::ALL.len()],
    orders: [Orders; State::ALL.len()],
}

impl Serialize for People {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.by_key.serialize(to)
    }
}

impl From<BTreeMap<Key, Subscriber>> for People {
    fn from(by_key: BTreeMap<Key, Subscriber>) -> Self {
        let mut people = Self { by_key, ..Self::default() };
        // A field's key is one text for everybody, as it was before the snapshot.
        let mut keys: HashMap<Arc<str>, Arc<str>> = HashMap::new();
        for subscriber in people.by_key.values_mut() {
            people.counts[subscriber.state as usize] += 1;
            for (key, _) in &mut subscriber.fields {
                *key = Arc::clone(keys.entry(Arc::clone(key)).or_insert_with(|| Arc::clone(key)));
            }
        }
        people
    }
}

fn place(key: &Key, subscriber: &Subscriber) -> Place {
    Place { key: Arc::clone(key), name: Arc::clone(&subscriber.name), at: subscriber.changed_at }
}

impl People {
    pub(super) fn get(&self, key: &str) -> Option<&Subscriber> {
        self.by_key.get(key)
    }

    pub(super) fn contains(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    pub(super) fn count(&self, state: State) -> usize {
        self.counts[state as usize]
    }

    /// Everybody, by address.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Subscriber)> {
        self.by_key.iter()
    }

    /// Adds somebody, or puts them in the place of who had the address.
    pub(super) fn put(&mut self, key: Key, subscriber: Subscriber) {
        self.take(&key);
        self.counts[subscriber.state as usize] += 1;
        self.orders[subscriber.state as usize].add(place(&key, &subscriber));
        self.by_key.insert(key, subscriber);
    }

    pub(super) fn take(&mut self, key: &str) -> Option<(Key, Subscriber)> {
        let (key, subscriber) = self.by_key.remove_entry(key)?;
        self.counts[subscriber.state as usize] -= 1;
        self.orders[subscriber.state as usize].remove(place(&key, &subscriber));
        Some((key, subscriber))
    }

    /// Changes somebody; `None` when nobody has the address.
    pub(super) fn change<T>(&mut self, key: &str, change: impl FnOnce(&mut Subscriber) -> T) -> Option<T> {
        let (key, mut subscriber) = self.take(key)?;
        let outcome = change(&mut subscriber);
        self.put(key, subscriber);
        Some(outcome)
    }

    /// Changes everybody's fields, which no order looks at.
    pub(super) fn change_fields(&mut self, mut change: impl FnMut(&mut Vec<FieldValue>)) {
        self.by_key.values_mut().for_each(|subscriber| change(&mut subscriber.fields));
    }

    fn make(&mut self, state: State, by: OrderBy) {
        let Self { by_key, orders, .. } = self;
        let in_state = || by_key.iter().filter(|(_, subscriber)| subscriber.state == state);
        orders[state as usize].make(by, || in_state().map(|(key, subscriber)| place(key, subscriber)));
    }

    /// The addresses of one window over the people in a state, and how many there are in all. With `since`, only those whose
    /// state changed then or later count; that and another order than by date means sorting those.
    pub(super) fn page(&mut self, state: State, since: Option<Timestamp>, window: Window) -> (Vec<Key>, usize) {
        match since {
            Some(since) if window.by != OrderBy::Date => {
                self.make(state, OrderBy::Date);
                let mut few = Orders::default();
                let known = self.orders[state as usize].since(since);
                few.make(window.by, || known.filter_map(|key| Some(place(key, self.by_key.get(key)?))));
                few.window(window, 0)
            }
            _ => {
                self.make(state, window.by);
                let orders = &self.orders[state as usize];
                orders.window(window, since.map_or(0, |since| orders.before(since)))
            }
        }
    }

    /// How many people in a state changed to it at or after each moment.
    pub(super) fn changed_since<const N: usize>(&mut self, state: State, moments: [Timestamp; N]) -> [usize; N] {
        self.make(state, OrderBy::Date);
        let orders = &self.orders[state as usize];
        moments.map(|moment| self.counts[state as usize] - orders.before(moment))
    }
}
