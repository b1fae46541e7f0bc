//! Taking an upload in: sealed pieces, one commit each, while the bytes arrive. Only when all have come does the
//! import wait for a worker, in the commit that also asks for the work. What breaks off before stays in status
//! `Receiving`, is read by nobody, and is forgotten later.

use zeroize::Zeroize;

use crate::crypto::ControllerKeys;
use crate::crypto::secret::{RunningSha256, sha256};
use crate::domain::ids::{ControllerScope, ImportId};
use crate::domain::purpose::Purpose;
use crate::domain::task::TaskKind;
use crate::store::imports::{Import, ImportChunk};
use crate::store::outbox::Task;
use crate::store::rows::{ImportKind, ImportStatus};
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::usecases::once::{Asker, OnceKey, write_once};
use crate::usecases::{Error, Services};

use super::{NewImport, chunk_row, resolve};

/// The number of the piece that holds the attached document.
pub(super) const DOCUMENT: i32 = -1;

/// A list up to this size is short.
const SHORT: u64 = 256 * 1024;

/// The lane of work for an import: a stop waits for nobody's contacts, and a short list for no long one.
const fn lane(kind: ImportKind, size: u64) -> i16 {
    match kind {
        ImportKind::DoNotMail => 0,
        ImportKind::Contacts if size <= SHORT => 1,
        ImportKind::Contacts => 2,
    }
}

/// The header is line 1.
const FIRST_ROW: i32 = 2;

/// An upload whose bytes are still coming in. Dropped half-way it leaves rows that nobody reads.
pub struct Upload {
    services: Services,
    scope: ControllerScope,
    id: ImportId,
    held: Vec<u8>,
    chunks: i32,
    size: u64,
    digest: RunningSha256,
}

impl Upload {
    /// Begins an upload. The attached document, if there is one, has come whole.
    pub async fn begin(
        services: &Services,
        scope: ControllerScope,
        mut new: NewImport,
        document: Option<Vec<u8>>,
    ) -> Result<Self, Error> {
        let keys = services.keys.of(scope).await?;
        let (id, now) = (ImportId::from_uuid(services.ids.row()), services.clock.now());
        new.declaration.document_sha256 = document.as_deref().map(sha256);
        let wanted = new.clone();
        let purposes = services.store.read(move |tx: &mut ReadTx<'_>| resolve(tx, scope, &wanted)).await?;
        let declaration = serde_json::to_vec(&new.declaration)?;
        let (key_version, sealed) = keys.seal("imports", "declaration", id.uuid(), &declaration);
        let purposes: Vec<_> = purposes.iter().map(|purpose: &Purpose| purpose.id).collect();
        let import = Import {
            controller_id: scope.controller(),
            id,
            kind: new.kind,
            status: ImportStatus::Receiving,
            name: new.name.clone(),
            purposes: serde_json::to_string(&purposes)?,
            declaration: sealed,
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
        };
        let document = document.map(|bytes| piece(&keys, scope, id, DOCUMENT, &bytes));
        services
            .store
            .write(id.uuid(), move |tx: &mut WriteTx<'_>| {
                tx.insert_import(&import)?;
                document.iter().try_for_each(|document| tx.insert_import_chunk(document))
            })
            .await?;
        let mut digest = RunningSha256::new();
        digest.update(&declaration);
        digest.update(format!("\0{}\0{}\0{}\0", new.kind, new.name, new.purposes.join(",")).as_bytes());
        let (services, held) = (services.clone(), Vec::with_capacity(services.rules.pieces.upload_bytes));
        Ok(Self { services, scope, id, held, chunks: 0, size: 0, digest })
    }

    /// Whether so many bytes more are within the limit.
    pub fn has_room_for(&self, bytes: usize) -> bool {
        self.size.saturating_add(bytes as u64) <= self.services.rules.import_bytes
    }

