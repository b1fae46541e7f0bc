//! Comparisons of both sides of a destination, and the differences that they found.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};

use crate::domain::ids::{ControllerId, ControllerScope, DestinationId, FindingId, ReconcileId, SubjectId};
use crate::domain::reconcile::{Difference, FindingStatus, ReconcileCause, ReconcileStatus, There};
use crate::domain::time::Timestamp;

use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::dialect::first_locked;
use super::error::StoreError;
use super::schema::{reconcile_findings, reconciles};
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = reconciles, treat_none_as_default_value = false, treat_none_as_null = true)]
#[diesel(primary_key(controller_id, id))]
pub struct Reconcile {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: ReconcileId,
    /// Of which destination.
    pub destination_id: DestinationId,
    /// Why it was made.
    pub cause: ReconcileCause,
    /// Where it stands.
    pub status: ReconcileStatus,
    /// Where reading goes on, as JSON.
    pub place: String,
    /// Entries that the provider has told so far.
    pub rows_read: i64,
    /// Kinds of differences that may be put right, as bits.
    pub allowed: i16,
    /// Why it could not be read to the end, or does not hold all.
    pub remark: Option<String>,
    /// How its differences stood when they were forgotten, as JSON.
    pub counts: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// When the plan was complete.
    pub planned_at: Option<Timestamp>,
    /// When nothing was left to do.
    pub finished_at: Option<Timestamp>,
}

/// A difference that was found. Holds a sealed address.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = reconcile_findings, treat_none_as_default_value = false)]
pub struct Finding {
    /// Whose.
    pub controller_id: ControllerId,
    /// In which comparison.
    pub reconcile_id: ReconcileId,
    /// What differs.
    pub kind: Difference,
    /// On which list.
    pub list_id: String,
    /// Keyed fingerprint of the address.
    pub fingerprint: Vec<u8>,
    /// Its id.
    pub id: FindingId,
    /// Who, if on record.
    pub subject_id: Option<SubjectId>,
    /// Version of the key that seals the address.
    pub key_version: i32,
    /// The address as told there, sealed.
    pub address: Vec<u8>,
    /// The state there.
    pub there: There,
    /// The latest moment at which that state can have come about.
    pub there_since: Option<Timestamp>,
    /// Names of what differs, never values.
    pub detail: Option<String>,
    /// Where it stands.
    pub status: FindingStatus,
    /// When it was settled.
    pub settled_at: Option<Timestamp>,
}

bulk_row!(Finding => "reconcile_findings" {
    controller_id: Id,
    reconcile_id: Id,
    kind: SmallInt,
    list_id: Text,
    fingerprint: Binary,
    id: Id,
    subject_id: Nullable<Id>,
    key_version: Integer,
    address: Binary,
    there: SmallInt,
    there_since: Nullable<BigInt>,
    detail: Nullable<Text>,
    status: SmallInt,
    settled_at: Nullable<BigInt>,
});

/// How many differences of a kind stand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Queryable)]
pub struct FindingCount {
    /// What differs.
    pub kind: Difference,
    /// Where they stand.
    pub status: FindingStatus,
    /// How many.
    pub rows: i64,
}

