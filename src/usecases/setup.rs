//! Setting the install up: its canary, controllers with their keys, tokens, and the rotation of keys.

use uuid::Uuid;

use crate::crypto::secret::{bearer_token, sha256};
use crate::crypto::{ControllerKeys, Key, KeyUse, Place, canary};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerId, ControllerScope, TokenId};
use crate::domain::link::KeyStanding;
use crate::domain::scope::Scope;
use crate::domain::slug::Slug;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::links::SigningKey;
use crate::store::controllers::{ApiToken, Controller, KeyCanary, LinkKey, SealedKey};
use crate::store::outbox::Task;
use crate::store::subjects::Subject;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::keys::{key_place, link_key_place};
use super::record::Person;
use super::{Error, Services};

const CANARY: &[u8] = b"reconsent";

fn canary_place() -> Place<'static> {
    Place { table: "install", column: "canary", controller: Uuid::nil(), row: Uuid::nil(), key_version: 0 }
}

/// The root key is not the one that this database was set up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the root key does not belong to this database")]
pub struct WrongRootKey;

/// Sets up a new database, or checks that the root key is the one it was set up with.
pub async fn check_or_set_canary(services: &Services) -> Result<Result<(), WrongRootKey>, Error> {
    let sealed = match services.store.read(|tx: &mut ReadTx<'_>| tx.canary()).await? {
        Some(sealed) => sealed,
        None => {
            let (canary, now) = (services.keys.root().seal(&canary_place(), CANARY), services.clock.now());
            match services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.insert_canary(&canary, now)).await {
                // Another instance may have been faster; its canary decides.
                Ok(()) | Err(StoreError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
            services.store.read(|tx: &mut ReadTx<'_>| tx.canary()).await?.ok_or(StoreError::NotFound)?
        }
    };
    Ok(services.keys.root().open(&canary_place(), &sealed).map(|_| ()).map_err(|_| WrongRootKey))
}

/// What a controller is made from.
#[derive(Debug, Clone)]
pub struct NewController {
    /// Its short name.
    pub slug: Slug,
    /// Its name.
    pub name: String,
    /// Leave mails whose answer was lost.
    pub hold_uncertain: bool,
}

/// A token as it is told once, to who asked for it.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct IssuedToken {
    /// Its id.
    pub id: TokenId,
    /// Its secret; not kept.
    pub token: String,
}

/// A new controller in this transaction, with keys of its own for each use.
pub fn create_controller_in(
    tx: &mut WriteTx<'_>,
    services: &Services,
    new: &NewController,
    now: Timestamp,
) -> Result<Controller, Error> {
    let id = ControllerId::from_uuid(services.ids.row());
    let controller = Controller {
        id,
        slug: new.slug.to_string(),
        name: new.name.clone(),
        hold_uncertain: new.hold_uncertain,
        created_at: now,
    };
    tx.insert_controller(&controller).map_err(Error::taken("the short name"))?;
    let keys: Vec<_> = KeyUse::ALL.into_iter().map(|key_use| (key_use, 1, Key::random())).collect();
    let opened = ControllerKeys::new(id.uuid(), keys.iter().cloned())
        .ok_or_else(|| Error::Internal("a use of keys was left out".into()))?;
    let decoy = new_decoy(services, ControllerScope::granted(id), &opened, now)?;
    for (key_use, version, key) in &keys {
        let decoys = if *key_use == KeyUse::Data { &[decoy.id.uuid()][..] } else { &[] };
        insert_key(tx, services, id, (*key_use, *version, key), decoys, now)?;
    }
    tx.add_subjects(&[decoy])?;
    tx.insert_link_key(&new_link_key(services, id, now))?;
    Ok(controller)
}

/// A new controller, with keys of its own for each use.
pub async fn create_controller(services: &Services, new: NewController) -> Result<Controller, Error> {
    let (house, now) = (services.clone(), services.clock.now());
    services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| create_controller_in(tx, &house, &new, now)).await
}

