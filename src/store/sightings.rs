//! How people were last seen to stand on a list there: what a comparison read, not what we brought about.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt, Text};

use crate::domain::ids::{ControllerId, ControllerScope, ReconcileId, SubjectId};
use crate::domain::reconcile::There;
use crate::domain::time::Timestamp;

use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::error::StoreError;
use super::schema::destination_sightings;
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A person as seen on a list.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = destination_sightings)]
pub struct Sighting {
    /// Whose.
    pub controller_id: ControllerId,
    /// On which list.
    pub list_id: String,
    /// Who.
    pub subject_id: SubjectId,
    /// In which state.
    pub there: There,
    /// In which comparison.
    pub reconcile_id: ReconcileId,
    /// When.
    pub seen_at: Timestamp,
}

bulk_row!(Sighting => "destination_sightings" {
    controller_id: Id,
    list_id: Text,
    subject_id: Id,
    there: SmallInt,
    reconcile_id: Id,
    seen_at: BigInt,
});

/// The later look counts.
const INSTEAD: &str = "ON CONFLICT (controller_id, list_id, subject_id) DO UPDATE SET there = excluded.there, \
     reconcile_id = excluded.reconcile_id, seen_at = excluded.seen_at";

impl ReadTx<'_> {
    /// How a person was last seen on lists.
    pub fn sightings_of(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        lists: &[String],
    ) -> Result<Vec<Sighting>, StoreError> {
        use destination_sightings::dsl as t;
        Ok(on!(self.conn, c => t::destination_sightings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::list_id.eq_any(lists)).filter(t::subject_id.eq(subject)).select(Sighting::as_select())
            .order(t::list_id).load(c))?)
    }

    /// Which of these people a comparison has seen on a list, in whatever state.
    pub fn seen_on(
        &mut self,
        scope: ControllerScope,
        reconcile: ReconcileId,
        list_id: &str,
        subjects: &[SubjectId],
    ) -> Result<Vec<SubjectId>, StoreError> {
        use destination_sightings::dsl as t;
        Ok(on!(self.conn, c => t::destination_sightings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::list_id.eq(list_id)).filter(t::subject_id.eq_any(subjects)).filter(t::reconcile_id.eq(reconcile))
            .select(t::subject_id).load(c))?)
    }
}

impl WriteTx<'_> {
    /// Notes how people were seen, each once.
    pub fn note_sightings(&mut self, seen: &[Sighting]) -> Result<(), StoreError> {
        if seen.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, seen, INSTEAD)?,
            Conn::Postgres(c) => drop(Bulk::default().insert(seen, INSTEAD).execute(c)?),
        }
        Ok(())
    }

    /// Forgets how a person was seen on these lists.
    pub fn forget_sightings(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        lists: &[String],
    ) -> Result<(), StoreError> {
        use destination_sightings::dsl as t;
        on!(self.writing(), c => diesel::delete(t::destination_sightings.filter(t::controller_id.eq(scope.controller()))
            .filter(t::list_id.eq_any(lists)).filter(t::subject_id.eq(subject))).execute(c))?;
        Ok(())
    }
}
