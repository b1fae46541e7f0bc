//! Durable work that must follow a commit. A row is claimed with a lease and a fencing number; who settles has
//! to name the number, so that a worker that was thought dead settles nothing. Controllers take turns.

mod claims;

pub use claims::PutBack;

use std::sync::LazyLock;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};

use crate::domain::ids::{ControllerId, ControllerScope, SubjectId};
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;

use super::among::{MOST_KEPT, among};
use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
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

bulk_row!(Task => "outbox" {
    controller_id: Id,
    kind: SmallInt,
    reference: Id,
    lane: SmallInt,
    state: SmallInt,
    due_at: BigInt,
    attempts: Integer,
    fence: BigInt,
    lease_until: BigInt,
    generation: Integer,
    last_error: Nullable<Text>,
    created_at: BigInt,
});

/// What asking again for work does to that which is asked for already; see [`WriteTx::enqueue`]. Work that waits or is
/// parked starts anew; claimed work stays with who has it. 1 is queued, 2 claimed, 3 parked.
pub(super) const INSTEAD: &str = "ON CONFLICT (controller_id, kind, reference) DO UPDATE SET \
     generation = outbox.generation + 1, due_at = excluded.due_at, \
     attempts = CASE WHEN outbox.state <> 2 THEN 0 ELSE outbox.attempts END, \
     state = CASE WHEN outbox.state = 3 THEN 1 ELSE outbox.state END";

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
            // Not from nought: a claim on an earlier row of the same work, done since, must not hold for this one.
            fence: now.micros(),
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

/// Rows that [`ReadTx::outbox_counts`] counts of a kind and state; a count beyond says only that there are more.
pub const COUNTED: i64 = 10_000;

/// How much work of a kind stands where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct OutboxCount {
    /// The kind.
    #[diesel(sql_type = SmallInt)]
    pub kind: i16,
    /// The state.
    #[diesel(sql_type = SmallInt)]
    pub state: i16,
    /// Rows; [`COUNTED`] + 1 stands for any number beyond.
    #[diesel(sql_type = BigInt)]
    pub rows: i64,
}

/// Each kind and state, counted along `outbox_due` up to the bound. (The order is that of the index: without it
/// PostgreSQL may look for a rare state through the whole table.)
static OUTBOX_COUNTS: LazyLock<String> = LazyLock::new(|| {
    let pairs =
        TaskKind::ALL.iter().flat_map(|kind| TaskState::ALL.iter().map(move |state| (kind.code(), state.code())));
    let counts: Vec<String> = pairs
        .map(|(kind, state)| {
            format!(
                "SELECT {kind} AS kind, {state} AS state, COUNT(*) AS rows FROM (SELECT 1 AS one FROM outbox \
                 WHERE state = {state} AND kind = {kind} ORDER BY controller_id, lane, due_at LIMIT {}) AS few",
                COUNTED + 1
            )
        })
        .collect();
    format!(
        "SELECT CAST(kind AS SMALLINT) AS kind, CAST(state AS SMALLINT) AS state, rows FROM ({}) AS counts WHERE rows > 0",
        counts.join(" UNION ALL ")
    )
});

#[derive(QueryableByName)]
struct Oldest {
    #[diesel(sql_type = BigInt)]
    created_at: i64,
}

/// The first of each state along `outbox_sync_age`, which is for this kind alone: its number has to stand in the text.
static OLDEST_SYNC: LazyLock<String> = LazyLock::new(|| {
    let one = |state: TaskState| {
        let (kind, state) = (TaskKind::Sync.code(), state.code());
        format!(
            "SELECT created_at FROM (SELECT created_at FROM outbox WHERE kind = {kind} AND state = {state} \
             ORDER BY created_at LIMIT 1) AS oldest_{state}"
        )
    };
    [TaskState::Queued, TaskState::Claimed].map(one).join(" UNION ALL ")
});

impl ReadTx<'_> {
    /// Work by kind and state over all controllers, for metrics: exact as far as [`COUNTED`], so that a long queue costs
    /// no more than that. What there is none of is not listed.
    pub fn outbox_counts(&mut self) -> Result<Vec<OutboxCount>, StoreError> {
        Ok(on!(self.conn, c => diesel::sql_query(OUTBOX_COUNTS.as_str()).load(c))?)
    }

    /// Since when the oldest work for destinations waits or is under way, over all controllers; none: there is none. What
    /// is parked waits for a person and is not counted.
    pub fn oldest_sync(&mut self) -> Result<Option<Timestamp>, StoreError> {
        let oldest: Vec<Oldest> = on!(self.conn, c => diesel::sql_query(OLDEST_SYNC.as_str()).load(c))?;
        Ok(oldest.iter().map(|oldest| Timestamp::from_micros(oldest.created_at)).min())
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

    /// About which of these people work of a kind waits or is under way.
    pub fn asked_among(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        people: &[SubjectId],
    ) -> Result<Vec<SubjectId>, StoreError> {
        use outbox::dsl as t;
        let wanted = people.iter().map(|id| (scope.controller(), Reference::from_uuid(id.uuid())));
        let found: Vec<Reference> = on!(self.conn, c => t::outbox.filter(among(t::controller_id, t::reference, wanted))
            .filter(t::kind.eq(kind)).filter(t::state.ne(TaskState::Parked)).select(t::reference).load(c))?;
        Ok(found.into_iter().map(|reference| SubjectId::from_uuid(reference.uuid())).collect())
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

    /// When the next work of a kind is due, over all controllers.
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
        if tasks.is_empty() {
            return Ok(());
        }
        tasks.iter().for_each(|task| self.announce(task.kind));
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, tasks, INSTEAD)?,
            Conn::Postgres(c) => drop(Bulk::default().insert(tasks, INSTEAD).execute(c)?),
        }
        Ok(())
    }

    /// Drops work that is no longer wanted, whoever holds it.
    pub fn drop_tasks(&mut self, kind: TaskKind, tasks: &[(ControllerId, Reference)]) -> Result<(), StoreError> {
        use outbox::dsl as t;
        if tasks.is_empty() {
            return Ok(());
        }
        let rows = among(t::controller_id, t::reference, tasks.iter().copied());
        on!(self.writing(), c => diesel::delete(t::outbox.filter(rows).filter(t::kind.eq(kind))).execute(c))?;
        Ok(())
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
        self.announce(kind);
        Ok(changed == 1)
    }

    /// Puts up to `limit` tasks of a kind back into the queue that were parked with words which begin so; says how many.
    pub fn release_parked(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        words: &str,
        limit: i64,
        now: Timestamp,
    ) -> Result<usize, StoreError> {
        use outbox::dsl as t;
        let parked = t::outbox
            .filter(t::state.eq(TaskState::Parked))
            .filter(t::kind.eq(kind))
            .filter(t::controller_id.eq(scope.controller()));
        let found = parked.filter(t::last_error.like(format!("{words}%"))).order((t::lane, t::due_at)).limit(limit);
        let found: Vec<Reference> = on!(&mut *self.conn, c => found.select(t::reference).load(c))?;
        if found.is_empty() {
            return Ok(0);
        }
        let mut released = 0;
        for piece in found.chunks(MOST_KEPT) {
            let rows = among(t::controller_id, t::reference, piece.iter().map(|one| (scope.controller(), *one)));
            released += on!(self.writing(), c => diesel::update(t::outbox.filter(rows).filter(t::kind.eq(kind)).filter(t::state.eq(TaskState::Parked)))
                .set((t::state.eq(TaskState::Queued), t::attempts.eq(0), t::due_at.eq(now))).execute(c))?;
        }
        self.announce(kind);
        Ok(released)
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
}