impl ReadTx<'_> {
    /// One comparison.
    pub fn reconcile(&mut self, scope: ControllerScope, id: ReconcileId) -> Result<Reconcile, StoreError> {
        use reconciles::dsl as t;
        Ok(on!(self.conn, c => t::reconciles.find((scope.controller(), id)).select(Reconcile::as_select()).first(c))?)
    }

    /// A destination's comparisons before `before`, the newest first.
    pub fn reconciles_page(
        &mut self,
        scope: ControllerScope,
        destination: DestinationId,
        before: Option<ReconcileId>,
        limit: i64,
    ) -> Result<Vec<Reconcile>, StoreError> {
        use reconciles::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::reconciles.filter(t::controller_id.eq(scope.controller())).filter(t::destination_id.eq(destination))
                .select(Reconcile::as_select()).order(t::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(t::id.lt(before));
            }
            query.load(c)
        })?)
    }

    /// The comparison of a destination that is not over, if there is one.
    pub fn open_reconcile(
        &mut self,
        scope: ControllerScope,
        destination: DestinationId,
    ) -> Result<Option<Reconcile>, StoreError> {
        use reconciles::dsl as t;
        let open: Vec<ReconcileStatus> =
            ReconcileStatus::ALL.iter().copied().filter(|status| status.is_open()).collect();
        Ok(
            on!(self.conn, c => t::reconciles.filter(t::controller_id.eq(scope.controller())).filter(t::destination_id.eq(destination))
            .filter(t::status.eq_any(&open)).select(Reconcile::as_select()).order(t::id.desc()).first(c).optional())?,
        )
    }

    /// How many differences of each kind stand how.
    pub fn finding_counts(&mut self, scope: ControllerScope, id: ReconcileId) -> Result<Vec<FindingCount>, StoreError> {
        use reconcile_findings::dsl as t;
        Ok(
            on!(self.conn, c => t::reconcile_findings.filter(t::controller_id.eq(scope.controller())).filter(t::reconcile_id.eq(id))
            .group_by((t::kind, t::status)).select((t::kind, t::status, diesel::dsl::count_star()))
            .order((t::kind, t::status)).load(c))?,
        )
    }

    /// Differences of a comparison that stand so, of one kind or all, after `after`, by id.
    pub fn findings_page(
        &mut self,
        scope: ControllerScope,
        id: ReconcileId,
        kind: Option<Difference>,
        after: Option<FindingId>,
        limit: i64,
    ) -> Result<Vec<Finding>, StoreError> {
        use reconcile_findings::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::reconcile_findings.filter(t::controller_id.eq(scope.controller())).filter(t::reconcile_id.eq(id))
                .select(Finding::as_select()).order(t::id).limit(limit).into_boxed();
            if let Some(kind) = kind {
                query = query.filter(t::kind.eq(kind));
            }
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Differences of comparisons that were over before `before`, up to `limit`.
    pub fn old_findings(
        &mut self,
        scope: ControllerScope,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<(ReconcileId, FindingId)>, StoreError> {
        use reconcile_findings::dsl as t;
        let over: Vec<ReconcileId> = on!(&mut *self.conn, c => reconciles::table
            .filter(reconciles::controller_id.eq(scope.controller())).filter(reconciles::finished_at.lt(before))
            .select(reconciles::id).order(reconciles::id.desc()).limit(100).load(c))?;
        Ok(on!(self.conn, c => t::reconcile_findings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::reconcile_id.eq_any(over)).select((t::reconcile_id, t::id)).limit(limit).load(c))?)
    }

    /// Differences after `after` whose address an older version than `current` seals.
    pub fn findings_to_reseal(
        &mut self,
        scope: ControllerScope,
        current: i32,
        after: Option<FindingId>,
        limit: i64,
    ) -> Result<Vec<Finding>, StoreError> {
        use reconcile_findings::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::reconcile_findings.filter(t::controller_id.eq(scope.controller())).filter(t::key_version.lt(current))
                .select(Finding::as_select()).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Open differences of these kinds, of one kind after the other, up to `limit`.
    pub fn open_findings(
        &mut self,
        scope: ControllerScope,
        id: ReconcileId,
        kinds: &[Difference],
        limit: i64,
    ) -> Result<Vec<Finding>, StoreError> {
        use reconcile_findings::dsl as t;
        let mut found: Vec<Finding> = Vec::new();
        for kind in kinds {
            let left = limit - i64::try_from(found.len()).unwrap_or(limit);
            if left <= 0 {
                break;
            }
            let more: Vec<Finding> = on!(&mut *self.conn, c => t::reconcile_findings.filter(t::controller_id.eq(scope.controller()))
                .filter(t::reconcile_id.eq(id)).filter(t::status.eq(FindingStatus::Open)).filter(t::kind.eq(*kind))
                .select(Finding::as_select()).order(t::id).limit(left).load(c))?;
            found.extend(more);
        }
        Ok(found)
    }
}

impl WriteTx<'_> {
    /// A new comparison.
    pub fn insert_reconcile(&mut self, reconcile: &Reconcile) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(reconciles::table).values(reconcile).execute(c))?;
        Ok(())
    }

    /// One comparison, locked until the commit.
    pub fn lock_reconcile(&mut self, scope: ControllerScope, id: ReconcileId) -> Result<Reconcile, StoreError> {
        use reconciles::dsl as t;
        Ok(first_locked!(&mut *self.conn, t::reconciles.find((scope.controller(), id)).select(Reconcile::as_select()))?)
    }

    /// Notes how far a comparison is.
    pub fn save_reconcile(&mut self, reconcile: &Reconcile) -> Result<(), StoreError> {
        use reconciles::dsl as t;
        on!(self.writing(), c => diesel::update(t::reconciles.find((reconcile.controller_id, reconcile.id))).set(reconcile).execute(c))?;
        Ok(())
    }

    /// Adds differences; what was found before, in a page read again, stays as it is.
    pub fn add_findings(&mut self, findings: &[Finding]) -> Result<(), StoreError> {
        const KNOWN: &str = "ON CONFLICT (controller_id, reconcile_id, kind, list_id, fingerprint) DO NOTHING";
        if findings.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, findings, KNOWN)?,
            Conn::Postgres(c) => drop(Bulk::default().insert(findings, KNOWN).execute(c)?),
        }
        Ok(())
    }

    /// Forgets differences.
    pub fn forget_findings(
        &mut self,
        scope: ControllerScope,
        old: &[(ReconcileId, FindingId)],
    ) -> Result<usize, StoreError> {
        use reconcile_findings::dsl as t;
        let (runs, ids): (Vec<ReconcileId>, Vec<FindingId>) = old.iter().copied().unzip();
        Ok(
            on!(self.writing(), c => diesel::delete(t::reconcile_findings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::reconcile_id.eq_any(runs)).filter(t::id.eq_any(ids))).execute(c))?,
        )
    }

    /// Forgets what comparisons have shown about a person.
    pub fn forget_findings_about(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        fingerprint: &[u8],
    ) -> Result<(), StoreError> {
        use reconcile_findings::dsl as t;
        on!(self.writing(), c => diesel::delete(t::reconcile_findings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::subject_id.eq(subject))).execute(c))?;
        on!(self.writing(), c => diesel::delete(t::reconcile_findings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::fingerprint.eq(fingerprint))).execute(c))?;
        Ok(())
    }

    /// Keeps an address as it is sealed anew, if it is still sealed as it was.
    pub fn reseal_finding(&mut self, before: &Finding, key_version: i32, address: &[u8]) -> Result<usize, StoreError> {
        use reconcile_findings::dsl as t;
        Ok(
            on!(self.writing(), c => diesel::update(t::reconcile_findings.filter(t::controller_id.eq(before.controller_id))
            .filter(t::reconcile_id.eq(before.reconcile_id)).filter(t::id.eq(before.id)).filter(t::key_version.eq(before.key_version)))
            .set((t::key_version.eq(key_version), t::address.eq(address))).execute(c))?,
        )
    }

    /// Settles differences.
    pub fn settle_findings(
        &mut self,
        scope: ControllerScope,
        reconcile: ReconcileId,
        ids: &[FindingId],
        status: FindingStatus,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use reconcile_findings::dsl as t;
        if ids.is_empty() {
            return Ok(());
        }
        on!(self.writing(), c => diesel::update(t::reconcile_findings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::reconcile_id.eq(reconcile)).filter(t::status.eq(FindingStatus::Open)).filter(t::id.eq_any(ids)))
            .set((t::status.eq(status), t::settled_at.eq(Some(now)))).execute(c))?;
        Ok(())
    }
}
