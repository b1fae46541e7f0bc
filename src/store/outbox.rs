//! Durable work that must follow a commit. A row is claimed with a lease and a fencing number; who settles has
//! to name the number, so that a worker that was thought dead settles nothing. Controllers take turns.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt};

use crate::domain::ids::{ControllerId, ControllerScope};
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;

use super::connection::on;
use super::dialect::{database_now, load_unclaimed};
use super::error::StoreError;
use super::schema::outbox;
use super::types::Id;
use super::{ReadTx, WriteTx};

/// What a task is about: a bare id; the kind says of what.
pub type Reference = crate::domain::ids::TaskId;

/// A row of the outbox.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = outbox, treat_none_as_default_value = false)]
pub struct Task {
    /// Whose.
    pub controller_id: ControllerId,
    /// What kind of work.
    pub kind: TaskKind,
    /// About what.
    pub reference: Reference,
    /// Lower goes first.
    pub lane: i16,
    /// Where it stands.
    pub state: TaskState,
    /// Not before.
    pub due_at: Timestamp,
    /// Claims so far.
    pub attempts: i32,
    /// Grows with each claim.
    pub fence: i64,
    /// Until when the claim holds, by the database's clock.
    pub lease_until: Timestamp,
    /// Grows when the work is asked for again meanwhile.
    pub generation: i32,
    /// How the last attempt failed, without personal data.
    pub last_error: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

impl Task {
    /// Work to be done from `due_at` on.
    pub fn new(
        scope: ControllerScope,
        kind: TaskKind,
        reference: uuid::Uuid,
        lane: i16,
        due_at: Timestamp,
        now: Timestamp,
    ) -> Self {
        Self {
            controller_id: scope.controller(),
            kind,
            reference: Reference::from_uuid(reference),
            lane,
            state: TaskState::Queued,
            due_at,
            attempts: 0,
            fence: 0,
            lease_until: Timestamp::from_micros(0),
            generation: 0,
            last_error: None,
            created_at: now,
        }
    }

    /// The scope that the work carries with it.
    pub const fn scope(&self) -> ControllerScope {
        ControllerScope::granted(self.controller_id)
    }
}

/// How much work of a kind stands where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct OutboxCount {
    /// The kind.
    #[diesel(sql_type = SmallInt)]
    pub kind: i16,
    /// The state.
    #[diesel(sql_type = SmallInt)]
    pub state: i16,
    /// Rows.
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
    /// The oldest due time.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub oldest: Option<i64>,
}

impl ReadTx<'_> {
    /// Work by kind and state over all controllers, for metrics.
    pub fn outbox_counts(&mut self) -> Result<Vec<OutboxCount>, StoreError> {
        let query = "SELECT kind, state, COUNT(*) AS rows, MIN(due_at) AS oldest FROM outbox GROUP BY kind, state";
        Ok(on!(self.conn, c => diesel::sql_query(query).load(c))?)
    }

    /// A task, if it is still there.
    pub fn task(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        reference: uuid::Uuid,
    ) -> Result<Option<Task>, StoreError> {
        use outbox::dsl as t;
        Ok(
            on!(self.conn, c => t::outbox.find((scope.controller(), kind, Reference::from_uuid(reference))).select(Task::as_select()).first(c).optional())?,
        )
    }

    /// A controller's parked work, for a person to look at.
    pub fn parked_tasks(&mut self, scope: ControllerScope, limit: i64) -> Result<Vec<Task>, StoreError> {
        use outbox::dsl as t;
        Ok(
            on!(self.conn, c => t::outbox.filter(t::state.eq(TaskState::Parked)).filter(t::controller_id.eq(scope.controller())).select(Task::as_select())
            .order(t::created_at).limit(limit).load(c))?,
        )
    }

    /// A controller's parked work in the order of kind and reference, after `after`.
    pub fn parked_page(
        &mut self,
        scope: ControllerScope,
        after: Option<(TaskKind, Reference)>,
        limit: i64,
    ) -> Result<Vec<Task>, StoreError> {
        use outbox::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::outbox.filter(t::state.eq(TaskState::Parked)).filter(t::controller_id.eq(scope.controller()))
                .select(Task::as_select()).order((t::kind, t::reference)).limit(limit).into_boxed();
            if let Some((kind, reference)) = after {
                query = query.filter(t::kind.gt(kind).or(t::kind.eq(kind).and(t::reference.gt(reference))));
            }
            query.load(c)
        })?)
    }

    /// How much of a controller's work is parked.
    pub fn parked_count(&mut self, scope: ControllerScope) -> Result<i64, StoreError> {
        use outbox::dsl as t;
        Ok(
            on!(self.conn, c => t::outbox.filter(t::state.eq(TaskState::Parked)).filter(t::controller_id.eq(scope.controller())).count().get_result(c))?,
        )
    }

    /// When the next work of these kinds is due, over all controllers.
    pub fn next_due(&mut self, kind: TaskKind) -> Result<Option<Timestamp>, StoreError> {
        use outbox::dsl as t;
        Ok(on!(self.conn, c => t::outbox.filter(t::state.eq(TaskState::Queued)).filter(t::kind.eq(kind)).select(diesel::dsl::min(t::due_at)).first::<Option<i64>>(c))?
            .map(Timestamp::from_micros))
    }
}

