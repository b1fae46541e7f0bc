//! After a rotation of a controller's data key, what older versions seal is sealed anew under the one that writes, piece
//! by piece while the service runs: people's keys, destinations' secrets, the tokens of connections, uploads'
//! declarations, their pieces and documents, addresses in what comparisons found. Kept answers are left to go by
//! themselves. What a person's own key seals is not touched.
//!
//! A piece is one transaction; its rows are locked in the order of their ids and looked at again under the lock, so
//! that two workers, or a person who is being erased, do no harm. Nothing but the rows says how far the work is: who
//! takes it up after a crash goes through them from the first. Passes are made until one finds nothing to do, as
//! somebody may still have written under the old version during the first. A row that does not open is told in the
//! log and left; it keeps its version from being retired.

use std::sync::Arc;

use tokio::sync::Mutex;
use uuid::Uuid;

use crate::crypto::{ControllerKeys, KeyUse};
use crate::domain::ids::{ConnectionId, ControllerScope, DestinationId, FindingId, ImportId, SubjectId};
use crate::domain::time::Timestamp;
use crate::store::key_rows::PieceId;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::imports::chunk_row;
use super::{Error, Services};

/// What a pass goes through, and behind which row it goes on.
#[derive(Debug, Clone, Copy)]
enum At {
    People(Option<SubjectId>),
    Destinations(Option<DestinationId>),
    Connections(Option<ConnectionId>),
    Imports(Option<ImportId>),
    Pieces(Option<PieceId>),
    Findings(Option<FindingId>),
}

/// How far the work is.
struct Progress {
    at: At,
    /// Rows sealed anew in this pass.
    moved: usize,
}

/// The work for one controller.
pub struct Resealing {
    services: Services,
    scope: ControllerScope,
    progress: Mutex<Progress>,
}

