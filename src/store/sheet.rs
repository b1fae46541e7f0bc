//! A sheet: the new and changed rows that a batch of commands comes to, of all the tables it touches. Written in one
//! statement on PostgreSQL, and in one for each table on SQLite.

use std::collections::HashMap;

use super::bulk::Bulk;
use super::connection::Conn;
use super::consents::Consent;
use super::error::StoreError;
use super::events::StoredEvent;
use super::links::Link;
use super::mails::Mail;
use super::outbox::Task;
use super::subjects::Subject;
use super::suppressions::Suppression;
use super::{WriteTx, consents, outbox, suppressions};

/// Rows in one statement on SQLite; 18 columns each stay far below what it binds.
const ROWS: usize = 500;

/// Rows to be written together.
#[derive(Debug, Default)]
pub struct Sheet {
    /// People who are new. That an address is known after all is a conflict, and the batch is run again.
    pub people: Vec<Subject>,
    /// Events.
    pub events: Vec<StoredEvent>,
    /// Where people now stand; each person and purpose once.
    pub consents: Vec<Consent>,
    /// New entries of the "never mail" list; see [`WriteTx::suppress`].
    pub suppressions: Vec<Suppression>,
    /// New mails.
    pub mails: Vec<Mail>,
    /// New links.
    pub links: Vec<Link>,
    /// Work asked for; see [`WriteTx::enqueue`].
    pub tasks: Vec<Task>,
}

impl WriteTx<'_> {
    /// Writes a sheet.
    pub fn write_sheet(&mut self, sheet: &mut Sheet) -> Result<(), StoreError> {
        // One order for all, so that two instances do not wait for each other (architecture section 3).
        sheet.people.sort_by(|a, b| (a.controller_id, &a.email_key).cmp(&(b.controller_id, &b.email_key)));
        sheet.consents.sort_by_key(|row| (row.controller_id, row.subject_id, row.purpose_id));
        once_each(&mut sheet.tasks, |task| (task.controller_id, task.kind, task.reference));
        once_each(&mut sheet.suppressions, |entry| (entry.controller_id, entry.fingerprint.clone(), entry.purpose_id));
        sheet.tasks.iter().for_each(|task| self.announce(task.kind));
        if let Conn::Postgres(conn) = self.writing() {
            Bulk::default()
                .insert(&sheet.people, "")
                .insert(&sheet.events, "")
                .insert(&sheet.consents, consents::INSTEAD)
                .insert(&sheet.suppressions, suppressions::INSTEAD)
                .insert(&sheet.mails, "")
                .insert(&sheet.links, "")
                .insert(&sheet.tasks, outbox::INSTEAD)
                .execute(conn)?;
            return Ok(());
        }
        for piece in sheet.people.chunks(ROWS) {
            self.insert_people(piece)?;
        }
        for piece in sheet.events.chunks(ROWS) {
            self.append_events(piece)?;
        }
        for piece in sheet.consents.chunks(ROWS) {
            self.save_consents(piece)?;
        }
        for piece in sheet.suppressions.chunks(ROWS) {
            self.suppress(piece)?;
        }
        for piece in sheet.mails.chunks(ROWS) {
            self.insert_mails(piece)?;
        }
        for piece in sheet.links.chunks(ROWS) {
            self.insert_links(piece)?;
        }
        for piece in sheet.tasks.chunks(ROWS) {
            self.enqueue(piece)?;
        }
        Ok(())
    }
}

/// Keeps the last of those with the same key, in the order of the keys: PostgreSQL touches no row twice in one
/// statement.
fn once_each<T, K: Ord + std::hash::Hash + Clone>(rows: &mut Vec<T>, key: impl Fn(&T) -> K) {
    if rows.len() > 1 {
        let mut last: HashMap<K, T> = HashMap::with_capacity(rows.len());
        for row in rows.drain(..) {
            last.insert(key(&row), row);
        }
        rows.extend(last.into_values());
        rows.sort_by_key(key);
    }
}
