//! Rows that rest on a version of a controller's key: how many there are, and those that are to be sealed anew.
//! No index leads by version: a count reads a controller's rows of a table, and the search for old ones goes on behind
//! the last that was found, so that a whole pass reads each row once.

use diesel::prelude::*;

use crate::domain::coded::coded;
use crate::domain::ids::{ConnectionId, ControllerScope, DestinationId, ImportId, SubjectId};

use super::connection::on;
use super::destinations::Destination;
use super::dialect::{first_locked, load_locked};
use super::error::StoreError;
use super::imports::{Import, ImportChunk};
use super::schema::{
    destinations, idempotency_keys, import_chunks, imports, provider_connections, reconcile_findings, subjects,
    suppressions,
};
use super::subjects::Subject;
use super::{ReadTx, WriteTx};

coded! {
    /// What rests on a version of a key.
    KeyedRows {
        /// People's own keys; those of the erased are gone.
        People = 1 "people",
        /// Secrets of destinations.
        Destinations = 2 "destinations",
        /// Declarations of uploads.
        Imports = 3 "imports",
        /// Pieces of uploads, and the documents that came with them.
        ImportPieces = 4 "import_pieces",
        /// Answers kept for a repeated request; they go by themselves.
        KeptAnswers = 5 "kept_answers",
        /// Tokens of connections to the provider.
        Connections = 7 "connections",
        /// Marks of the "never mail" list, which cannot be made anew.
        Suppressions = 6 "suppressions",
        /// Addresses in what comparisons have found.
        Findings = 8 "findings",
    }
}

/// Where an upload's piece stands.
pub type PieceId = (ImportId, i32);

