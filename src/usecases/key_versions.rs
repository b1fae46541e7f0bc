//! The versions of a controller's keys: where each stands, what rests on it, and its end. A version is retired
//! only when nothing rests on it and nobody can still write under it; its bytes are then destroyed, and whatever had
//! been missed would be lost with them.

use std::time::Duration;

use crate::crypto::KeyUse;
use crate::domain::ids::ControllerScope;
use crate::domain::time::Timestamp;
use crate::store::controllers::{LinkKey, SealedKey};
use crate::store::key_rows::KeyedRows;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::keys::writer;
use super::setup::ask_to_reseal;
use super::{Error, Services};

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionStanding {
    /// It will write as soon as every process has read it.
    Coming,
    /// It writes.
    Current,
    /// It only reads.
    Old,
    /// It is destroyed.
    Retired,
}

impl VersionStanding {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Coming => "coming",
            Self::Current => "current",
            Self::Old => "old",
            Self::Retired => "retired",
        }
    }
}

/// A version of a key.
#[derive(Debug, Clone)]
pub struct KeyVersion {
    /// What for.
    pub key_use: KeyUse,
    /// Which.
    pub version: i32,
    /// Where it stands.
    pub standing: VersionStanding,
    /// Since when it is there.
    pub created_at: Timestamp,
    /// How long that is.
    pub age: Duration,
    /// Since when it is gone.
    pub retired_at: Option<Timestamp>,
    /// Rows that rest on it, by kind; kinds without any too. Empty for uses whose rows name no version.
    pub rows: Vec<(KeyedRows, i64)>,
}

/// Why a version stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StillNeeded {
    /// There is none.
    #[error("there is no such version")]
    Unknown,
    /// It writes, or will.
    #[error("it is {}: only an old version can be retired; rotate first", .0.name())]
    InUse(VersionStanding),
    /// It wrote so shortly ago that somebody may still hold it.
    #[error("it wrote until a moment ago; it can be retired from {0} on")]
    TooSoon(Timestamp),
    /// These rows rest on it.
    #[error("rows need it: {}", told(.0))]
    Rows(Vec<(KeyedRows, i64)>),
}

/// Counts by kind, in words.
pub fn told(rows: &[(KeyedRows, i64)]) -> String {
    let some = rows.iter().filter(|(_, count)| *count > 0);
    let words: Vec<_> = some.map(|(kind, count)| format!("{} {count}", kind.name())).collect();
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// The kinds of rows that rest on a use of keys.
const fn kinds(key_use: KeyUse) -> &'static [KeyedRows] {
    match key_use {
        KeyUse::Data => &[
            KeyedRows::People,
            KeyedRows::Destinations,
            KeyedRows::Connections,
            KeyedRows::Imports,
            KeyedRows::ImportPieces,
            KeyedRows::KeptAnswers,
            KeyedRows::Findings,
        ],
        KeyUse::Suppression => &[KeyedRows::Suppressions],
        // One version only, which everything rests on.
        KeyUse::Index | KeyUse::Names => &[],
    }
}

/// Where the versions of one use stand; `keys` are all of that use, in order.
fn standings(keys: &[&SealedKey], settling: Duration, now: Timestamp) -> Vec<VersionStanding> {
    let in_use: Vec<_> =
        keys.iter().filter(|key| key.retired_at.is_none()).map(|key| (key.version, key.created_at)).collect();
    let writes = writer(&in_use, settling, now);
    let standing = |key: &&SealedKey| match writes {
        _ if key.retired_at.is_some() => VersionStanding::Retired,
        Some(writes) if key.version < writes => VersionStanding::Old,
        Some(writes) if key.version > writes => VersionStanding::Coming,
        _ => VersionStanding::Current,
    };
    keys.iter().map(standing).collect()
}

fn of_use(keys: &[SealedKey], key_use: KeyUse) -> Vec<&SealedKey> {
    keys.iter().filter(|key| key.key_use == key_use.name()).collect()
}

