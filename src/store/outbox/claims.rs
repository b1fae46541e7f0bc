//! Claims: work that a worker holds under a lease, with a fencing number that it has to name when it settles.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::domain::ids::ControllerId;
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;

use super::super::WriteTx;
use super::super::among::{MOST_KEPT, among};
use super::super::bulk::{Bulk, column};
use super::super::connection::{Conn, on};
use super::super::dialect::{database_now, load_locked, load_unclaimed};
use super::super::error::StoreError;
use super::super::prepared::update;
use super::super::schema::outbox;
use super::super::types::Id;
use super::Task;

/// A claim that goes back to the queue.
#[derive(Debug, Clone)]
pub struct PutBack {
    /// The claim.
    pub task: Task,
    /// Whether it waits or a person has to look.
    pub state: TaskState,
    /// Not before.
    pub due_at: Timestamp,
    /// What went wrong, without personal data.
    pub error: String,
}

/// What is kept of an error.
fn shortened(error: &str) -> String {
    error.chars().take(500).collect()
}

impl WriteTx<'_> {
    /// Claims up to `limit` due tasks of a kind, for `lease`. Each controller with due work gets its share, so that one
    /// with a full queue does not keep another waiting (R-49, P12). Lower lanes go first within a controller.
    pub fn claim(
        &mut self,
        kind: TaskKind,
        limit: usize,
        now: Timestamp,
        lease: std::time::Duration,
    ) -> Result<Vec<Task>, StoreError> {
        use outbox::dsl as t;
        let controllers = self.controllers_with_due(kind, now)?;
        if controllers.is_empty() {
            return Ok(Vec::new());
        }
        let lease_until = Timestamp::from_micros(database_now(self.conn)?).plus(lease);
        let share = i64::try_from(limit.div_ceil(controllers.len()).max(1)).unwrap_or(i64::MAX);
        let mut claimed: Vec<Task> = Vec::new();
        for controller in controllers {
            // No claim lies idle while its lease runs; the rotation gives the others their turn.
            if claimed.len() >= limit {
                break;
            }
            let room = share.min(i64::try_from(limit - claimed.len()).unwrap_or(i64::MAX));
            let mut due = self.due_of(kind, controller, room, now)?;
            for piece in due.chunks(MOST_KEPT) {
                let rows = among(t::controller_id, t::reference, piece.iter().map(|task| (controller, task.reference)));
                on!(self.writing(), c => update(t::outbox.filter(rows).filter(t::kind.eq(kind)))
                    .set((t::state.eq(TaskState::Claimed), t::attempts.eq(t::attempts + 1), t::fence.eq(t::fence + 1_i64), t::lease_until.eq(lease_until))).execute(c))?;
            }
            for task in &mut due {
                task.state = TaskState::Claimed;
                task.attempts += 1;
                task.fence += 1;
                task.lease_until = lease_until;
            }
            claimed.append(&mut due);
        }
        Ok(claimed)
    }

    /// A controller's due tasks, locked, lane by lane: within a lane the index ends where the future begins, so that a
    /// round of a million that is planned for next week is not walked through at every look.
    fn due_of(
        &mut self,
        kind: TaskKind,
        controller: ControllerId,
        room: i64,
        now: Timestamp,
    ) -> Result<Vec<Task>, StoreError> {
        use outbox::dsl as t;
        let mut due: Vec<Task> = Vec::new();
        let mut lane = i16::MIN;
        loop {
            let left = room - i64::try_from(due.len()).unwrap_or(i64::MAX);
            let waits = t::outbox
                .filter(t::state.eq(TaskState::Queued))
                .filter(t::kind.eq(kind))
                .filter(t::controller_id.eq(controller));
            let next = waits.filter(t::lane.gt(lane)).order((t::lane, t::due_at)).select((t::lane, t::due_at));
            let next: Option<(i16, Timestamp)> = match left {
                1.. => on!(&mut *self.conn, c => next.first(c).optional())?,
                _ => None,
            };
            let Some((found, earliest)) = next else { return Ok(due) };
            lane = found;
            if earliest > now {
                continue;
            }
            let tasks: Vec<Task> = load_unclaimed!(
                &mut *self.conn,
                waits
                    .filter(t::lane.eq(lane))
                    .filter(t::due_at.le(now))
                    .order(t::due_at)
                    .limit(left)
                    .select(Task::as_select())
            )?;
            due.extend(tasks);
        }
    }

    /// Controllers with work of a kind that is due, each found by one step through the index. The round begins behind
    /// a point that moves, so that the first controller is not always served first.
    fn controllers_with_due(&mut self, kind: TaskKind, now: Timestamp) -> Result<Vec<ControllerId>, StoreError> {
        #[derive(QueryableByName)]
        struct Found {
            #[diesel(sql_type = Id)]
            controller_id: ControllerId,
        }
        let query = "WITH RECURSIVE found (controller_id) AS ( \
                         SELECT * FROM (SELECT controller_id FROM outbox WHERE state = 1 AND kind = $1 ORDER BY controller_id LIMIT 1) AS first \
                         UNION ALL \
                         SELECT (SELECT o.controller_id FROM outbox o WHERE o.state = 1 AND o.kind = $2 AND o.controller_id > found.controller_id \
                                 ORDER BY o.controller_id LIMIT 1) FROM found WHERE found.controller_id IS NOT NULL) \
                     SELECT controller_id FROM found WHERE controller_id IS NOT NULL LIMIT 10000";
        let mut found: Vec<ControllerId> = on!(&mut *self.conn, c => diesel::sql_query(query).bind::<SmallInt, _>(kind).bind::<SmallInt, _>(kind).load::<Found>(c))?
            .into_iter()
            .map(|row| row.controller_id)
            .collect();
        if !found.is_empty() {
            let start = usize::try_from(now.micros().unsigned_abs() / 1000 % found.len() as u64).unwrap_or(0);
            found.rotate_left(start);
        }
        Ok(found)
    }

    /// Gives back the work of workers whose lease ran out, of each kind up to `limit` tasks. What is claimed is little at
    /// any time: the index that finds due work finds it too.
    pub fn reclaim_expired(&mut self, limit: i64) -> Result<usize, StoreError> {
        use outbox::dsl as t;
        let now = Timestamp::from_micros(database_now(self.conn)?);
        let mut given_back = 0;
        for kind in TaskKind::ALL {
            let expired: Vec<Task> = load_unclaimed!(
                &mut *self.conn,
                t::outbox
                    .filter(t::state.eq(TaskState::Claimed))
                    .filter(t::kind.eq(kind))
                    .filter(t::lease_until.lt(now))
                    .select(Task::as_select())
                    .limit(limit)
            )?;
            for task in &expired {
                on!(self.writing(), c => update(t::outbox.find((task.controller_id, task.kind, task.reference)))
                    .set(t::state.eq(TaskState::Queued)).execute(c))?;
                self.announce(task.kind);
            }
            given_back += expired.len();
        }
        Ok(given_back)
    }

    /// Those of these claims that are still ours, locked until the commit.
    pub fn held_claims(&mut self, kind: TaskKind, claims: &[&Task]) -> Result<Vec<Task>, StoreError> {
        use outbox::dsl as t;
        if claims.is_empty() {
            return Ok(Vec::new());
        }
        let found: Vec<Task> = load_locked!(
            &mut *self.conn,
            t::outbox
                .filter(among(t::controller_id, t::reference, claims.iter().map(|c| (c.controller_id, c.reference))))
                .filter(t::kind.eq(kind))
                .filter(t::state.eq(TaskState::Claimed))
                .order((t::controller_id, t::reference))
                .select(Task::as_select())
        )?;
        let fences: HashMap<_, i64> = claims.iter().map(|c| ((c.controller_id, c.reference), c.fence)).collect();
        let ours = |task: &Task| fences.get(&(task.controller_id, task.reference)) == Some(&task.fence);
        Ok(found.into_iter().filter(ours).collect())
    }

    /// Lengthens the lease of claims that [`Self::held_claims`] gave.
    pub fn extend_leases(
        &mut self,
        kind: TaskKind,
        held: &[Task],
        lease: std::time::Duration,
    ) -> Result<(), StoreError> {
        use outbox::dsl as t;
        if held.is_empty() {
            return Ok(());
        }
        let until = Timestamp::from_micros(database_now(self.conn)?).plus(lease);
        for piece in held.chunks(MOST_KEPT) {
            let rows =
                among(t::controller_id, t::reference, piece.iter().map(|task| (task.controller_id, task.reference)));
            on!(self.writing(), c => update(t::outbox.filter(rows).filter(t::kind.eq(kind))).set(t::lease_until.eq(until))
                .execute(c))?;
        }
        Ok(())
    }

    /// Finishes claims that [`Self::held_claims`] gave. Work that was asked for again meanwhile goes back to the queue.
    pub fn finish_held(&mut self, kind: TaskKind, held: &[(Task, i32)], now: Timestamp) -> Result<(), StoreError> {
        use outbox::dsl as t;
        let (over, again): (Vec<_>, Vec<_>) =
            held.iter().partition(|(task, generation)| task.generation == *generation);
        let rows = |tasks: &[&(Task, i32)]| {
            among(
                t::controller_id,
                t::reference,
                tasks.iter().map(|(task, _)| (task.controller_id, task.reference)).collect::<Vec<_>>(),
            )
        };
        if !over.is_empty() {
            on!(self.writing(), c => diesel::delete(t::outbox.filter(rows(&over)).filter(t::kind.eq(kind))).execute(c))?;
        }
        if !again.is_empty() {
            let nothing: Option<String> = None;
            on!(self.writing(), c => diesel::update(t::outbox.filter(rows(&again)).filter(t::kind.eq(kind)))
                .set((t::state.eq(TaskState::Queued), t::attempts.eq(0), t::due_at.eq(now), t::last_error.eq(&nothing))).execute(c))?;
            self.announce(kind);
        }
        Ok(())
    }

    /// Lengthens the lease of a claimed task, while the claim is still ours; says whether it was.
    pub fn extend_lease(&mut self, task: &Task, lease: std::time::Duration) -> Result<bool, StoreError> {
        use outbox::dsl as t;
        let until = Timestamp::from_micros(database_now(self.conn)?).plus(lease);
        let changed = on!(self.writing(), c => diesel::update(t::outbox.find((task.controller_id, task.kind, task.reference))
            .filter(t::fence.eq(task.fence)).filter(t::state.eq(TaskState::Claimed))).set(t::lease_until.eq(until)).execute(c))?;
        Ok(changed == 1)
    }

    /// Finishes a claimed task. Work that was asked for again meanwhile goes back to the queue. Says whether the claim
    /// was still ours; if not, nothing is changed and the caller's transaction must not keep its effects.
    pub fn finish(&mut self, task: &Task, now: Timestamp) -> Result<bool, StoreError> {
        use outbox::dsl as t;
        let ours = t::outbox
            .find((task.controller_id, task.kind, task.reference))
            .filter(t::fence.eq(task.fence))
            .filter(t::state.eq(TaskState::Claimed));
        let gone = on!(self.writing(), c => diesel::delete(ours.filter(t::generation.eq(task.generation))).execute(c))?;
        if gone == 1 {
            return Ok(true);
        }
        let nothing: Option<String> = None;
        let again = on!(self.writing(), c => diesel::update(ours).set((t::state.eq(TaskState::Queued), t::attempts.eq(0), t::due_at.eq(now), t::last_error.eq(&nothing))).execute(c))?;
        self.announce(task.kind);
        Ok(again == 1)
    }

    /// Puts a claimed task back until `due_at`, or parks it; says whether the claim was still ours.
    pub fn put_back(
        &mut self,
        task: &Task,
        state: TaskState,
        due_at: Timestamp,
        error: &str,
    ) -> Result<bool, StoreError> {
        use outbox::dsl as t;
        let error = shortened(error);
        let changed = on!(self.writing(), c => diesel::update(t::outbox.find((task.controller_id, task.kind, task.reference))
            .filter(t::fence.eq(task.fence)).filter(t::state.eq(TaskState::Claimed)))
            .set((t::state.eq(state), t::due_at.eq(due_at), t::last_error.eq(&error))).execute(c))?;
        Ok(changed == 1)
    }

    /// Puts claims that [`Self::held_claims`] gave back until later, or parks them, each with what went wrong.
    pub fn put_back_held(&mut self, kind: TaskKind, held: &[PutBack]) -> Result<(), StoreError> {
        use outbox::dsl as t;
        if held.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => {
                for PutBack { task, state, due_at, error } in held {
                    let back = update(t::outbox.find((task.controller_id, kind, task.reference))).set((
                        t::state.eq(state),
                        t::due_at.eq(due_at),
                        t::last_error.eq(shortened(error)),
                    ));
                    back.execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let errors: Vec<String> = held.iter().map(|back| shortened(&back.error)).collect();
                let columns = vec![
                    column::<Id, _>(held.iter().map(|back| &back.task.controller_id)),
                    column::<SmallInt, _>(held.iter().map(|_| kind)),
                    column::<Id, _>(held.iter().map(|back| &back.task.reference)),
                    column::<SmallInt, _>(held.iter().map(|back| back.state)),
                    column::<BigInt, _>(held.iter().map(|back| &back.due_at)),
                    column::<Text, _>(errors.iter()),
                ];
                Bulk::statement(
                    "UPDATE outbox SET state = v.state, due_at = v.due_at, last_error = v.last_error FROM unnest(",
                    columns,
                    "AS v (controller_id, kind, reference, state, due_at, last_error) WHERE outbox.controller_id = \
                     v.controller_id AND outbox.kind = v.kind AND outbox.reference = v.reference",
                )
                .execute(c)?;
            }
        }
        Ok(())
    }

    /// Puts claims that [`Self::held_claims`] gave back without counting the attempt: nothing was tried.
    pub fn postpone_held(&mut self, kind: TaskKind, held: &[(&Task, Timestamp)]) -> Result<(), StoreError> {
        use outbox::dsl as t;
        if held.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => {
                for (task, due_at) in held {
                    let later = update(t::outbox.find((task.controller_id, kind, task.reference))).set((
                        t::state.eq(TaskState::Queued),
                        t::due_at.eq(due_at),
                        t::attempts.eq(t::attempts - 1),
                    ));
                    later.execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let columns = vec![
                    column::<Id, _>(held.iter().map(|(task, _)| &task.controller_id)),
                    column::<SmallInt, _>(held.iter().map(|_| kind)),
                    column::<Id, _>(held.iter().map(|(task, _)| &task.reference)),
                    column::<SmallInt, _>(held.iter().map(|_| TaskState::Queued)),
                    column::<BigInt, _>(held.iter().map(|(_, due_at)| due_at)),
                ];
                Bulk::statement(
                    "UPDATE outbox SET state = v.state, due_at = v.due_at, attempts = outbox.attempts - 1 FROM unnest(",
                    columns,
                    "AS v (controller_id, kind, reference, state, due_at) WHERE outbox.controller_id = v.controller_id \
                     AND outbox.kind = v.kind AND outbox.reference = v.reference",
                )
                .execute(c)?;
            }
        }
        Ok(())
    }

    /// Puts a claimed task back without counting the attempt: nothing was tried. Says whether the claim was still ours.
    pub fn postpone(&mut self, task: &Task, due_at: Timestamp) -> Result<bool, StoreError> {
        use outbox::dsl as t;
        let ours = t::outbox
            .find((task.controller_id, task.kind, task.reference))
            .filter(t::fence.eq(task.fence))
            .filter(t::state.eq(TaskState::Claimed));
        let changed = on!(self.writing(), c => diesel::update(ours)
            .set((t::state.eq(TaskState::Queued), t::due_at.eq(due_at), t::attempts.eq(t::attempts - 1))).execute(c))?;
        Ok(changed == 1)
    }
}
