//! Lists at the provider that imports read, and how far each reading is.

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, DestinationId, ImportId, SubjectId};

use super::connection::on;
use super::dialect::first_locked;
use super::error::StoreError;
use super::rows::{ImportLeg, RowOutcome};
use super::schema::{import_rows, import_sources};
use super::{ReadTx, WriteTx};

/// Where an import reads, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = import_sources, treat_none_as_default_value = false)]
pub struct ImportSource {
    /// Whose.
    pub controller_id: ControllerId,
    /// Of which import.
    pub import_id: ImportId,
    /// The destination.
    pub destination_id: DestinationId,
    /// The list there.
    pub list_id: String,
    /// Which of its pages are being read.
    pub leg: ImportLeg,
    /// The next page of them, from 1.
    pub page: i32,
    /// How many entries there were on the page before; 0 when there was none.
    pub records: i64,
    /// The page was read before, and entries have moved to it since.
    pub again: bool,
}

impl ReadTx<'_> {
    /// Where an import reads; none of a file's.
    pub fn import_source(
        &mut self,
        scope: ControllerScope,
        import: ImportId,
    ) -> Result<Option<ImportSource>, StoreError> {
        use import_sources::dsl as t;
        Ok(
            on!(self.conn, c => t::import_sources.find((scope.controller(), import)).select(ImportSource::as_select()).first(c).optional())?,
        )
    }

    /// Where these imports read, as far as it is not from files.
    pub fn import_sources_among(
        &mut self,
        scope: ControllerScope,
        imports: &[ImportId],
    ) -> Result<Vec<ImportSource>, StoreError> {
        use import_sources::dsl as t;
        Ok(
            on!(self.conn, c => t::import_sources.filter(t::controller_id.eq(scope.controller())).filter(t::import_id.eq_any(imports))
            .select(ImportSource::as_select()).load(c))?,
        )
    }

    /// Those of these people whom an import has taken in already.
    pub fn taken_in_by(
        &mut self,
        scope: ControllerScope,
        import: ImportId,
        people: &[SubjectId],
    ) -> Result<Vec<SubjectId>, StoreError> {
        use import_rows::dsl as t;
        let found: Vec<Option<SubjectId>> = on!(self.conn, c => t::import_rows.filter(t::controller_id.eq(scope.controller()))
            .filter(t::import_id.eq(import)).filter(t::subject_id.eq_any(people)).filter(t::outcome.ne(RowOutcome::Duplicate))
            .select(t::subject_id).load(c))?;
        Ok(found.into_iter().flatten().collect())
    }
}

impl WriteTx<'_> {
    /// An import reads there.
    pub fn insert_import_source(&mut self, source: &ImportSource) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(import_sources::table).values(source).execute(c))?;
        Ok(())
    }

    /// How far an import is, locked until the commit.
    pub fn lock_import_source(&mut self, scope: ControllerScope, import: ImportId) -> Result<ImportSource, StoreError> {
        use import_sources::dsl as t;
        Ok(first_locked!(
            &mut *self.conn,
            t::import_sources.find((scope.controller(), import)).select(ImportSource::as_select())
        )?)
    }

    /// Notes how far an import is.
    pub fn save_import_source(&mut self, source: &ImportSource) -> Result<(), StoreError> {
        use import_sources::dsl as t;
        on!(self.writing(), c => diesel::update(t::import_sources.find((source.controller_id, source.import_id))).set((
            t::leg.eq(source.leg),
            t::page.eq(source.page),
            t::records.eq(source.records),
            t::again.eq(source.again),
        )).execute(c))?;
        Ok(())
    }
}
