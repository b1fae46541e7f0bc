//! Another API key for a destination: one that was replaced at the provider, or a key in place of a connection by OAuth. It
//! is tried before it is kept, and what waited for it goes on.

use crate::crypto::secret::SecretText;
use crate::domain::ids::{ControllerScope, DestinationId};
use crate::store::destinations::Destination;
use crate::store::{ReadTx, WriteTx};

use super::super::line::{NewCredential, api_key_from};
use super::super::once::Asker;
use super::super::{Error, Services, oauth};
use super::{Look, look};

/// Keeps another API key for a destination, once the provider has shown the destination's client to whoever has it.
pub async fn replace_key(services: &Services, asker: Asker, id: DestinationId, key: SecretText) -> Result<(), Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let key = SecretText::new(api_key_from(&key)?.to_owned());
    let destination = services.store.read(move |tx: &mut ReadTx<'_>| tx.destination(scope, id)).await?;
    let tried = Look {
        base_url: Some(destination.base_url),
        credential: NewCredential::ApiKey(key.clone()),
        client_id: Some(destination.client_id),
    };
    look(services, scope, tried).await?;
    keep(services, scope, id, key).await?;
    tracing::info!(target: "audit", token = %asker.token, destination = %id, "a destination was given another API key");
    oauth::release(services, scope, id).await
}

async fn keep(services: &Services, scope: ControllerScope, id: DestinationId, key: SecretText) -> Result<(), Error> {
    let (keys, now) = (services.keys.of(scope).await?, services.clock.now());
    let work = move |tx: &mut WriteTx<'_>| {
        let destination = tx.lock_destination(scope, id)?;
        // All secrets of a destination are sealed by one version.
        let (version, old) = (destination.key_version, &destination.webhook_secret);
        let secret = keys.open("destinations", "webhook_secret", id.uuid(), version, old)?;
        let (key_version, webhook_secret) = keys.seal("destinations", "webhook_secret", id.uuid(), &secret);
        let (_, credentials) = keys.seal("destinations", "credentials", id.uuid(), key.expose().as_bytes());
        tx.save_api_key(&Destination {
            key_version,
            webhook_secret,
            credentials: Some(credentials),
            connection_id: None,
            keyed_at: now,
            ..destination
        })?;
        Ok::<_, Error>(())
    };
    services.store.write(scope.controller().uuid(), work).await
}
