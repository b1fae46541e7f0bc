//! Many changes at once, for lists: the same rules and the same facts as [`record::apply`](super::record::apply), but
//! one look-up and one statement for the batch instead of several per person.

use std::collections::HashMap;

use crate::crypto::ControllerKeys;
use crate::domain::clock::Ids;
use crate::domain::consent::{Command, Decision, Refusal, Standing, decide};
use crate::domain::ids::{EventId, PurposeId, SubjectId};
use crate::store::WriteTx;
use crate::store::consents::{Consent, StoredEvent};

use super::Error;
use super::record::{Occasion, Person, carry_out, changed, seal_event};

/// Rows in one statement; 18 columns each stay far below what either engine binds.
const ROWS: usize = 1000;

/// One change of a batch.
pub(super) struct Change<'a> {
    /// Of whom.
    pub person: &'a Person,
    /// Of which purpose.
    pub purpose: PurposeId,
    /// What is to happen.
    pub command: Command,
    /// How it came about.
    pub occasion: Occasion,
}

/// Applies the changes, each person and purpose at most once, and says for each what the rules decided. The people's
/// rows must be locked by this transaction, all of one controller; whoever changes a consent locks its person first,
/// so the consents themselves need no lock.
pub(super) fn apply_batch(
    tx: &mut WriteTx<'_>,
    ids: &dyn Ids,
    keys: &ControllerKeys,
    changes: &[Change<'_>],
) -> Result<Vec<Result<Decision, Refusal>>, Error> {
    let Some(first) = changes.first() else { return Ok(Vec::new()) };
    let mut on_record = on_record(tx, changes, first)?;
    let mut decisions = Vec::with_capacity(changes.len());
    let mut events: Vec<StoredEvent> = Vec::new();
    let mut consents: Vec<Consent> = Vec::new();
    for change in changes {
        let (person, purpose, occasion) = (change.person, change.purpose, &change.occasion);
        let stored = on_record.remove(&(person.row.id, purpose));
        let standing = stored.as_ref().map_or(Standing::NONE, Consent::standing);
        let decided = decide(&standing, change.command, occasion.now);
        if let Ok(decision) = &decided
            && (decision.event.is_some() || decision.next != standing)
        {
            let event_id = match decision.event {
                Some(kind) => {
                    let event = seal_event(ids, person, purpose, kind, &decision.next, occasion);
                    let id = event.id;
                    events.push(event);
                    id
                }
                None => stored.as_ref().map_or_else(|| EventId::from_uuid(ids.row()), |consent| consent.event_id),
            };
            consents.push(changed(stored, person, purpose, decision, event_id, occasion));
        }
        decisions.push(decided);
    }
    for piece in events.chunks(ROWS) {
        tx.append_events(piece)?;
    }
    for piece in consents.chunks(ROWS) {
        tx.save_consents(piece)?;
    }
    for (change, decided) in changes.iter().zip(&decisions) {
        for effect in decided.as_ref().map_or(&[][..], |decision| decision.effects) {
            carry_out(tx, keys, change.person, change.purpose, *effect, &change.occasion)?;
        }
    }
    Ok(decisions)
}

fn on_record(
    tx: &mut WriteTx<'_>,
    changes: &[Change<'_>],
    first: &Change<'_>,
) -> Result<HashMap<(SubjectId, PurposeId), Consent>, Error> {
    let mut people: Vec<SubjectId> = changes.iter().map(|change| change.person.row.id).collect();
    let mut purposes: Vec<PurposeId> = changes.iter().map(|change| change.purpose).collect();
    people.sort_unstable();
    people.dedup();
    purposes.sort_unstable();
    purposes.dedup();
    let mut found = HashMap::with_capacity(changes.len());
    for piece in people.chunks(ROWS) {
        for consent in tx.consents_among(first.person.scope, piece, &purposes)? {
            found.insert((consent.subject_id, consent.purpose_id), consent);
        }
    }
    Ok(found)
}