/// All versions of a controller's keys with what rests on them, and its link keys, newest first. Counting reads every
/// row of the controller that names a version; on millions of people that takes seconds.
pub async fn list_keys(services: &Services, scope: ControllerScope) -> Result<(Vec<KeyVersion>, Vec<LinkKey>), Error> {
    let (now, settling) = (services.clock.now(), services.keys.settling());
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let keys = tx.controller_keys(scope)?;
            let mut versions = Vec::with_capacity(keys.len());
            for key_use in KeyUse::ALL {
                let mut counts = Vec::new();
                for kind in kinds(key_use) {
                    counts.push((*kind, tx.rows_by_key_version(scope, *kind)?));
                }
                let keys = of_use(&keys, key_use);
                let standings = standings(&keys, settling, now);
                versions.extend(keys.into_iter().zip(standings).map(|(key, standing)| KeyVersion {
                    key_use,
                    version: key.version,
                    standing,
                    created_at: key.created_at,
                    age: now.since(key.created_at),
                    retired_at: key.retired_at,
                    rows: resting_on(&counts, key.version),
                }));
            }
            Ok((versions, tx.link_keys(scope)?))
        })
        .await
}

fn resting_on(counts: &[(KeyedRows, Vec<(i32, i64)>)], version: i32) -> Vec<(KeyedRows, i64)> {
    let of = |found: &[(i32, i64)]| found.iter().find(|(named, _)| *named == version).map_or(0, |(_, rows)| *rows);
    counts.iter().map(|(kind, found)| (*kind, of(found))).collect()
}

/// Whether a version has been out of use for long enough.
fn out_of_use(
    services: &Services,
    keys: &[SealedKey],
    key_use: KeyUse,
    version: i32,
    now: Timestamp,
) -> Result<(), StillNeeded> {
    let keys = of_use(keys, key_use);
    let at = keys.iter().position(|key| key.version == version).ok_or(StillNeeded::Unknown)?;
    match standings(&keys, services.keys.settling(), now)[at] {
        VersionStanding::Old => {}
        standing @ (VersionStanding::Coming | VersionStanding::Current | VersionStanding::Retired) => {
            return Err(StillNeeded::InUse(standing));
        }
    }
    // An old version has one after it, which took over.
    let next = keys.get(at + 1).ok_or(StillNeeded::InUse(VersionStanding::Current))?;
    let free_at = next.created_at.plus(services.keys.settled() + services.rules.key_retire_margin);
    if now < free_at { Err(StillNeeded::TooSoon(free_at)) } else { Ok(()) }
}

/// Destroys a version of a key, or says why it stays. Rows that can be sealed anew are asked for once more.
///
/// The rows are counted before the writer is asked, as that may take long. None can come in between: nobody has been
/// able to write under this version for a while, and this is looked at again where the key is destroyed.
pub async fn retire_key(
    services: &Services,
    scope: ControllerScope,
    key_use: KeyUse,
    version: i32,
) -> Result<Result<(), StillNeeded>, Error> {
    let (house, now) = (services.clone(), services.clock.now());
    let looked = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            if let Err(why) = out_of_use(&house, &tx.controller_keys(scope)?, key_use, version, now) {
                return Ok::<_, StoreError>(Err(why));
            }
            let mut counts = Vec::new();
            for kind in kinds(key_use) {
                counts.push((*kind, tx.rows_by_key_version(scope, *kind)?));
            }
            let rows = resting_on(&counts, version);
            Ok(if rows.iter().any(|(_, count)| *count > 0) { Err(StillNeeded::Rows(rows)) } else { Ok(()) })
        })
        .await?;
    if let Err(StillNeeded::Rows(rows)) = &looked
        && rows
            .iter()
            .any(|(kind, count)| *count > 0 && !matches!(kind, KeyedRows::KeptAnswers | KeyedRows::Suppressions))
    {
        let again = move |tx: &mut WriteTx<'_>| ask_to_reseal(tx, scope, now, now);
        services.store.write(scope.controller().uuid(), again).await?;
    }
    if looked.is_err() {
        return Ok(looked);
    }
    let house = services.clone();
    let retired = services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            let checked = out_of_use(&house, &tx.controller_keys(scope)?, key_use, version, now);
            if checked.is_ok() {
                tx.retire_controller_key(scope, key_use.name(), version, now)?;
            }
            Ok::<_, Error>(checked)
        })
        .await?;
    services.keys.forget();
    if retired.is_ok() {
        tracing::info!(target: "audit", controller = %scope.controller(), key_use = key_use.name(), version, "a version of a key was destroyed");
    }
    Ok(retired)
}
