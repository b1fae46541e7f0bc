//! A batch of a do-not-mail list: each address goes on the "never mail" list, and whoever is on record is stopped, so
//! that queued mail is cancelled and the destinations follow. Nobody is created for an address that is not known.

use std::collections::HashMap;

use crate::crypto::ControllerKeys;
use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::imports::ImportRow;
use crate::store::rows::RowOutcome;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression, reason_for};
use crate::usecases::record::{Occasion, Person, entry};
use crate::usecases::record_many::{Change, apply_batch};
use crate::usecases::{Error, Services};

use super::batch::{Found, Job, NeverMail, Row};

/// Whom word of an address reaches, by its fingerprint: who is on record under it first, then who has left it (DR-05).
pub(super) type People = HashMap<Vec<u8>, Vec<Person>>;

/// Reads them, locked until the commit.
pub(super) fn told(
    tx: &mut WriteTx<'_>,
    keys: &ControllerKeys,
    scope: ControllerScope,
    fingerprints: &[Vec<u8>],
) -> Result<People, Error> {
    let mut people = People::new();
    for reached in tx.lock_people_told(scope, fingerprints)? {
        people.entry(reached.told).or_default().push(Person::open(scope, keys, reached.row)?);
    }
    Ok(people)
}

/// Writes the batch and says what became of each row.
pub(super) fn write(
    tx: &mut WriteTx<'_>,
    services: &Services,
    keys: &ControllerKeys,
    job: &Job,
    rows: &[Row],
    now: Timestamp,
) -> Result<Vec<ImportRow>, Error> {
    let mut report = job.refused(rows);
    let addresses: Vec<(i32, &Found)> =
        rows.iter().filter_map(|row| row.found().map(|found| (row.line, found))).collect();
    let fingerprints: Vec<Vec<u8>> = addresses.iter().map(|(_, found)| found.email_key.clone()).collect();
    let people = told(tx, keys, job.scope, &fingerprints)?;
    let never = NeverMail::of(tx, job.scope, rows)?;
    stop_people(tx, services, keys, job, &addresses, &people, now)?;
    let plain = Occasion::plain(now, Method::DoNotMailList, Some(job.source.clone()));
    let mut entries: Vec<Suppression> = Vec::new();
    for (line, found) in addresses {
        let on_list = never.entries(found);
        let before = entries.len();
        for purpose in targets(job) {
            if let Some(reason) = reason_to_write(&on_list, purpose, SuppressionReason::Manual) {
                entries.push(entry(keys, job.scope, &found.row.email, purpose, reason, &plain));
            }
        }
        let detail = (entries.len() == before).then(|| "was on the never-mail list already".to_owned());
        let subject = people.get(&found.email_key).and_then(|people| people.first()).map(|person| person.row.id);
        report.push(job.report(line, subject, RowOutcome::OptOutRecorded, detail));
    }
    for piece in entries.chunks(1000) {
        tx.suppress(piece)?;
    }
    Ok(report)
}

/// What the list is about: its purposes, or all there are and will be.
fn targets(job: &Job) -> Vec<PurposeId> {
    if job.purposes.is_empty() { vec![EVERY_PURPOSE] } else { job.purposes.iter().map(|purpose| purpose.id).collect() }
}

/// The reason that a new entry gets, `new` unless one weighs more; nothing where the address is covered. An entry for
/// everything is written anew when the person has freed some purpose since, and keeps a reason that no sign-up lifts.
pub(super) fn reason_to_write(
    on_list: &[Suppression],
    target: PurposeId,
    new: SuppressionReason,
) -> Option<SuppressionReason> {
    let held = reason_for(on_list, target);
    let freed = target == EVERY_PURPOSE && on_list.iter().any(|entry| entry.lifted_at.is_some());
    match held {
        None => Some(new),
        Some(_) if !freed => None,
        Some(held) if held.lifted_by_fresh_opt_in() => Some(new),
        Some(held) => Some(held),
    }
}

/// Stops what is on record about these people.
fn stop_people(
    tx: &mut WriteTx<'_>,
    services: &Services,
    keys: &ControllerKeys,
    job: &Job,
    addresses: &[(i32, &Found)],
    people: &People,
    now: Timestamp,
) -> Result<(), Error> {
    let whole = job.purposes.is_empty();
    let purposes = if whole { job.every_purpose.clone() } else { targets(job) };
    let ids: Vec<SubjectId> = people.values().flatten().map(|person| person.row.id).collect();
    let mut stood: HashMap<SubjectId, Vec<PurposeId>> = HashMap::new();
    for consent in tx.consents_among(job.scope, &ids, &purposes)? {
        stood.entry(consent.subject_id).or_default().push(consent.purpose_id);
    }
    // What a list says about one purpose must not stop the others; its entry gets its own reason afterwards.
    let reason = if whole { SuppressionReason::Manual } else { SuppressionReason::Withdrawn };
    let mut changes: Vec<Change<'_>> = Vec::new();
    for (line, found) in addresses {
        let reached = people.get(&found.email_key).into_iter().flatten();
        let each = reached.flat_map(|person| stood.get(&person.row.id).into_iter().flatten().map(move |p| (person, p)));
        for (person, purpose) in each {
            let occasion = Occasion {
                evidence: Some(job.evidence.of_row(*line, &found.row.claimed, &[])),
                ..Occasion::plain(now, Method::DoNotMailList, Some(job.source.clone()))
            };
            changes.push(Change { person, purpose: *purpose, command: Command::Withdraw { reason }, occasion });
        }
    }
    apply_batch(tx, &*services.ids, keys, &changes)?;
    Ok(())
}