    /// Takes the next bytes, of any length. Refuses what is over the limit.
    pub async fn take(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        if !self.has_room_for(bytes.len()) {
            return Err(Error::field("file", format!("at most {} bytes", self.services.rules.import_bytes)));
        }
        self.size += bytes.len() as u64;
        self.digest.update(bytes);
        let piece = self.services.rules.pieces.upload_bytes;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(piece - self.held.len()));
            self.held.extend_from_slice(now);
            bytes = later;
            if self.held.len() == piece {
                self.keep().await?;
            }
        }
        Ok(())
    }

    /// Writes what is held.
    async fn keep(&mut self) -> Result<(), Error> {
        // Asked for anew each time: an upload may outlast a version of the key.
        let keys = self.services.keys.of(self.scope).await?;
        let chunk = piece(&keys, self.scope, self.id, self.chunks, &self.held);
        self.services.store.write(self.id.uuid(), move |tx: &mut WriteTx<'_>| tx.insert_import_chunk(&chunk)).await?;
        self.chunks += 1;
        self.held.zeroize();
        Ok(())
    }

    /// All bytes have come: the import waits for a worker from this commit on. With an idempotency key, made by `once`
    /// from the digest of what was declared and sent, a repeated upload is dropped and the first one's id is the answer.
    pub async fn finish(
        mut self,
        asker: Asker,
        once: impl FnOnce(&[u8; 32]) -> Option<OnceKey>,
    ) -> Result<ImportId, Error> {
        if !self.held.is_empty() {
            self.keep().await?;
        }
        let key = once(&self.digest.clone().finish());
        let (scope, id, chunks, size) = (self.scope, self.id, self.chunks, self.size);
        let now = self.services.clock.now();
        let kept = write_once(&self.services, asker, key, id.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut import = tx.lock_import(scope, id)?;
            import.status = ImportStatus::Queued;
            import.chunks = chunks;
            import.size_bytes = i64::try_from(size).unwrap_or(i64::MAX);
            tx.save_import_progress(&import)?;
            tx.enqueue(&[Task::new(scope, TaskKind::Import, id.uuid(), lane(import.kind, size), now, now)])?;
            Ok(id)
        })
        .await;
        if !matches!(&kept, Ok(kept) if *kept == id) {
            self.discard().await;
        }
        kept
    }

    /// The upload broke off: forgets what has come. Where this fails, time does it ([`forget_unfinished`]).
    pub async fn discard(self) {
        if let Err(error) = forget(&self.services, self.scope, self.id).await {
            tracing::warn!(import = %self.id, %error, "a broken upload was left for later");
        }
    }
}

pub(super) fn piece(
    keys: &ControllerKeys,
    scope: ControllerScope,
    import: ImportId,
    chunk: i32,
    bytes: &[u8],
) -> ImportChunk {
    let (key_version, sealed) = keys.seal("import_chunks", "sealed", chunk_row(import, chunk), bytes);
    ImportChunk { controller_id: scope.controller(), import_id: import, chunk, key_version, sealed }
}

/// Forgets an upload, unless it has become whole.
async fn forget(services: &Services, scope: ControllerScope, id: ImportId) -> Result<(), StoreError> {
    services
        .store
        .write(id.uuid(), move |tx: &mut WriteTx<'_>| match tx.lock_import(scope, id) {
            Ok(import) if import.status == ImportStatus::Receiving => tx.delete_import(scope, id),
            Ok(_) | Err(StoreError::NotFound) => Ok(()),
            Err(error) => Err(error),
        })
        .await
}

/// Forgets uploads that broke off and were begun longer ago than an upload may take; says how many.
pub async fn forget_unfinished(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let before = services.clock.now().minus(services.rules.unfinished_upload_after);
    let most = services.rules.pieces.uploads_forgotten;
    let stale = services.store.read(move |tx: &mut ReadTx<'_>| tx.unfinished_imports(scope, before, most)).await?;
    for id in &stale {
        forget(services, scope, *id).await?;
    }
    Ok(stale.len())
}
