//! Asking for people to be brought in step on a list where they were found to stand otherwise. What is on record of how they
//! stand there is changed only where that is news: when we took somebody off there is not forgotten for it.

use std::collections::HashMap;

use crate::domain::ids::{ControllerScope, EventId, PurposeId, SubjectId};
use crate::domain::reconcile::{Here, There};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::destinations::DestinationState;
use crate::store::outbox::Task;
use crate::store::reconciles::Finding;

use super::super::Error;
use super::people::{Marks, People};

/// Stops do not wait, whoever else is brought in step.
const STOP_LANE: i16 = 0;
/// Behind what people do themselves.
pub(super) const LANE: i16 = 2;
/// What stands on record while somebody is brought in step again.
const UNLIKE: &str = "found otherwise there";

/// Notes that the people of these findings stand otherwise on the list, and asks for them to be brought in step.
pub(super) fn sync_again(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    findings: &[&Finding],
    list_id: &str,
    now: Timestamp,
) -> Result<(), Error> {
    let mut wanted: Vec<_> =
        findings.iter().filter_map(|finding| Some((finding.controller_id, finding.subject_id?))).collect();
    wanted.sort_unstable();
    wanted.dedup();
    if wanted.is_empty() {
        return Ok(());
    }
    // Whoever was erased meanwhile is taken off by what is on record of them, and nothing is added to that.
    let people = tx.lock_people(&wanted)?.into_iter().filter(|person| person.erased_at.is_none());
    let ids: Vec<SubjectId> = people.map(|person| person.id).collect();
    let mut newest: HashMap<SubjectId, EventId> = HashMap::new();
    for consent in tx.consents_of_all(&wanted)? {
        let known = newest.entry(consent.subject_id).or_insert(consent.event_id);
        *known = (*known).max(consent.event_id);
    }
    let before: HashMap<SubjectId, DestinationState> =
        tx.destination_states_on(scope, &ids, list_id)?.into_iter().map(|state| (state.subject_id, state)).collect();
    let (mut states, mut tasks) = (Vec::new(), Vec::new());
    for finding in findings {
        let found = finding.subject_id.filter(|id| ids.contains(id));
        let Some((subject_id, event_id)) = found.and_then(|id| Some((id, *newest.get(&id)?))) else { continue };
        let known = before.get(&subject_id);
        let active = finding.there == There::Active;
        // Where the record says already that they are not there, it also says since when and by whose doing.
        if active || known.is_some_and(|state| state.active) {
            states.push(DestinationState {
                controller_id: finding.controller_id,
                subject_id,
                list_id: list_id.to_owned(),
                active,
                set_aside: known.is_some_and(|state| state.set_aside),
                event_id,
                synced_at: now,
                row_mark: None,
                last_error: Some(UNLIKE.to_owned()),
                stands_as: None,
            });
        }
        let lane = if finding.kind.is_stop() { STOP_LANE } else { LANE };
        tasks.push(Task::new(scope, TaskKind::Sync, subject_id.uuid(), lane, now, now));
    }
    tx.save_destination_states(&states)?;
    Ok(tx.enqueue(&tasks)?)
}

/// Somebody may have said yes in the very moment in which their address was taken off as nobody's that we know. They go
/// there again; and as it was our doing, what the list tells of it is no word of theirs.
pub(super) fn bring_back(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    removed: &[Marks],
    list_id: &str,
    purposes: &[PurposeId],
    now: Timestamp,
) -> Result<(), Error> {
    let emails: Vec<Vec<u8>> = removed.iter().map(|marks| marks.email.clone()).collect();
    let rows = tx.lock_subjects_by_fingerprints(scope, &emails)?;
    if rows.is_empty() {
        return Ok(());
    }
    let known: HashMap<Vec<u8>, SubjectId> = rows.iter().map(|row| (row.email_key.clone(), row.id)).collect();
    let people = People::read(tx, scope, rows, removed, list_id, purposes.to_vec(), now)?;
    let (mut states, mut tasks) = (Vec::new(), Vec::new());
    for marks in removed {
        let Some(subject_id) = known.get(&marks.email).copied() else { continue };
        let wanted = matches!(people.here(Some(subject_id), marks), Here::Wanted { .. });
        let Some(event_id) = people.newest_event(subject_id).filter(|_| wanted) else { continue };
        states.push(DestinationState {
            controller_id: scope.controller(),
            subject_id,
            list_id: list_id.to_owned(),
            active: false,
            set_aside: true,
            event_id,
            synced_at: now,
            row_mark: None,
            last_error: Some(UNLIKE.to_owned()),
            stands_as: None,
        });
        tasks.push(Task::new(scope, TaskKind::Sync, subject_id.uuid(), LANE, now, now));
    }
    tx.save_destination_states(&states)?;
    Ok(tx.enqueue(&tasks)?)
}
