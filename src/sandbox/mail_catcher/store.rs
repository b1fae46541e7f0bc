//! The messages the catcher keeps, newest last, bounded by number and by bytes.
//!
//! Promises: the oldest leave first; with a folder, a message is on disk (without fsync) before
//! [`Store::keep`] answers, and a message that leaves memory for lack of room leaves the folder too.

use super::folder::Folder;
use super::mime;
use super::rules::lock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

/// One kept message, exactly as it came over the wire (dots unstuffed).
#[derive(Clone)]
pub struct CaughtMail {
    /// Opaque, unique, ordered by arrival.
    pub id: String,
    /// The sender of the envelope (`MAIL FROM`), empty for a bounce.
    pub envelope_from: String,
    /// The recipients of the envelope (`RCPT TO`) that were accepted.
    pub recipients: Vec<String>,
    /// When the final dot arrived.
    pub received_at: Timestamp,
    /// The bytes between `DATA` and the final dot.
    pub raw: Vec<u8>,
}

/// What the JSON list shows of a message.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct MailSummary {
    /// Opaque id, part of the message's address.
    pub id: String,
    /// Bare address of the author, or the envelope's sender when the header gives none.
    pub from: String,
    /// Bare addresses of the accepted recipients.
    pub to: Vec<String>,
    /// Decoded subject.
    pub subject: String,
    /// When the message was handed over.
    pub received_at: Timestamp,
}

impl fmt::Debug for CaughtMail {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("CaughtMail").field("id", &self.id).field("bytes", &self.raw.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for MailSummary {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MailSummary").field("id", &self.id).finish_non_exhaustive()
    }
}

impl CaughtMail {
    /// What the JSON list shows. Reads the headers anew each time, which keeps receiving cheap.
    pub fn summary(&self) -> MailSummary {
        let head = mime::head(&self.raw);
        MailSummary {
            id: self.id.clone(),
            from: head.from.unwrap_or_else(|| self.envelope_from.clone()),
            to: self.recipients.clone(),
            subject: head.subject,
            received_at: self.received_at,
        }
    }

    /// The readable text: the plain part, or the HTML part turned into text.
    pub fn text(&self) -> String {
        mime::body(&self.raw).text
    }

    /// The HTML part, if the message has one.
    pub fn html(&self) -> Option<String> {
        mime::body(&self.raw).html
    }

    /// The first header of this name, unfolded but not decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        mime::headers(&self.raw).into_iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn weight(&self) -> usize {
        self.raw.len() + self.recipients.iter().map(String::len).sum::<usize>() + 256
    }

    /// `address` is in lower case already. Most addresses are ASCII and compare without a copy.
    fn is_to(&self, address: &str) -> bool {
        self.recipients
            .iter()
            .any(|to| to.eq_ignore_ascii_case(address) || (!to.is_ascii() && to.to_lowercase() == address))
    }
}

#[derive(Default)]
struct Shelf {
    messages: VecDeque<Arc<CaughtMail>>,
    bytes: usize,
}

/// The shelf of messages with its bounds.
pub(super) struct Store {
    shelf: Mutex<Shelf>,
    max_messages: usize,
    max_bytes: usize,
    folder: Option<Folder>,
}

impl Store {
    pub(super) fn open(max_messages: usize, max_bytes: usize, folder: Option<Folder>) -> io::Result<Self> {
        let store = Self { shelf: Mutex::default(), max_messages: max_messages.max(1), max_bytes, folder };
        if let Some(folder) = &store.folder {
            for message in folder.load(store.max_messages)? {
                store.shelve(message);
            }
        }
        Ok(store)
    }

