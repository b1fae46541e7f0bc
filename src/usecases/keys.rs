//! The controllers' keys, opened when needed and kept for a short while, so that a rotation in another process is seen
//! soon. Also the signing keys of links.
//!
//! A new version of a key writes only when every process must have read it: until then a row under it would be closed
//! to others, and a stop entered under it would not be found. Each time keys are read they have to open their
//! canaries; a controller whose keys do not is refused everything, and that is told. The worker's timetable
//! asks for every controller's keys, so that this does not wait for somebody to come by.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::{Alarms, ControllerKeys, Key, KeyUse, Place, RootKeys, canary};
use crate::domain::clock::Clock;
use crate::domain::ids::ControllerScope;
use crate::domain::link::KeyStanding;
use crate::domain::time::Timestamp;
use crate::links::{SigningKey, VerifyingKey};
use crate::store::controllers::{KeyCanary, LinkKey, SealedKey};
use crate::store::{ReadTx, Store, StoreError};

use super::Error;

/// A controller's opened keys and the moment they were read.
struct Opened {
    keys: Arc<ControllerKeys>,
    signer: Arc<SigningKey>,
    read_at: Timestamp,
}

/// A link key found by the name in a token.
#[derive(Clone)]
pub struct FoundLinkKey {
    /// The controller it belongs to, which is thereby found.
    pub scope: ControllerScope,
    /// The key.
    pub key: Arc<VerifyingKey>,
}

/// Opens and keeps keys.
pub struct Keys {
    root: RootKeys,
    store: Store,
    clock: Arc<dyn Clock>,
    refresh: Duration,
    alarms: Arc<Alarms>,
    opened: RwLock<HashMap<ControllerScope, Opened>>,
    link_keys: RwLock<HashMap<String, (FoundLinkKey, Timestamp)>>,
}

/// Which version of a key writes; `versions` in their order.
pub(super) fn writer(versions: &[(i32, Timestamp)], settling: Duration, now: Timestamp) -> Option<i32> {
    let settled = versions.iter().rfind(|(_, made)| made.plus(settling) <= now);
    settled.or(versions.first()).map(|(version, _)| *version)
}

/// Where a controller's key is sealed.
pub(super) fn key_place(controller: Uuid, key_use: KeyUse, version: i32) -> Place<'static> {
    Place { table: "controller_keys", column: key_use.name(), controller, row: controller, key_version: version }
}

/// Where a link's signing key is sealed.
pub(super) fn link_key_place(controller: Uuid) -> Place<'static> {
    Place { table: "link_keys", column: "sealed", controller, row: controller, key_version: 0 }
}

impl Keys {
    pub(super) fn new(root: RootKeys, store: Store, clock: Arc<dyn Clock>, refresh: Duration) -> Self {
        let alarms = Arc::new(Alarms::default());
        Self { root, store, clock, refresh, alarms, opened: RwLock::default(), link_keys: RwLock::default() }
    }

    /// What was found wrong with keys.
    pub fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// How long after its making a version begins to write: the time in which every process reads it, twice over, as
    /// their clocks differ.
    pub fn settling(&self) -> Duration {
        self.refresh * 2
    }

    /// How long after its making a version writes in every process.
    pub fn settled(&self) -> Duration {
        self.settling() + self.refresh
    }

    /// The root keys, for setting up and rotating.
    pub fn root(&self) -> &RootKeys {
        &self.root
    }

    /// Forgets what is kept, so that a rotation in this process is seen at once.
    pub fn forget(&self) {
        self.opened.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.link_keys.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// A controller's keys.
    pub async fn of(&self, scope: ControllerScope) -> Result<Arc<ControllerKeys>, Error> {
        Ok(self.opened(scope).await?.0)
    }

    /// The key that signs a controller's new links.
    pub async fn signer(&self, scope: ControllerScope) -> Result<Arc<SigningKey>, Error> {
        Ok(self.opened(scope).await?.1)
    }

    async fn opened(&self, scope: ControllerScope) -> Result<(Arc<ControllerKeys>, Arc<SigningKey>), Error> {
        let now = self.clock.now();
        let kept = self.opened.read().unwrap_or_else(PoisonError::into_inner).get(&scope).and_then(|opened| {
            (now.since(opened.read_at) < self.refresh).then(|| (Arc::clone(&opened.keys), Arc::clone(&opened.signer)))
        });
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let (sealed, canaries, link_keys) = self
            .store
            .read_pressing(move |tx: &mut ReadTx<'_>| {
                Ok::<_, StoreError>((tx.controller_keys(scope)?, tx.key_canaries(scope)?, tx.link_keys(scope)?))
            })
            .await?;
        let keys = Arc::new(self.open_keys(scope, &sealed, &canaries, now)?);
        let newest = link_keys.iter().find(|key| key.standing == KeyStanding::Active);
        let newest = newest.ok_or_else(|| Error::Internal("a controller has no active link key".into()))?;
        let signer = Arc::new(self.open_signer(scope, newest)?);
        let opened = Opened { keys: Arc::clone(&keys), signer: Arc::clone(&signer), read_at: now };
        self.opened.write().unwrap_or_else(PoisonError::into_inner).insert(scope, opened);
        Ok((keys, signer))
    }

