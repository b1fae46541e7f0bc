//! Looking at imports: how far they are, what became of each row, and the document that came with one.

use std::collections::HashMap;

use crate::domain::ids::{ControllerScope, ImportId, PurposeId};
use crate::store::ReadTx;
use crate::store::import_sources::ImportSource;
use crate::store::imports::{Import, ImportRow};
use crate::store::rows::RowOutcome;
use crate::usecases::{Error, Services};

use super::chunk_row;
use super::upload::DOCUMENT;

/// An import and how far it is.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The import.
    pub import: Import,
    /// The short names of its purposes.
    pub purposes: Vec<String>,
    /// Rows by outcome, so far.
    pub outcomes: Vec<(RowOutcome, i64)>,
    /// Where it reads, if not from a file.
    pub source: Option<ImportSource>,
}

fn standing(tx: &mut ReadTx<'_>, scope: ControllerScope, import: Import, count: bool) -> Result<Standing, Error> {
    let ids: Vec<PurposeId> = serde_json::from_str(&import.purposes)?;
    let purposes = tx.purposes_in_order(scope, &ids)?.into_iter().map(|purpose| purpose.slug.to_string()).collect();
    let outcomes = if count { tx.import_counts(scope, import.id)? } else { Vec::new() };
    Ok(Standing { import, purposes, outcomes, source: None })
}

/// One import with its counts.
pub async fn find_import(services: &Services, scope: ControllerScope, id: ImportId) -> Result<Standing, Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let import = tx.import(scope, id)?;
            let source = tx.import_source(scope, id)?;
            Ok(Standing { source, ..standing(tx, scope, import, true)? })
        })
        .await
}

/// Imports, newest first, before `before`; without counts.
pub async fn list_imports(
    services: &Services,
    scope: ControllerScope,
    before: Option<ImportId>,
    limit: i64,
) -> Result<Vec<Standing>, Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let imports = tx.imports(scope, before, limit)?;
            let ids: Vec<ImportId> = imports.iter().map(|import| import.id).collect();
            let mut sources: HashMap<ImportId, ImportSource> =
                tx.import_sources_among(scope, &ids)?.into_iter().map(|source| (source.import_id, source)).collect();
            let with_source = |import: Import| {
                let source = sources.remove(&import.id);
                Ok(Standing { source, ..standing(tx, scope, import, false)? })
            };
            imports.into_iter().map(with_source).collect()
        })
        .await
}

/// The report of an import after row `after`, optionally of one outcome.
pub async fn import_report(
    services: &Services,
    scope: ControllerScope,
    id: ImportId,
    outcome: Option<RowOutcome>,
    after: i32,
    limit: i64,
) -> Result<Vec<ImportRow>, Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            tx.import(scope, id)?;
            Ok(tx.import_report(scope, id, outcome, after, limit)?)
        })
        .await
}

/// The document that came with an import.
pub async fn import_document(services: &Services, scope: ControllerScope, id: ImportId) -> Result<Vec<u8>, Error> {
    let keys = services.keys.of(scope).await?;
    let document = services.store.read(move |tx: &mut ReadTx<'_>| tx.import_chunk(scope, id, DOCUMENT)).await?;
    let place = chunk_row(id, DOCUMENT);
    Ok(keys.open("import_chunks", "sealed", place, document.key_version, &document.sealed)?.to_vec())
}