impl Resealing {
    /// Begins, or says when to begin: not before the newest version writes here.
    pub async fn begin(services: &Services, scope: ControllerScope) -> Result<Result<Self, Timestamp>, Error> {
        let writes = services.keys.of(scope).await?.writes(KeyUse::Data);
        let keys = services.store.read(move |tx: &mut ReadTx<'_>| tx.controller_keys(scope)).await?;
        let data = keys.iter().filter(|key| key.key_use == KeyUse::Data.name() && key.retired_at.is_none());
        match data.max_by_key(|key| key.version) {
            Some(newest) if newest.version > writes => {
                // Keys that were read before it settled may be kept a little longer.
                let soon = services.clock.now().plus(services.keys.settling() / 2);
                Ok(Err(newest.created_at.plus(services.keys.settled()).max(soon)))
            }
            _ => Ok(Ok(Self {
                services: services.clone(),
                scope,
                progress: Mutex::new(Progress { at: At::People(None), moved: 0 }),
            })),
        }
    }

    /// Does one piece; says whether there is more to do.
    pub async fn step(&self) -> Result<bool, Error> {
        let mut progress = self.progress.lock().await;
        let keys = self.services.keys.of(self.scope).await?;
        let (moved, next) = match progress.at {
            At::People(after) => self.people(keys, after).await?,
            At::Destinations(after) => self.destinations(keys, after).await?,
            At::Connections(after) => self.connections(keys, after).await?,
            At::Imports(after) => self.imports(keys, after).await?,
            At::Pieces(after) => self.pieces(keys, after).await?,
            At::Findings(after) => self.findings(keys, after).await?,
        };
        progress.moved += moved;
        match next {
            Some(at) => progress.at = at,
            None if progress.moved == 0 => return Ok(false),
            None => *progress = Progress { at: At::People(None), moved: 0 },
        }
        Ok(true)
    }

    async fn people(&self, keys: Arc<ControllerKeys>, after: Option<SubjectId>) -> Result<(usize, Option<At>), Error> {
        let (scope, current, most) = (self.scope, keys.writes(KeyUse::Data), self.services.rules.pieces.reseal);
        let found = self
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| tx.people_to_reseal(scope, current, after, most))
            .await?;
        let (Some(first), Some(last)) = (found.first().copied(), found.last().copied()) else {
            return Ok((0, Some(At::Destinations(None))));
        };
        let moved = self.write(first.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut moved = 0;
            for mut person in tx.lock_subjects(scope, &found)? {
                if person.erased_at.is_some() || person.key_version >= current {
                    continue;
                }
                let id = person.id.uuid();
                match keys.reseal_subject_key(id, person.key_version, &person.wrapped_key) {
                    Ok(sealed) => (person.key_version, person.wrapped_key) = sealed,
                    Err(_) => {
                        left("people", id);
                        continue;
                    }
                }
                tx.reseal_subject(&person)?;
                moved += 1;
            }
            Ok(moved)
        });
        Ok((moved.await?, Some(At::People(Some(last)))))
    }

    async fn destinations(
        &self,
        keys: Arc<ControllerKeys>,
        after: Option<DestinationId>,
    ) -> Result<(usize, Option<At>), Error> {
        let (scope, current, most) = (self.scope, keys.writes(KeyUse::Data), self.services.rules.pieces.reseal);
        let found = self
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| tx.destinations_to_reseal(scope, current, after, most))
            .await?;
        let (Some(first), Some(last)) = (found.first().copied(), found.last().copied()) else {
            return Ok((0, Some(At::Connections(None))));
        };
        let moved = self.write(first.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut moved = 0;
            for id in &found {
                let mut there = tx.lock_destination(scope, *id)?;
                if there.key_version >= current {
                    continue;
                }
                let anew = |column: &str, sealed: &[u8]| {
                    let plain = keys.open("destinations", column, id.uuid(), there.key_version, sealed)?;
                    Ok::<_, crate::crypto::SealError>(keys.seal("destinations", column, id.uuid(), &plain))
                };
                let key = there.credentials.as_ref().map(|sealed| anew("credentials", sealed)).transpose();
                let both = key.and_then(|key| Ok((key, anew("webhook_secret", &there.webhook_secret)?)));
                let Ok((key, (version, webhook_secret))) = both else {
                    left("destinations", id.uuid());
                    continue;
                };
                (there.key_version, there.webhook_secret) = (version, webhook_secret);
                there.credentials = key.map(|(_, sealed)| sealed);
                tx.reseal_destination(&there)?;
                moved += 1;
            }
            Ok(moved)
        });
        Ok((moved.await?, Some(At::Destinations(Some(last)))))
    }

    async fn connections(
        &self,
        keys: Arc<ControllerKeys>,
        after: Option<ConnectionId>,
    ) -> Result<(usize, Option<At>), Error> {
        let (scope, current, most) = (self.scope, keys.writes(KeyUse::Data), self.services.rules.pieces.reseal);
        let found = self
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| tx.connections_to_reseal(scope, current, after, most))
            .await?;
        let (Some(first), Some(last)) = (found.first().copied(), found.last().copied()) else {
            return Ok((0, Some(At::Imports(None))));
        };
        let moved = self.write(first.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut moved = 0;
            for id in &found {
                // One that nobody took up may have been forgotten since.
                let Some(mut row) = there(tx.lock_provider_connection(scope, *id))? else { continue };
                let Some(sealed) = row.tokens.as_ref().filter(|_| row.key_version < current) else { continue };
                let Ok(plain) = keys.open("provider_connections", "tokens", id.uuid(), row.key_version, sealed) else {
                    left("provider_connections", id.uuid());
                    continue;
                };
                let (version, sealed) = keys.seal("provider_connections", "tokens", id.uuid(), &plain);
                (row.key_version, row.tokens) = (version, Some(sealed));
                tx.save_provider_connection(&row)?;
                moved += 1;
            }
            Ok(moved)
        });
        Ok((moved.await?, Some(At::Connections(Some(last)))))
    }

    async fn imports(&self, keys: Arc<ControllerKeys>, after: Option<ImportId>) -> Result<(usize, Option<At>), Error> {
        let (scope, current, most) = (self.scope, keys.writes(KeyUse::Data), self.services.rules.pieces.reseal);
        let found = self
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| tx.imports_to_reseal(scope, current, after, most))
            .await?;
        let (Some(first), Some(last)) = (found.first().copied(), found.last().copied()) else {
            return Ok((0, Some(At::Pieces(None))));
        };
        let moved = self.write(first.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut moved = 0;
            for id in &found {
                // One that broke off may have been forgotten since.
                let Some(mut import) = there(tx.lock_import(scope, *id))? else { continue };
                if import.key_version >= current {
                    continue;
                }
                let opened = keys.open("imports", "declaration", id.uuid(), import.key_version, &import.declaration);
                let Ok(plain) = opened else {
                    left("imports", id.uuid());
                    continue;
                };
                (import.key_version, import.declaration) = keys.seal("imports", "declaration", id.uuid(), &plain);
                tx.reseal_import(&import)?;
                moved += 1;
            }
            Ok(moved)
        });
        Ok((moved.await?, Some(At::Imports(Some(last)))))
    }

    async fn pieces(&self, keys: Arc<ControllerKeys>, after: Option<PieceId>) -> Result<(usize, Option<At>), Error> {
        let (scope, current, most) = (self.scope, keys.writes(KeyUse::Data), self.services.rules.pieces.reseal_uploads);
        let found = self
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| tx.pieces_to_reseal(scope, current, after, most))
            .await?;
        let (Some(first), Some(last)) = (found.first().copied(), found.last().copied()) else {
            return Ok((0, Some(At::Findings(None))));
        };
        let moved = self.write(first.0.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut moved = 0;
            for (import, chunk) in &found {
                // The pieces of a list go when it is read.
                let Some(mut piece) = there(tx.lock_import_chunk(scope, (*import, *chunk)))? else { continue };
                if piece.key_version >= current {
                    continue;
                }
                let row = chunk_row(*import, *chunk);
                let Ok(plain) = keys.open("import_chunks", "sealed", row, piece.key_version, &piece.sealed) else {
                    left("import_chunks", import.uuid());
                    continue;
                };
                (piece.key_version, piece.sealed) = keys.seal("import_chunks", "sealed", row, &plain);
                tx.reseal_import_chunk(&piece)?;
                moved += 1;
            }
            Ok(moved)
        });
        Ok((moved.await?, Some(At::Pieces(Some(last)))))
    }

    async fn findings(
        &self,
        keys: Arc<ControllerKeys>,
        after: Option<FindingId>,
    ) -> Result<(usize, Option<At>), Error> {
        let (scope, current, most) = (self.scope, keys.writes(KeyUse::Data), self.services.rules.pieces.reseal);
        let found = self
            .services
            .store
            .read(move |tx: &mut ReadTx<'_>| tx.findings_to_reseal(scope, current, after, most))
            .await?;
        let (Some(first), Some(last)) = (found.first().map(|one| one.id), found.last().map(|one| one.id)) else {
            return Ok((0, None));
        };
        let moved = self.write(first.uuid(), move |tx: &mut WriteTx<'_>| {
            let mut moved = 0;
            for finding in &found {
                let row = finding.id.uuid();
                let opened = keys.open("reconcile_findings", "address", row, finding.key_version, &finding.address);
                let Ok(plain) = opened else {
                    left("reconcile_findings", row);
                    continue;
                };
                let (version, address) = keys.seal("reconcile_findings", "address", row, &plain);
                // One that was forgotten or sealed anew since is left alone: an address is sealed once and never changed.
                moved += tx.reseal_finding(finding, version, &address)?;
            }
            Ok(moved)
        });
        Ok((moved.await?, Some(At::Findings(Some(last)))))
    }

    async fn write(
        &self,
        route: Uuid,
        piece: impl FnMut(&mut WriteTx<'_>) -> Result<usize, Error> + Send + 'static,
    ) -> Result<usize, Error> {
        self.services.store.write(route, piece).await
    }
}

fn there<T>(row: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match row {
        Ok(row) => Ok(Some(row)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

fn left(table: &'static str, row: Uuid) {
    tracing::error!(event = "reseal_left", table, %row, "a row does not open and was not sealed anew");
}
