//! A docket: what a batch of commands finds on record about people, and what it will write about them. It is the one way
//! a consent changes of somebody on record; a list's newcomers, with nothing on record, are decided by the same rules
//! before the writer is asked (`imports::ahead`). Read once for all, changed in memory by the rules, written once for all, in the caller's
//! transaction:
//!
//! ```text
//! read ──> apply ──> apply ──> … ──> write
//!          ask the rules, keep where the person now stands,   sheet of rows, and what must follow:
//!          seal the event and make its commitment             stops of mail, "never mail" list, sync
//! ```
//!
//! People's rows must be locked by the transaction: whoever changes a consent locks its person first, so the consents
//! themselves need no lock.

mod follow;

use std::collections::{HashMap, HashSet};

use crate::crypto::ControllerKeys;
use crate::domain::clock::Ids;
use crate::domain::consent::{Command, Decision, Effect, Refusal, Standing, decide};
use crate::domain::ids::{ControllerId, EventId, PurposeId, SubjectId};
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::sheet::Sheet;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::Error;
use super::linked::Present;
use super::record::{Occasion, Person, blank, seal_event};

type PersonKey = (ControllerId, SubjectId);

fn key_of(person: &Person) -> PersonKey {
    (person.scope.controller(), person.row.id)
}

/// Something that must follow a decision, in the order in which the decisions fell.
struct Due<'p> {
    person: &'p Person,
    keys: &'p ControllerKeys,
    purpose: PurposeId,
    effect: Effect,
    now: Timestamp,
    source: Option<String>,
}

/// What a batch has before it.
#[derive(Default)]
pub struct Docket<'p> {
    consents: HashMap<(ControllerId, SubjectId, PurposeId), Consent>,
    changed: HashSet<(ControllerId, SubjectId, PurposeId)>,
    newcomers: HashSet<PersonKey>,
    due: Vec<Due<'p>>,
    sheet: Sheet,
}

impl<'p> Docket<'p> {
    /// Reads how these people stand.
    pub fn read(tx: &mut ReadTx<'_>, people: impl IntoIterator<Item = &'p Person>) -> Result<Self, StoreError> {
        let mut wanted: Vec<PersonKey> = people.into_iter().map(key_of).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut docket = Self::default();
        for piece in wanted.chunks(1000) {
            let found = tx.consents_of_all(piece)?;
            docket.consents.extend(found.into_iter().map(|c| ((c.controller_id, c.subject_id, c.purpose_id), c)));
        }
        Ok(docket)
    }

    /// Takes in somebody new: their row is written with the rest, and nothing can be on record about them but an entry
    /// of the "never mail" list.
    pub fn welcome(&mut self, newcomer: &Person) {
        if self.newcomers.insert(key_of(newcomer)) {
            self.sheet.people.push(newcomer.row.clone());
        }
    }

    /// Where a person stands towards a purpose, with what this docket has changed.
    pub fn standing(&self, person: &Person, purpose: PurposeId) -> Standing {
        let (controller, subject) = key_of(person);
        self.consents.get(&(controller, subject, purpose)).map_or(Standing::NONE, Consent::standing)
    }

    /// What stands on record about a person and a purpose, with what this docket has changed.
    pub fn consent(&self, person: &Person, purpose: PurposeId) -> Option<&Consent> {
        let (controller, subject) = key_of(person);
        self.consents.get(&(controller, subject, purpose))
    }

    /// All that stands on record about a person, with what this docket has changed.
    pub fn consents_of(&self, person: &Person) -> impl Iterator<Item = &Consent> {
        let whose = key_of(person);
        self.consents.values().filter(move |consent| (consent.controller_id, consent.subject_id) == whose)
    }

    /// How a person stands towards purposes at a moment, and since when; of those that something is on record about.
    pub fn present(&self, person: &Person, purposes: &[PurposeId], now: Timestamp) -> Vec<Present> {
        let (controller, subject) = key_of(person);
        let on_record = |purpose: &PurposeId| self.consents.get(&(controller, subject, *purpose));
        let present = |c: &Consent| (c.purpose_id, c.standing().effective(now), c.changed_at);
        purposes.iter().filter_map(on_record).map(present).collect()
    }

    /// Applies a command to a person and a purpose, or says why the rules refuse it; then nothing has changed.
    #[allow(clippy::too_many_arguments, reason = "the parts of one sentence: whose keys, who, what, how it came about")]
    pub fn apply(
        &mut self,
        ids: &dyn Ids,
        keys: &'p ControllerKeys,
        person: &'p Person,
        purpose: PurposeId,
        command: Command,
        occasion: &Occasion,
    ) -> Result<Decision, Refusal> {
        let standing = self.standing(person, purpose);
        let decision = decide(&standing, command, occasion.now)?;
        if decision.event.is_some() || decision.next != standing {
            let event = decision.event.map(|kind| seal_event(ids, person, purpose, kind, &decision.next, occasion));
            let (controller, subject) = key_of(person);
            let key = (controller, subject, purpose);
            let fresh = || EventId::from_uuid(ids.row());
            let consent = self.consents.entry(key).or_insert_with(|| {
                blank(person, purpose, event.as_ref().map_or_else(fresh, |event| event.id), occasion.now)
            });
            consent.set_standing(&decision.next, occasion.now);
            consent.event_id = event.as_ref().map_or(consent.event_id, |event| event.id);
            consent.notice_id = occasion.notice.or(consent.notice_id);
            consent.policy_version_id = occasion.policy_version.or(consent.policy_version_id);
            self.changed.insert(key);
            self.sheet.events.extend(event);
        }
        self.due.extend(decision.effects.iter().map(|effect| Due {
            person,
            keys,
            purpose,
            effect: *effect,
            now: occasion.now,
            source: occasion.source.clone(),
        }));
        Ok(decision)
    }

    /// Rows that the caller writes along: mails, links, work.
    pub fn sheet(&mut self) -> &mut Sheet {
        &mut self.sheet
    }

    /// Writes what has changed, and sees to what must follow.
    pub fn write(mut self, tx: &mut WriteTx<'_>) -> Result<(), Error> {
        let consents = std::mem::take(&mut self.consents);
        let changed = std::mem::take(&mut self.changed);
        self.sheet.consents.extend(consents.into_iter().filter(|(key, _)| changed.contains(key)).map(|(_, row)| row));
        let follow = follow::Follow::of(tx, &self.due, &self.newcomers, &mut self.sheet)?;
        tx.write_sheet(&mut self.sheet)?;
        follow.write(tx)
    }
}
