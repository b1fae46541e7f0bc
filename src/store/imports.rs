//! Uploaded lists: their bytes (sealed) until they are read, their progress, and their report row by row.

use std::collections::BTreeMap;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Integer, Nullable, SmallInt, Text};

use crate::domain::ids::{ControllerId, ControllerScope, ImportId, SubjectId};
use crate::domain::time::Timestamp;

use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::dialect::first_locked;
use super::error::StoreError;
use super::rows::{ImportKind, ImportStatus, RowOutcome};
use super::schema::{import_chunks, import_counts, import_rows, imports};
use super::types::Id;
use super::{ReadTx, WriteTx};

/// An upload.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = imports, treat_none_as_default_value = false)]
pub struct Import {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: ImportId,
    /// Contacts or do-not-mail.
    pub kind: ImportKind,
    /// Where it stands.
    pub status: ImportStatus,
    /// What people call it.
    pub name: String,
    /// Purposes, as a JSON list of ids.
    pub purposes: String,
    /// What the uploader declares, sealed JSON.
    pub declaration: Vec<u8>,
    /// Version of the sealing key.
    pub key_version: i32,
    /// SHA-256 of the attached document.
    pub document_sha256: Option<Vec<u8>>,
    /// Chunks uploaded.
    pub chunks: i32,
    /// Bytes uploaded.
    pub size_bytes: i64,
    /// Rows below this line are done.
    pub next_row: i32,
    /// Rows taken.
    pub accepted: i32,
    /// Rows not taken.
    pub refused: i32,
    /// Why the file as a whole could not be read.
    pub failure: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Done since when.
    pub finished_at: Option<Timestamp>,
}

/// A piece of the uploaded bytes, sealed.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = import_chunks, treat_none_as_default_value = false)]
pub struct ImportChunk {
    /// Whose.
    pub controller_id: ControllerId,
    /// Of which upload.
    pub import_id: ImportId,
    /// From 0; the attached document is number -1.
    pub chunk: i32,
    /// Version of the sealing key.
    pub key_version: i32,
    /// The bytes.
    pub sealed: Vec<u8>,
}

/// A row of the report.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = import_rows, treat_none_as_default_value = false)]
pub struct ImportRow {
    /// Whose.
    pub controller_id: ControllerId,
    /// Of which upload.
    pub import_id: ImportId,
    /// Number of the record, the header being 1.
    pub row_no: i32,
    /// About whom.
    pub subject_id: Option<SubjectId>,
    /// What became of it.
    pub outcome: RowOutcome,
    /// Column and rule, never the value.
    pub detail: Option<String>,
}

bulk_row!(ImportRow => "import_rows" {
    controller_id: Id,
    import_id: Id,
    row_no: Integer,
    subject_id: Nullable<Id>,
    outcome: SmallInt,
    detail: Nullable<Text>,
});

/// What is done where rows have been counted already.
const ONE_MORE: &str = "ON CONFLICT (controller_id, import_id, outcome, known) \
     DO UPDATE SET counted = import_counts.counted + excluded.counted";

/// Rows of a report that stand alike.
struct Counted {
    controller_id: ControllerId,
    import_id: ImportId,
    outcome: RowOutcome,
    known: bool,
    counted: i32,
}

bulk_row!(Counted => "import_counts" {
    controller_id: Id,
    import_id: Id,
    outcome: SmallInt,
    known: Bool,
    counted: Integer,
});