    fn open_keys(
        &self,
        scope: ControllerScope,
        sealed: &[SealedKey],
        canaries: &[KeyCanary],
        now: Timestamp,
    ) -> Result<ControllerKeys, Error> {
        let controller = scope.controller().uuid();
        let (mut keys, mut writers, mut decoys) = (Vec::with_capacity(sealed.len()), Vec::new(), Vec::new());
        for key_use in KeyUse::ALL {
            let in_use = |row: &&SealedKey| row.key_use == key_use.name() && row.retired_at.is_none();
            let rows: Vec<_> = sealed.iter().filter(in_use).collect();
            for row in &rows {
                let canary =
                    canaries.iter().find(|canary| (&canary.key_use, canary.version) == (&row.key_use, row.version));
                let Some((key, named)) = self.open_key(controller, key_use, row, canary) else {
                    self.alarms.wrong_key(controller, key_use.name(), row.version);
                    return Err(Error::Internal("a controller's key is not the one it was".into()));
                };
                keys.push((key_use, row.version, key));
                decoys.extend(named);
            }
            let versions: Vec<_> = rows.iter().map(|row| (row.version, row.created_at)).collect();
            writers.extend(writer(&versions, self.settling(), now).map(|version| (key_use, version)));
        }
        let keys = ControllerKeys::new(controller, keys).ok_or(Error::Store(StoreError::NotFound))?;
        self.alarms.right_keys(controller);
        Ok(keys.writing_with(writers).guarding(decoys, Arc::clone(&self.alarms)))
    }

    /// A key and the decoys that its canary names; nothing when it is not the key it was.
    fn open_key(
        &self,
        controller: Uuid,
        key_use: KeyUse,
        row: &SealedKey,
        canary: Option<&KeyCanary>,
    ) -> Option<(Key, Vec<Uuid>)> {
        let (bytes, _) = self.root.open(&key_place(controller, key_use, row.version), &row.sealed).ok()?;
        let key = Key::from_bytes(&bytes)?;
        let decoys = canary::check(controller, key_use, row.version, &key, &canary?.sealed).ok()?;
        Some((key, decoys))
    }

    fn open_signer(&self, scope: ControllerScope, row: &LinkKey) -> Result<SigningKey, Error> {
        let (bytes, _) = self.root.open(&link_key_place(scope.controller().uuid()), &row.sealed)?;
        let pkcs8: Zeroizing<Vec<u8>> = bytes;
        SigningKey::from_pkcs8(&row.kid, &pkcs8).map_err(|_| Error::Internal("a stored link key does not read".into()))
    }

    /// Finds the key that a token names, and with it the controller. The look-up is in a list of our own keys; a name
    /// that is not there is an unknown link like any other (LK-11, R-31).
    pub async fn link_key(&self, kid: &str) -> Result<FoundLinkKey, Error> {
        let now = self.clock.now();
        let kept = self.link_keys.read().unwrap_or_else(PoisonError::into_inner).get(kid).cloned();
        if let Some((found, read_at)) = kept
            && now.since(read_at) < self.refresh
        {
            return Ok(found);
        }
        let wanted = kid.to_owned();
        let row = match self.store.read_pressing(move |tx: &mut ReadTx<'_>| tx.link_key(&wanted)).await {
            Ok(row) => row,
            Err(StoreError::NotFound) => return Err(Error::UnknownLink),
            Err(error) => return Err(error.into()),
        };
        let public: [u8; 32] = row
            .public_key
            .as_slice()
            .try_into()
            .map_err(|_| Error::Internal("a stored public key has the wrong length".into()))?;
        let key = VerifyingKey::new(&row.kid, public, row.standing)
            .map_err(|_| Error::Internal("a stored link key does not read".into()))?;
        let found = FoundLinkKey { scope: ControllerScope::granted(row.controller_id), key: Arc::new(key) };
        self.link_keys.write().unwrap_or_else(PoisonError::into_inner).insert(row.kid, (found.clone(), now));
        Ok(found)
    }
}
