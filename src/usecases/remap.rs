//! Which list a purpose is kept on has changed: who is confirmed is to be brought to the new list, and who is on record
//! on the old one has to leave it. That may be a million people, so the change only asks for the work, in its own
//! transaction, and notes on the lists concerned that nobody has been walked through yet. The worker then goes through
//! the people piece by piece and asks for each to be brought in step. A piece and how far it came are one commit, so
//! that whoever takes over goes on there.

use uuid::Uuid;

use crate::domain::ids::{ControllerScope, SubjectId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::outbox::Task;

use super::{Error, Services};

/// Behind the rest of its kind: a stop, or a new yes, does not wait for a move.
const LANE: i16 = 2;

/// Where a walk begins: before everybody.
pub(super) const BEGINNING: SubjectId = SubjectId::from_uuid(Uuid::nil());

/// How far a piece came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// There is more to do.
    More,
    /// Enough people wait to be brought in step; there is more to do when they have been.
    Enough,
    /// Everybody concerned has been asked for.
    Done,
}

/// Asks for everybody concerned by a change of lists to be brought in step.
pub(super) fn ask_for(tx: &mut WriteTx<'_>, scope: ControllerScope, now: Timestamp) -> Result<(), Error> {
    Ok(tx.enqueue(&[Task::new(scope, TaskKind::Remap, scope.controller().uuid(), LANE, now, now)])?)
}

/// Asks for the next people to be brought in step.
pub async fn remap_chunk(services: &Services, scope: ControllerScope) -> Result<Piece, Error> {
    let now = services.clock.now();
    let (most, ahead) = (services.rules.pieces.remap, services.rules.pieces.remap_ahead);
    let piece = services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            // Whoever among them stops meanwhile does not wait behind a million, and the outbox does not swell while a
            // destination is down.
            if tx.waiting_in_lane(scope, TaskKind::Sync, LANE, ahead)? > (ahead - most).max(0) {
                return Ok(Piece::Enough);
            }
            // Whoever sets lists holds these rows too: a change and a piece take turns.
            tx.lock_destinations(scope)?;
            if let Some(former) = tx.former_list_to_walk(scope)? {
                let after = former.walked.unwrap_or(BEGINNING);
                let people = tx.people_on_list(scope, &former.list_id, after, most)?;
                tx.note_former_walk(&former, cursor(&people, most))?;
                return sync(tx, scope, &people, now);
            }
            if let Some(list) = tx.list_to_walk(scope)? {
                let after = list.walked.unwrap_or(BEGINNING);
                let confirmed = tx.confirmed_page(scope, list.purpose_id, now, Some(after), most)?;
                let people: Vec<SubjectId> = confirmed.iter().map(|consent| consent.subject_id).collect();
                tx.note_walk(&list, cursor(&people, most))?;
                return sync(tx, scope, &people, now);
            }
            Ok(Piece::Done)
        })
        .await?;
    Ok(piece)
}

/// Where the walk goes on; nothing once there is nobody left.
fn cursor(people: &[SubjectId], most: i64) -> Option<SubjectId> {
    let full = i64::try_from(people.len()).is_ok_and(|found| found >= most);
    people.last().copied().filter(|_| full)
}

fn sync(tx: &mut WriteTx<'_>, scope: ControllerScope, people: &[SubjectId], now: Timestamp) -> Result<Piece, Error> {
    let task = |person: &SubjectId| Task::new(scope, TaskKind::Sync, person.uuid(), LANE, now, now);
    tx.enqueue(&people.iter().map(task).collect::<Vec<_>>())?;
    Ok(Piece::More)
}