impl ReadTx<'_> {
    /// An upload.
    pub fn import(&mut self, scope: ControllerScope, id: ImportId) -> Result<Import, StoreError> {
        use imports::dsl as t;
        Ok(on!(self.conn, c => t::imports.find((scope.controller(), id)).select(Import::as_select()).first(c))?)
    }

    /// A controller's uploads, newest first, before `before`.
    pub fn imports(
        &mut self,
        scope: ControllerScope,
        before: Option<ImportId>,
        limit: i64,
    ) -> Result<Vec<Import>, StoreError> {
        use imports::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::imports.filter(t::controller_id.eq(scope.controller())).select(Import::as_select()).order(t::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(t::id.lt(before));
            }
            query.load(c)
        })?)
    }

    /// A piece of an upload's bytes.
    pub fn import_chunk(
        &mut self,
        scope: ControllerScope,
        import: ImportId,
        chunk: i32,
    ) -> Result<ImportChunk, StoreError> {
        use import_chunks::dsl as t;
        Ok(
            on!(self.conn, c => t::import_chunks.find((scope.controller(), import, chunk)).select(ImportChunk::as_select()).first(c))?,
        )
    }

    /// The report after row `after`, optionally of one outcome.
    pub fn import_report(
        &mut self,
        scope: ControllerScope,
        import: ImportId,
        outcome: Option<RowOutcome>,
        after: i32,
        limit: i64,
    ) -> Result<Vec<ImportRow>, StoreError> {
        use import_rows::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::import_rows.filter(t::controller_id.eq(scope.controller())).filter(t::import_id.eq(import)).filter(t::row_no.gt(after))
                .select(ImportRow::as_select()).order(t::row_no).limit(limit).into_boxed();
            if let Some(outcome) = outcome {
                query = query.filter(t::outcome.eq(outcome));
            }
            query.load(c)
        })?)
    }

    /// Uploads whose bytes stopped coming in, begun before `before`, up to `limit`.
    pub fn unfinished_imports(
        &mut self,
        scope: ControllerScope,
        before: Timestamp,
        limit: i64,
    ) -> Result<Vec<ImportId>, StoreError> {
        use imports::dsl as t;
        Ok(
            on!(self.conn, c => t::imports.filter(t::controller_id.eq(scope.controller())).filter(t::status.eq(ImportStatus::Receiving))
            .filter(t::created_at.lt(before)).select(t::id).limit(limit).load(c))?,
        )
    }

    /// Rows by outcome, from the counts kept beside them: watching an import costs the same at any length.
    pub fn import_counts(
        &mut self,
        scope: ControllerScope,
        import: ImportId,
    ) -> Result<Vec<(RowOutcome, i64)>, StoreError> {
        use import_counts::dsl as t;
        let counts: Vec<(RowOutcome, Option<i64>)> = on!(self.conn, c => t::import_counts.filter(t::controller_id.eq(scope.controller()))
            .filter(t::import_id.eq(import)).group_by(t::outcome).select((t::outcome, diesel::dsl::sum(t::counted))).load(c))?;
        Ok(counts.into_iter().map(|(outcome, rows)| (outcome, rows.unwrap_or(0))).collect())
    }

    /// The people of these uploads, each once, in the order of their ids, after `after`.
    pub fn import_people(
        &mut self,
        scope: ControllerScope,
        imports: &[ImportId],
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        use import_rows::dsl as t;
        // One list at a time, each along the index as far as is wanted: asked for several at once, a database would
        // sort all that is left of them for every piece.
        let mut people: Vec<SubjectId> = Vec::new();
        for import in imports {
            let found: Vec<Option<SubjectId>> = on!(&mut *self.conn, c => {
                let mut query = t::import_rows.filter(t::controller_id.eq(scope.controller())).filter(t::import_id.eq(*import))
                    .filter(t::subject_id.is_not_null()).select(t::subject_id).distinct().order(t::subject_id).limit(limit).into_boxed();
                if let Some(after) = after {
                    query = query.filter(t::subject_id.gt(after));
                }
                query.load(c)
            })?;
            people.extend(found.into_iter().flatten());
        }
        people.sort_unstable();
        people.dedup();
        people.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(people)
    }

    /// Suppressed rows of these uploads that belong to nobody on record: opted-out addresses that were never added.
    pub fn import_outsiders(&mut self, scope: ControllerScope, imports: &[ImportId]) -> Result<i64, StoreError> {
        use import_counts::dsl as t;
        let rows: Option<i64> = on!(self.conn, c => t::import_counts.filter(t::controller_id.eq(scope.controller()))
            .filter(t::import_id.eq_any(imports)).filter(t::known.eq(false))
            .filter(t::outcome.eq_any([RowOutcome::Suppressed, RowOutcome::OptOutRecorded]))
            .select(diesel::dsl::sum(t::counted)).first(c))?;
        Ok(rows.unwrap_or(0))
    }
}