/// Writes a version of a key, and its canary beside it.
fn insert_key(
    tx: &mut WriteTx<'_>,
    services: &Services,
    controller: ControllerId,
    (key_use, version, key): (KeyUse, i32, &Key),
    decoys: &[Uuid],
    now: Timestamp,
) -> Result<(), Error> {
    tx.insert_controller_key(&SealedKey {
        controller_id: controller,
        key_use: key_use.name().to_owned(),
        version,
        sealed: services.keys.root().seal(&key_place(controller.uuid(), key_use, version), key.bytes()),
        created_at: now,
        retired_at: None,
    })?;
    Ok(tx.insert_key_canary(&KeyCanary {
        controller_id: controller,
        key_use: key_use.name().to_owned(),
        version,
        sealed: canary::make(controller.uuid(), key_use, version, key, decoys),
    })?)
}

/// A row for nobody, whose opening raises an alarm. Should it ever be written to, nothing arrives: the name is
/// reserved.
fn new_decoy(
    services: &Services,
    scope: ControllerScope,
    keys: &ControllerKeys,
    now: Timestamp,
) -> Result<Subject, Error> {
    let text = format!("{}@mail.invalid", services.ids.random().simple());
    let address = EmailAddress::parse(&text).map_err(|_| Error::Internal("a decoy's address does not read".into()))?;
    Ok(Person::newcomer(scope, keys, services.ids.as_ref(), &address, None, None, now).row)
}

fn new_link_key(services: &Services, controller: ControllerId, now: Timestamp) -> LinkKey {
    let (key, pkcs8, public) = SigningKey::generate();
    LinkKey {
        kid: key.kid().to_owned(),
        controller_id: controller,
        public_key: public.to_vec(),
        sealed: services.keys.root().seal(&link_key_place(controller.uuid()), &pkcs8),
        standing: KeyStanding::Active,
        created_at: now,
    }
}

/// A new token's row and its secret. `controller` is none for the operator's.
pub fn new_token(
    services: &Services,
    controller: Option<ControllerScope>,
    name: &str,
    scopes: &[Scope],
    expires_at: Option<Timestamp>,
) -> (ApiToken, IssuedToken) {
    let token = bearer_token("rc_");
    let id = TokenId::from_uuid(services.ids.row());
    let row = ApiToken {
        hash: sha256(token.as_bytes()).to_vec(),
        id,
        controller_id: controller.map(ControllerScope::controller),
        name: name.to_owned(),
        scopes: scopes.iter().map(|scope| scope.name()).collect::<Vec<_>>().join(" "),
        created_at: services.clock.now(),
        expires_at,
        revoked_at: None,
    };
    (row, IssuedToken { id, token })
}

/// Issues a token. The secret is in the answer and nowhere else.
pub async fn create_token(
    services: &Services,
    controller: Option<ControllerScope>,
    name: &str,
    scopes: &[Scope],
    expires_at: Option<Timestamp>,
) -> Result<IssuedToken, Error> {
    let (row, issued) = new_token(services, controller, name, scopes, expires_at);
    services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.insert_token(&row)).await?;
    Ok(issued)
}

/// Who a token says is asking.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The token.
    pub token: TokenId,
    /// The controller; none for the operator.
    pub controller: Option<ControllerScope>,
    /// What the token may do.
    pub scopes: Vec<Scope>,
}

/// Finds who is asking by their bearer token. Unknown, expired and revoked tokens are refused alike.
pub async fn authenticate(services: &Services, token: &str) -> Result<Caller, Error> {
    let (hash, now) = (sha256(token.as_bytes()), services.clock.now());
    let row = match services.store.read(move |tx: &mut ReadTx<'_>| tx.token_by_hash(&hash)).await {
        Ok(row) => row,
        Err(StoreError::NotFound) => return Err(Error::UnknownCredential),
        Err(error) => return Err(error.into()),
    };
    if row.revoked_at.is_some() || row.expires_at.is_some_and(|end| end <= now) {
        return Err(Error::UnknownCredential);
    }
    Ok(Caller {
        token: row.id,
        controller: row.controller_id.map(ControllerScope::granted),
        scopes: row.scopes.split(' ').filter_map(Scope::from_name).collect(),
    })
}

/// What a rotation made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// A new version of a controller's key.
    Key(KeyUse, i32),
    /// A new link key; the ones before it only verify from now on.
    LinkKey(String),
}

