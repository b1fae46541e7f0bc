//! Importing from Campaign Monitor: a list there becomes the audience of a round. It is an import like any other, with
//! what is declared for all its rows, except that a worker fetches its rows page by page ([`ProviderReading`]).
//!
//! Only who is *active* there comes as a person. Who left, whose mailbox refused, and whom the client suppresses come as
//! entries of the "never mail" list and as nothing else. Two states are not read at all: *unconfirmed* people never
//! answered the provider's own question, so that there is neither a permission nor a stop to take over; and *deleted*
//! says what the list's owner did and nothing of the person (campaign-monitor 15.1): they are not asked, and not barred
//! from signing up.

use crate::crypto::secret::sha256;
use crate::domain::ids::{DestinationId, ImportId};
use crate::domain::task::TaskKind;
use crate::store::WriteTx;
use crate::store::import_sources::ImportSource;
use crate::store::imports::Import;
use crate::store::outbox::Task;
use crate::store::rows::{ImportKind, ImportLeg, ImportStatus};
use crate::usecases::once::{Asker, OnceKey, write_once};
use crate::usecases::{Error, Services, shape};

use super::upload::{DOCUMENT, piece};
use super::{NewImport, resolve};

/// The lane of long lists: how long this one is, nobody knows yet.
const LANE: i16 = 2;

/// Rows are counted from here; there is no header.
const FIRST_ROW: i32 = 1;

/// Asks a worker to import a list of a destination. Whether the list is there is found out by the worker.
pub async fn import_from_provider(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    destination: DestinationId,
    list_id: &str,
    mut new: NewImport,
    document: Option<Vec<u8>>,
) -> Result<ImportId, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    if new.kind != ImportKind::Contacts {
        return Err(Error::field("kind", "expected `contacts`: stops come along by themselves"));
    }
    let list_id = shape::provider_id("list_id", list_id)?;
    let keys = services.keys.of(scope).await?;
    let (id, now) = (ImportId::from_uuid(services.ids.row()), services.clock.now());
    new.declaration.document_sha256 = document.as_deref().map(sha256);
    let (key_version, declaration) =
        keys.seal("imports", "declaration", id.uuid(), &serde_json::to_vec(&new.declaration)?);
    let document = document.map(|bytes| piece(&keys, scope, id, DOCUMENT, &bytes));
    write_once(services, asker, key, id.uuid(), move |tx: &mut WriteTx<'_>| {
        let destination = tx.destination(scope, destination)?;
        if tx.round_of_list(scope, &list_id)?.is_some() {
            return Err(Error::field("list_id", "this list was made for a round and gives nobody a basis"));
        }
        let purposes: Vec<_> = resolve(tx, scope, &new)?.iter().map(|purpose| purpose.id).collect();
        tx.insert_import(&Import {
            controller_id: scope.controller(),
            id,
            kind: new.kind,
            status: ImportStatus::Queued,
            name: new.name.clone(),
            purposes: serde_json::to_string(&purposes)?,
            declaration: declaration.clone(),
            key_version,
            document_sha256: new.declaration.document_sha256.map(|digest| digest.to_vec()),
            chunks: 0,
            size_bytes: 0,
            next_row: FIRST_ROW,
            accepted: 0,
            refused: 0,
            failure: None,
            created_at: now,
            finished_at: None,
        })?;
        tx.insert_import_source(&ImportSource {
            controller_id: scope.controller(),
            import_id: id,
            destination_id: destination.id,
            list_id: list_id.clone(),
            leg: ImportLeg::Beginning,
            page: 1,
            records: 0,
            again: false,
        })?;
        document.iter().try_for_each(|document| tx.insert_import_chunk(document))?;
        tx.enqueue(&[Task::new(scope, TaskKind::Import, id.uuid(), LANE, now, now)])?;
        Ok(id)
    })
    .await
}