impl WriteTx<'_> {
    /// A new upload.
    pub fn insert_import(&mut self, import: &Import) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(imports::table).values(import).execute(c))?;
        Ok(())
    }

    /// An upload, locked until the commit.
    pub fn lock_import(&mut self, scope: ControllerScope, id: ImportId) -> Result<Import, StoreError> {
        use imports::dsl as t;
        Ok(first_locked!(&mut *self.conn, t::imports.find((scope.controller(), id)).select(Import::as_select()))?)
    }

    /// Keeps a piece of the uploaded bytes.
    pub fn insert_import_chunk(&mut self, chunk: &ImportChunk) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(import_chunks::table).values(chunk).execute(c))?;
        Ok(())
    }

    /// Writes rows of the report, and counts them.
    pub fn insert_import_rows(&mut self, rows: &[ImportRow]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut counts: BTreeMap<(ControllerId, ImportId, i16, bool), Counted> = BTreeMap::new();
        for row in rows {
            let (controller_id, import_id, known) = (row.controller_id, row.import_id, row.subject_id.is_some());
            let alike = counts.entry((controller_id, import_id, row.outcome.code(), known));
            let none = || Counted { controller_id, import_id, outcome: row.outcome, known, counted: 0 };
            alike.or_insert_with(none).counted += 1;
        }
        let counts: Vec<Counted> = counts.into_values().collect();
        match self.writing() {
            Conn::Sqlite(c) => {
                insert_values(c, rows, "")?;
                insert_values(c, &counts, ONE_MORE)?;
            }
            Conn::Postgres(c) => drop(Bulk::default().insert(rows, "").insert(&counts, ONE_MORE).execute(c)?),
        }
        Ok(())
    }

    /// Writes where an upload stands: status, sizes, progress, outcome.
    pub fn save_import_progress(&mut self, import: &Import) -> Result<(), StoreError> {
        use imports::dsl as t;
        on!(self.writing(), c => diesel::update(t::imports.find((import.controller_id, import.id))).set((
            t::status.eq(import.status),
            t::chunks.eq(import.chunks),
            t::size_bytes.eq(import.size_bytes),
            t::next_row.eq(import.next_row),
            t::accepted.eq(import.accepted),
            t::refused.eq(import.refused),
            t::failure.eq(&import.failure),
            t::finished_at.eq(import.finished_at),
        )).execute(c))?;
        Ok(())
    }

    /// Forgets an upload that never became whole, with all its bytes.
    pub fn delete_import(&mut self, scope: ControllerScope, import: ImportId) -> Result<(), StoreError> {
        {
            use import_chunks::dsl as t;
            on!(self.writing(), c => diesel::delete(t::import_chunks.filter(t::controller_id.eq(scope.controller())).filter(t::import_id.eq(import))).execute(c))?;
        }
        use imports::dsl as t;
        on!(self.writing(), c => diesel::delete(t::imports.find((scope.controller(), import))).execute(c))?;
        Ok(())
    }

    /// Forgets the uploaded bytes, once they are read. The attached document stays: it is the proof.
    pub fn delete_import_chunks(&mut self, scope: ControllerScope, import: ImportId) -> Result<(), StoreError> {
        use import_chunks::dsl as t;
        on!(self.writing(), c => diesel::delete(t::import_chunks.filter(t::controller_id.eq(scope.controller())).filter(t::import_id.eq(import)).filter(t::chunk.ge(0))).execute(c))?;
        Ok(())
    }
}
