//! Filling a list with very many people at once, past the API: nothing is asked, no webhook fires.
//!
//! Promises: the lock is held for some thousand people at a time, so calls go on between; whoever has a
//! seeded address is replaced.

use super::desk::Shared;
use super::fields::comparable;
use super::model::{State, Subscriber, World};
use super::orders::Key;
use super::writing::SUBSCRIBER_LIMIT;
use jiff::{SignedDuration, Timestamp};
use std::io;
use std::sync::Arc;

/// How many people are put in between two looks at calls that wait.
const AT_ONCE: usize = 5_000;

/// Somebody on a list from the start.
#[derive(Clone)]
pub struct PersonSeed {
    /// Address, as it is shown.
    pub email: String,
    /// Name.
    pub name: String,
    /// State on the list.
    pub state: State,
    /// Last change of state; also the first joining unless that is given.
    pub changed_at: Timestamp,
    /// First joining.
    pub joined_at: Option<Timestamp>,
    /// Consent to track, for the whole client; `None` leaves what is known.
    pub tracking: Option<bool>,
    /// Custom fields, by name or key; a multi-choice field has one entry per option.
    pub fields: Vec<(String, String)>,
}

impl PersonSeed {
    /// Somebody without name and fields, whose consent to track is not known.
    pub fn new(email: impl Into<String>, state: State, changed_at: Timestamp) -> Self {
        Self {
            email: email.into(),
            name: String::new(),
            state,
            changed_at,
            joined_at: None,
            tracking: None,
            fields: Vec::new(),
        }
    }
}

impl std::fmt::Debug for PersonSeed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("PersonSeed").field("state", &self.state).finish_non_exhaustive()
    }
}

/// Puts them in and says how many they were.
pub(super) fn fill(shared: &Shared, list_id: &str, people: impl Iterator<Item = PersonSeed>) -> io::Result<usize> {
    let mut people = people.peekable();
    let mut count = 0;
    while people.peek().is_some() {
        // Made without the lock: whoever makes them may take their time.
        let some: Vec<PersonSeed> = people.by_ref().take(AT_ONCE).collect();
        count += some.len();
        shared.work(true, |desk, _| some.into_iter().try_for_each(|seed| desk.world.place(list_id, seed)))?;
    }
    Ok(count)
}

/// People who do not exist, the same ones each time; their states changed over the two years before.
pub(super) fn invented(count: u32, until: Timestamp) -> impl Iterator<Item = PersonSeed> {
    (1..=count).map(move |n| {
        let state = match n % 20 {
            5 => State::Unsubscribed,
            15 => State::Bounced,
            _ => State::Active,
        };
        let ago = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let ago = SignedDuration::from_secs((ago % (2 * 365 * 86_400)) as i64);
        let changed_at = until.checked_sub(ago).unwrap_or(until);
        PersonSeed {
            name: format!("Person {n}"),
            tracking: Some(n.is_multiple_of(3)),
            ..PersonSeed::new(format!("person{n:07}@example.com"), state, changed_at)
        }
    })
}

impl World {
    fn place(&mut self, list_id: &str, seed: PersonSeed) -> io::Result<()> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let list = self.lists.get_mut(list_id).ok_or_else(|| wrong(format!("no list {list_id}")))?;
        let key: Key = seed.email.trim().to_lowercase().into();
        if key.is_empty() {
            return Err(wrong("somebody without an address".to_owned()));
        }
        if list.subscribers.len() >= SUBSCRIBER_LIMIT && !list.subscribers.contains(&key) {
            return Err(wrong(format!("a list holds {SUBSCRIBER_LIMIT} people at most")));
        }
        let mut subscriber = Subscriber::new(seed.email.trim(), seed.state, seed.changed_at);
        subscriber.name = seed.name.into();
        subscriber.joined_at = seed.joined_at.unwrap_or(seed.changed_at);
        for (name, value) in seed.fields {
            let wanted = comparable(&name);
            let field = list.custom_fields.iter().find(|field| comparable(field.key()) == wanted);
            let field = field.ok_or_else(|| wrong(format!("the list has no custom field {name}")))?;
            subscriber.fields.push((Arc::clone(field.key()), value.into()));
        }
        let client_id = &list.client_id;
        if let (Some(tracking), Some(client)) = (seed.tracking, self.clients.get_mut(client_id)) {
            client.tracking.insert(Key::clone(&key), tracking);
        }
        list.subscribers.put(key, subscriber);
        Ok(())
    }
}