    /// Keeps a message and answers its id.
    pub(super) fn keep(&self, from: String, to: Vec<String>, raw: Vec<u8>) -> io::Result<String> {
        let message = CaughtMail {
            id: uuid::Uuid::now_v7().simple().to_string(),
            envelope_from: from,
            recipients: to,
            received_at: milliseconds(Timestamp::now()),
            raw,
        };
        if let Some(folder) = &self.folder {
            folder.write(&message)?;
        }
        let id = message.id.clone();
        for gone in self.shelve(message) {
            if let Some(folder) = &self.folder {
                folder.remove(&gone.id);
            }
        }
        Ok(id)
    }

    fn shelve(&self, message: CaughtMail) -> Vec<Arc<CaughtMail>> {
        let mut shelf = lock(&self.shelf);
        shelf.bytes += message.weight();
        shelf.messages.push_back(Arc::new(message));
        let mut gone = Vec::new();
        while shelf.messages.len() > self.max_messages || (shelf.bytes > self.max_bytes && shelf.messages.len() > 1) {
            if let Some(oldest) = shelf.messages.pop_front() {
                shelf.bytes -= oldest.weight();
                gone.push(oldest);
            }
        }
        gone
    }

    /// Newest first, for one recipient or for all.
    pub(super) fn newest(&self, to: Option<&str>, limit: usize) -> Vec<Arc<CaughtMail>> {
        let to = to.map(str::to_lowercase);
        lock(&self.shelf)
            .messages
            .iter()
            .rev()
            .filter(|message| to.as_deref().is_none_or(|to| message.is_to(to)))
            .take(limit)
            .cloned()
            .collect()
    }

    pub(super) fn find(&self, id: &str) -> Option<Arc<CaughtMail>> {
        let shelf = lock(&self.shelf);
        let at = shelf.messages.iter().rev().find(|m| m.id == id);
        at.cloned()
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.shelf).messages.len()
    }

    pub(super) fn clear(&self) -> io::Result<()> {
        let mut shelf = lock(&self.shelf);
        *shelf = Shelf::default();
        self.folder.as_ref().map_or(Ok(()), Folder::clear)
    }
}

/// Finer than a millisecond is noise in a list, and not every reader of RFC 3339 takes nine digits.
fn milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn keep(store: &Store, to: &str, size: usize) -> String {
        store.keep("s@example.com".into(), vec![to.into()], vec![b'x'; size]).unwrap()
    }

    #[test]
    fn the_oldest_messages_leave_when_there_are_too_many() {
        let store = Store::open(3, usize::MAX, None).unwrap();
        let ids: Vec<_> = (0..5).map(|n| keep(&store, &format!("{n}@example.com"), 1)).collect();
        assert_eq!(store.len(), 3);
        assert!(store.find(&ids[1]).is_none() && store.find(&ids[2]).is_some());
        assert_eq!(store.newest(None, 10)[0].id, ids[4]);
        assert_eq!(store.newest(Some("3@EXAMPLE.com"), 10)[0].id, ids[3]);
    }

    #[test]
    fn the_oldest_messages_leave_when_they_weigh_too_much() {
        let store = Store::open(100, 5_000, None).unwrap();
        for _ in 0..10 {
            keep(&store, "a@example.com", 1_000);
        }
        assert_eq!(store.len(), 3);
    }

    #[test]
    fn messages_survive_a_restart_in_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Store::open(10, usize::MAX, Some(Folder::open(folder.path()).unwrap())).unwrap();
        let id = keep(&open(), "a@example.com", 10);
        let again = open();
        let found = again.find(&id).unwrap();
        assert_eq!(found.recipients, ["a@example.com"]);
        assert_eq!(found.raw, vec![b'x'; 10]);
        again.clear().unwrap();
        assert_eq!(open().len(), 0);
    }

    #[test]
    fn a_printed_message_shows_nobody() {
        let store = Store::open(10, usize::MAX, None).unwrap();
        let id = keep(&store, "anna@example.com", 10);
        let printed = format!("{:?}", store.find(&id).unwrap());
        assert!(!printed.contains("anna") && printed.contains(&id));
    }
}
