//! The orders in which paged answers can be asked for: by address, by name, by date.
//!
//! Promises: an order is made when it is first asked for and kept up with every change from then on, so
//! that no page sorts anything. One that nobody asks for costs nothing.

use super::ranked::Ranked;
use jiff::Timestamp;
use std::sync::Arc;

/// An address in lower case, shared by everything that files somebody under it.
pub(super) type Key = Arc<str>;

/// What a page may be ordered by; the address decides between equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderBy {
    Email,
    Name,
    Date,
}

impl OrderBy {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Name => "name",
            Self::Date => "date",
        }
    }
}

/// Which part of an order is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) by: OrderBy,
    pub(super) descending: bool,
    /// How many entries lie before it.
    pub(super) start: usize,
    /// How many entries it has at most.
    pub(super) length: usize,
}

/// Where somebody stands in each order.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) key: Key,
    pub(super) name: Arc<str>,
    pub(super) at: Timestamp,
}

/// One set of people in the orders that were asked for so far.
#[derive(Default)]
pub(super) struct Orders {
    email: Option<Ranked<Key>>,
    name: Option<Ranked<(Arc<str>, Key)>>,
    date: Option<Ranked<(Timestamp, Key)>>,
}

impl Orders {
    /// Makes the order, unless it is there. `all` gives everybody of the set.
    pub(super) fn make<I: Iterator<Item = Place>>(&mut self, by: OrderBy, all: impl FnOnce() -> I) {
        match by {
            OrderBy::Email => {
                self.email.get_or_insert_with(|| Ranked::of(all().map(|place| place.key)));
            }
            OrderBy::Name => {
                self.name.get_or_insert_with(|| Ranked::of(all().map(|place| (place.name, place.key))));
            }
            OrderBy::Date => {
                self.date.get_or_insert_with(|| Ranked::of(all().map(|place| (place.at, place.key))));
            }
        }
    }

    pub(super) fn add(&mut self, place: Place) {
        let Place { key, name, at } = place;
        if let Some(order) = &mut self.name {
            order.insert((name, Arc::clone(&key)));
        }
        if let Some(order) = &mut self.date {
            order.insert((at, Arc::clone(&key)));
        }
        if let Some(order) = &mut self.email {
            order.insert(key);
        }
    }

    pub(super) fn remove(&mut self, place: Place) {
        let Place { key, name, at } = place;
        if let Some(order) = &mut self.email {
            order.remove(&key);
        }
        if let Some(order) = &mut self.name {
            order.remove(&(name, Arc::clone(&key)));
        }
        if let Some(order) = &mut self.date {
            order.remove(&(at, key));
        }
    }

    /// Those whose date is at or behind this one, and how many they are; none before the order is made.
    pub(super) fn since(&self, since: Timestamp) -> impl Iterator<Item = &Key> {
        self.date.iter().flat_map(move |order| order.from(order.rank(|(at, _)| *at < since))).map(|(_, key)| key)
    }

    /// How many have a date before this one.
    pub(super) fn before(&self, moment: Timestamp) -> usize {
        self.date.as_ref().map_or(0, |order| order.rank(|(at, _)| *at < moment))
    }

    /// The window of an order that was made, leaving out the first `passed` entries of the ascending order;
    /// with the number of entries that are left.
    pub(super) fn window(&self, window: Window, passed: usize) -> (Vec<Key>, usize) {
        match window.by {
            OrderBy::Email => cut(self.email.as_ref(), window, passed, |key| key),
            OrderBy::Name => cut(self.name.as_ref(), window, passed, |(_, key)| key),
            OrderBy::Date => cut(self.date.as_ref(), window, passed, |(_, key)| key),
        }
    }
}

fn cut<T: Ord>(order: Option<&Ranked<T>>, window: Window, passed: usize, key: fn(&T) -> &Key) -> (Vec<Key>, usize) {
    let Some(order) = order else {
        return (Vec::new(), 0);
    };
    let total = order.len().saturating_sub(passed);
    let start = window.start.min(total);
    let length = window.length.min(total - start);
    let first = if window.descending { order.len() - start - length } else { passed + start };
    let mut keys: Vec<Key> = order.from(first).take(length).map(|entry| Arc::clone(key(entry))).collect();
    if window.descending {
        keys.reverse();
    }
    (keys, total)
}
