//! Doing a thing once, however often it is asked for with the same `Idempotency-Key` (AP-02): the answer is kept in the
//! transaction of the effect, so there is no moment at which one is there without the other.

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::crypto::Place;
use crate::crypto::secret::sha256;
use crate::domain::ids::{ControllerId, ControllerScope, TokenId};
use crate::store::idempotency::KeptAnswer;
use crate::store::{StoreError, WriteTx};

use super::{Error, Services};

/// An idempotency key bound to a request.
#[derive(Debug, Clone)]
pub struct OnceKey {
    hash: [u8; 32],
    fingerprint: [u8; 32],
}

impl OnceKey {
    /// Binds a key to method and path (`target`) and body.
    pub fn new(key: &str, target: &str, body_digest: &[u8; 32]) -> Self {
        let mut bytes = target.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend_from_slice(body_digest);
        Self { hash: sha256(key.as_bytes()), fingerprint: sha256(&bytes) }
    }
}

/// SHA-256 of a body.
pub fn digest(bytes: &[u8]) -> [u8; 32] {
    sha256(bytes)
}

/// Who asks, for what is kept per token.
#[derive(Debug, Clone, Copy)]
pub struct Asker {
    /// The controller; none for the operator.
    pub scope: Option<ControllerScope>,
    /// The token.
    pub token: TokenId,
}

impl Asker {
    /// A controller's caller.
    pub const fn controller(scope: ControllerScope, token: TokenId) -> Self {
        Self { scope: Some(scope), token }
    }
}

/// Runs `call` in a transaction, or gives the answer that was kept when it ran before.
pub async fn write_once<T, F>(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    route: Uuid,
    mut call: F,
) -> Result<T, Error>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    F: FnMut(&mut WriteTx<'_>) -> Result<T, Error> + Send + 'static + Clone,
{
    let Some(key) = key else { return services.store.write(route, call).await };
    let keys = match asker.scope {
        Some(scope) => Some(services.keys.of(scope).await?),
        None => None,
    };
    let controller = asker.scope.map_or(ControllerId::from_uuid(Uuid::nil()), ControllerScope::controller);
    let (house, now) = (services.clone(), services.clock.now());
    let attempt = {
        let (key, house, keys) = (key.clone(), house.clone(), keys.clone());
        move |tx: &mut WriteTx<'_>| {
            if let Some(kept) = tx.kept_answer(controller, asker.token, &key.hash)? {
                if kept.fingerprint != key.fingerprint {
                    return Err(Error::KeyReused);
                }
                let plain = match &keys {
                    Some(keys) => {
                        keys.open("idempotency_keys", "answer", asker.token.uuid(), kept.key_version, &kept.answer)?
                    }
                    None => house.keys.root().open(&operator_place(asker.token), &kept.answer)?.0,
                };
                return Ok(serde_json::from_slice(&plain)?);
            }
            let value = call(tx)?;
            let plain = serde_json::to_vec(&value)?;
            let (key_version, answer) = match &keys {
                Some(keys) => keys.seal("idempotency_keys", "answer", asker.token.uuid(), &plain),
                None => (0, house.keys.root().seal(&operator_place(asker.token), &plain)),
            };
            tx.keep_answer(&KeptAnswer {
                controller_id: controller,
                token_id: asker.token,
                key_hash: key.hash.to_vec(),
                fingerprint: key.fingerprint.to_vec(),
                answer,
                key_version,
                created_at: now,
            })?;
            Ok(value)
        }
    };
    match services.store.write(route, attempt.clone()).await {
        // Another instance was faster with the same key: its answer is there now.
        Err(Error::Store(StoreError::Conflict)) => services.store.write(route, attempt).await,
        other => other,
    }
}

fn operator_place(token: TokenId) -> Place<'static> {
    Place { table: "idempotency_keys", column: "answer", controller: Uuid::nil(), row: token.uuid(), key_version: 0 }
}