impl ReadTx<'_> {
    /// A controller's rows of a kind by version of the key. Reads all of them.
    pub fn rows_by_key_version(
        &mut self,
        scope: ControllerScope,
        rows: KeyedRows,
    ) -> Result<Vec<(i32, i64)>, StoreError> {
        macro_rules! count {
            ($table:ident $(, $more:expr)?) => {{
                use $table::dsl as t;
                on!(self.conn, c => t::$table.filter(t::controller_id.eq(scope.controller()))$(.filter($more))?
                    .group_by(t::key_version).select((t::key_version, diesel::dsl::count_star())).load(c))
            }};
        }
        Ok(match rows {
            KeyedRows::People => count!(subjects, subjects::erased_at.is_null()),
            KeyedRows::Destinations => count!(destinations),
            KeyedRows::Connections => count!(provider_connections, provider_connections::tokens.is_not_null()),
            KeyedRows::Imports => count!(imports),
            KeyedRows::ImportPieces => count!(import_chunks),
            KeyedRows::KeptAnswers => count!(idempotency_keys),
            KeyedRows::Suppressions => count!(suppressions),
            KeyedRows::Findings => count!(reconcile_findings),
        }?)
    }

    /// People after `after` whose key an older version than `current` seals, in the order of their ids.
    pub fn people_to_reseal(
        &mut self,
        scope: ControllerScope,
        current: i32,
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        use subjects::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::subjects.filter(t::controller_id.eq(scope.controller())).filter(t::key_version.lt(current))
                .filter(t::erased_at.is_null()).select(t::id).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Destinations after `after` whose secrets an older version than `current` seals.
    pub fn destinations_to_reseal(
        &mut self,
        scope: ControllerScope,
        current: i32,
        after: Option<DestinationId>,
        limit: i64,
    ) -> Result<Vec<DestinationId>, StoreError> {
        use destinations::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::destinations.filter(t::controller_id.eq(scope.controller())).filter(t::key_version.lt(current))
                .select(t::id).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Connections after `after` whose tokens an older version than `current` seals.
    pub fn connections_to_reseal(
        &mut self,
        scope: ControllerScope,
        current: i32,
        after: Option<ConnectionId>,
        limit: i64,
    ) -> Result<Vec<ConnectionId>, StoreError> {
        use provider_connections::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::provider_connections.filter(t::controller_id.eq(scope.controller())).filter(t::key_version.lt(current))
                .filter(t::tokens.is_not_null()).select(t::id).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Uploads after `after` whose declaration an older version than `current` seals.
    pub fn imports_to_reseal(
        &mut self,
        scope: ControllerScope,
        current: i32,
        after: Option<ImportId>,
        limit: i64,
    ) -> Result<Vec<ImportId>, StoreError> {
        use imports::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::imports.filter(t::controller_id.eq(scope.controller())).filter(t::key_version.lt(current))
                .select(t::id).order(t::id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Pieces of uploads after `after` that an older version than `current` seals.
    pub fn pieces_to_reseal(
        &mut self,
        scope: ControllerScope,
        current: i32,
        after: Option<PieceId>,
        limit: i64,
    ) -> Result<Vec<PieceId>, StoreError> {
        use import_chunks::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::import_chunks.filter(t::controller_id.eq(scope.controller())).filter(t::key_version.lt(current))
                .select((t::import_id, t::chunk)).order((t::import_id, t::chunk)).limit(limit).into_boxed();
            if let Some((import, chunk)) = after {
                query = query.filter(t::import_id.gt(import).or(t::import_id.eq(import).and(t::chunk.gt(chunk))));
            }
            query.load(c)
        })?)
    }
}

impl WriteTx<'_> {
    /// These people, locked until the commit, in the order of their ids.
    pub fn lock_subjects(&mut self, scope: ControllerScope, ids: &[SubjectId]) -> Result<Vec<Subject>, StoreError> {
        use subjects::dsl as t;
        Ok(load_locked!(
            &mut *self.conn,
            t::subjects
                .filter(t::controller_id.eq(scope.controller()))
                .filter(t::id.eq_any(ids))
                .order(t::id)
                .select(Subject::as_select())
        )?)
    }

    /// A destination, locked until the commit.
    pub fn lock_destination(&mut self, scope: ControllerScope, id: DestinationId) -> Result<Destination, StoreError> {
        use destinations::dsl as t;
        Ok(first_locked!(
            &mut *self.conn,
            t::destinations.find((scope.controller(), id)).select(Destination::as_select())
        )?)
    }

    /// A piece of an upload, locked until the commit.
    pub fn lock_import_chunk(
        &mut self,
        scope: ControllerScope,
        (import, chunk): PieceId,
    ) -> Result<ImportChunk, StoreError> {
        use import_chunks::dsl as t;
        Ok(first_locked!(
            &mut *self.conn,
            t::import_chunks.find((scope.controller(), import, chunk)).select(ImportChunk::as_select())
        )?)
    }

    /// Keeps a person's key as it is sealed anew.
    pub fn reseal_subject(&mut self, person: &Subject) -> Result<(), StoreError> {
        use subjects::dsl as t;
        on!(self.writing(), c => diesel::update(t::subjects.find((person.controller_id, person.id)))
            .set((t::key_version.eq(person.key_version), t::wrapped_key.eq(&person.wrapped_key))).execute(c))?;
        Ok(())
    }

    /// Keeps a destination's secrets as they are sealed anew.
    pub fn reseal_destination(&mut self, destination: &Destination) -> Result<(), StoreError> {
        use destinations::dsl as t;
        on!(self.writing(), c => diesel::update(t::destinations.find((destination.controller_id, destination.id))).set((
            t::key_version.eq(destination.key_version),
            t::credentials.eq(&destination.credentials),
            t::webhook_secret.eq(&destination.webhook_secret),
        )).execute(c))?;
        Ok(())
    }

    /// Keeps an upload's declaration as it is sealed anew.
    pub fn reseal_import(&mut self, import: &Import) -> Result<(), StoreError> {
        use imports::dsl as t;
        on!(self.writing(), c => diesel::update(t::imports.find((import.controller_id, import.id)))
            .set((t::key_version.eq(import.key_version), t::declaration.eq(&import.declaration))).execute(c))?;
        Ok(())
    }

    /// Keeps a piece of an upload as it is sealed anew.
    pub fn reseal_import_chunk(&mut self, piece: &ImportChunk) -> Result<(), StoreError> {
        use import_chunks::dsl as t;
        on!(self.writing(), c => diesel::update(t::import_chunks.find((piece.controller_id, piece.import_id, piece.chunk)))
            .set((t::key_version.eq(piece.key_version), t::sealed.eq(&piece.sealed))).execute(c))?;
        Ok(())
    }
}