impl WriteTx<'_> {
    /// Asks for work. If the same work is already asked for it is done once more after the claim that may be running,
    /// and no later than it was due.
    pub fn enqueue(&mut self, tasks: &[Task]) -> Result<(), StoreError> {
        use outbox::dsl as t;
        if tasks.is_empty() {
            return Ok(());
        }
        on!(self.writing(), c => diesel::insert_into(t::outbox).values(tasks).on_conflict((t::controller_id, t::kind, t::reference)).do_update().set((
            t::generation.eq(t::generation + 1),
            t::due_at.eq(diesel::upsert::excluded(t::due_at)),
            // Work that waits or is parked starts anew; claimed work stays with who has it.
            t::attempts.eq(diesel::dsl::case_when::<_, _, diesel::sql_types::Integer>(t::state.ne(TaskState::Claimed), 0).otherwise(t::attempts)),
            t::state.eq(diesel::dsl::case_when::<_, _, SmallInt>(t::state.eq(TaskState::Parked), TaskState::Queued).otherwise(t::state)),
        )).execute(c))?;
        Ok(())
    }

    /// Gives back the work of workers whose lease ran out.
    pub fn reclaim_expired(&mut self, limit: i64) -> Result<usize, StoreError> {
        use outbox::dsl as t;
        let now = Timestamp::from_micros(database_now(self.conn)?);
        let expired: Vec<Task> = load_unclaimed!(
            &mut *self.conn,
            t::outbox
                .filter(t::state.eq(TaskState::Claimed))
                .filter(t::lease_until.lt(now))
                .select(Task::as_select())
                .limit(limit)
        )?;
        for task in &expired {
            on!(self.writing(), c => diesel::update(t::outbox.find((task.controller_id, task.kind, task.reference))).set(t::state.eq(TaskState::Queued)).execute(c))?;
        }
        Ok(expired.len())
    }

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
            let mut due: Vec<Task> = load_unclaimed!(
                &mut *self.conn,
                t::outbox
                    .filter(t::state.eq(TaskState::Queued))
                    .filter(t::kind.eq(kind))
                    .filter(t::controller_id.eq(controller))
                    .filter(t::due_at.le(now))
                    .order((t::lane, t::due_at))
                    .limit(share.min(i64::try_from(limit - claimed.len()).unwrap_or(i64::MAX)))
                    .select(Task::as_select())
            )?;
            let references: Vec<Reference> = due.iter().map(|task| task.reference).collect();
            if !references.is_empty() {
                on!(self.writing(), c => diesel::update(t::outbox.filter(t::controller_id.eq(controller)).filter(t::kind.eq(kind)).filter(t::reference.eq_any(&references)))
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
        let error: String = error.chars().take(500).collect();
        let changed = on!(self.writing(), c => diesel::update(t::outbox.find((task.controller_id, task.kind, task.reference))
            .filter(t::fence.eq(task.fence)).filter(t::state.eq(TaskState::Claimed)))
            .set((t::state.eq(state), t::due_at.eq(due_at), t::last_error.eq(&error))).execute(c))?;
        Ok(changed == 1)
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

    /// Puts parked work back into the queue, its attempts counted anew; says whether it was parked.
    pub fn retry_parked(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        reference: Reference,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use outbox::dsl as t;
        let parked = t::outbox.find((scope.controller(), kind, reference)).filter(t::state.eq(TaskState::Parked));
        let changed = on!(self.writing(), c => diesel::update(parked)
            .set((t::state.eq(TaskState::Queued), t::attempts.eq(0), t::due_at.eq(now))).execute(c))?;
        Ok(changed == 1)
    }

    /// Drops parked work for good; says whether it was parked.
    pub fn drop_parked(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        reference: Reference,
    ) -> Result<bool, StoreError> {
        use outbox::dsl as t;
        let parked = t::outbox.find((scope.controller(), kind, reference)).filter(t::state.eq(TaskState::Parked));
        Ok(on!(self.writing(), c => diesel::delete(parked).execute(c))? == 1)
    }

    /// Drops work that is no longer wanted, whoever holds it.
    pub fn drop_task(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        reference: uuid::Uuid,
    ) -> Result<(), StoreError> {
        use outbox::dsl as t;
        on!(self.writing(), c => diesel::delete(t::outbox.find((scope.controller(), kind, Reference::from_uuid(reference)))).execute(c))?;
        Ok(())
    }
}
