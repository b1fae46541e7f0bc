//! Controllers, as the operator sees them, and the public halves of all link keys of the install.

use crate::domain::ids::{ControllerId, ControllerScope};
use crate::domain::scope::Scope;
use crate::links::{VerifyingKey, jwks};
use crate::store::controllers::Controller;
use crate::store::{ReadTx, WriteTx};

use uuid::Uuid;

use super::once::{Asker, OnceKey, write_once};
use super::setup::{IssuedToken, NewController, create_controller_in, new_token};
use super::{Error, Services};

/// A controller, with a first token that has all its rights. The token is told here and never again.
pub async fn found_controller(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewController,
) -> Result<(Controller, IssuedToken), Error> {
    let (house, now) = (services.clone(), services.clock.now());
    let (id, token) = write_once(services, asker, key, Uuid::nil(), move |tx: &mut WriteTx<'_>| {
        let controller = create_controller_in(tx, &house, &new, now)?;
        let scope = ControllerScope::granted(controller.id);
        let (row, issued) = new_token(&house, Some(scope), "first administrator", Scope::CONTROLLER, None);
        tx.insert_token(&row)?;
        Ok((controller.id, issued))
    })
    .await?;
    let scope = ControllerScope::granted(id);
    let controller = services.store.read(move |tx: &mut ReadTx<'_>| tx.controller(scope)).await?;
    Ok((controller, token))
}

/// A page of all controllers, in the order of their making.
pub async fn list_controllers(
    services: &Services,
    after: Option<ControllerId>,
    limit: i64,
) -> Result<Vec<Controller>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.all_controllers(after, limit)).await?)
}

/// The keys by which anybody can check that a link was written here (LK-12).
pub async fn public_keys(services: &Services) -> Result<serde_json::Value, Error> {
    let most = services.rules.limits.published_keys;
    let rows = services.store.read(move |tx: &mut ReadTx<'_>| tx.all_link_keys(most)).await?;
    let mut keys = Vec::with_capacity(rows.len());
    for row in rows {
        let public = row.public_key.as_slice().try_into();
        let public = public.map_err(|_| Error::Internal("a stored public key has the wrong length".into()))?;
        let key = VerifyingKey::new(&row.kid, public, row.standing);
        keys.push(key.map_err(|_| Error::Internal("a stored link key does not read".into()))?);
    }
    Ok(jwks(&keys))
}