/// A new link key signs from now on; those before it still verify (LK-12).
pub async fn rotate_link_key(services: &Services, scope: ControllerScope) -> Result<Rotated, Error> {
    let (house, now) = (services.clone(), services.clock.now());
    let rotated = services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            for old in tx.link_keys(scope)? {
                if old.standing == KeyStanding::Active {
                    tx.set_link_key_standing(scope, &old.kid, KeyStanding::VerifyOnly)?;
                }
            }
            let key = new_link_key(&house, scope.controller(), now);
            tx.insert_link_key(&key)?;
            Ok::<_, Error>(Rotated::LinkKey(key.kid))
        })
        .await?;
    services.keys.forget();
    Ok(rotated)
}

/// Behind everything else: nobody waits for it.
const RESEAL_LANE: i16 = 3;

/// Asks for the rows of older versions to be sealed anew, from `due_at` on.
pub(super) fn ask_to_reseal(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    due_at: Timestamp,
    now: Timestamp,
) -> Result<(), Error> {
    let all = scope.controller().uuid();
    Ok(tx.enqueue(&[Task::new(scope, TaskKind::Reseal, all, RESEAL_LANE, due_at, now)])?)
}

/// A new version of a controller's key. It writes as soon as every process has read it; older ones still read, and what
/// they seal is sealed anew from then on. The fingerprints of addresses have one version only: changing it would
/// mean writing every fingerprint anew.
pub async fn rotate_key(services: &Services, scope: ControllerScope, key_use: KeyUse) -> Result<Rotated, Error> {
    if matches!(key_use, KeyUse::Index | KeyUse::Names) {
        return Err(Error::field(
            "use",
            "this key cannot be rotated: fingerprints and names made with it have to stay the same",
        ));
    }
    let (house, now) = (services.clone(), services.clock.now());
    // Nothing is built on keys that are not right.
    let keys = services.keys.of(scope).await?;
    let rotated = services
        .store
        .write(scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
            let newest = tx
                .controller_keys(scope)?
                .iter()
                .filter(|key| key.key_use == key_use.name())
                .map(|key| key.version)
                .max();
            let version = newest.unwrap_or(0) + 1;
            let mut decoys = Vec::new();
            if key_use == KeyUse::Data {
                let decoy = new_decoy(&house, scope, &keys, now)?;
                decoys.extend(keys.decoys().chain([decoy.id.uuid()]));
                tx.add_subjects(&[decoy])?;
                ask_to_reseal(tx, scope, now.plus(house.keys.settled()), now)?;
            }
            insert_key(tx, &house, scope.controller(), (key_use, version, &Key::random()), &decoys, now)?;
            Ok::<_, Error>(Rotated::Key(key_use, version))
        })
        .await?;
    services.keys.forget();
    Ok(rotated)
}

/// Seals every controller's keys anew under the current root key, after it was changed. Says how many were sealed
/// anew; the previous root key may be taken away once this answers 0.
pub async fn reseal_under_root(services: &Services) -> Result<usize, Error> {
    use crate::crypto::root::Sealer;
    let mut resealed = 0;
    let mut after = None;
    loop {
        let page = services.store.read(move |tx: &mut ReadTx<'_>| tx.all_controllers(after, 100)).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for controller in page {
            let (house, scope) = (services.clone(), ControllerScope::granted(controller.id));
            resealed += services
                .store
                .write(controller.id.uuid(), move |tx: &mut WriteTx<'_>| {
                    let root = house.keys.root();
                    let mut count = 0;
                    for key in tx.controller_keys(scope)?.iter().filter(|key| key.retired_at.is_none()) {
                        let key_use =
                            KeyUse::from_name(&key.key_use).ok_or_else(|| Error::Internal("unknown key use".into()))?;
                        let place = key_place(scope.controller().uuid(), key_use, key.version);
                        let (plain, sealer) = root.open(&place, &key.sealed)?;
                        if sealer == Sealer::Previous {
                            tx.reseal_controller_key(scope, &key.key_use, key.version, &root.seal(&place, &plain))?;
                            count += 1;
                        }
                    }
                    for key in tx.link_keys(scope)? {
                        let place = link_key_place(scope.controller().uuid());
                        let (plain, sealer) = root.open(&place, &key.sealed)?;
                        if sealer == Sealer::Previous {
                            tx.reseal_link_key(scope, &key.kid, &root.seal(&place, &plain))?;
                            count += 1;
                        }
                    }
                    Ok::<_, Error>(count)
                })
                .await?;
        }
    }
    let canary = services.keys.root().seal(&canary_place(), CANARY);
    services.store.write(Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.replace_canary(&canary)).await?;
    services.keys.forget();
    Ok(resealed)
}
