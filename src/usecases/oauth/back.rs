//! A person comes back from the provider. Opening the page shows for whom the account would be connected and changes
//! nothing; the button uses the state up, exchanges the code and keeps the tokens. What was begun for a destination is
//! its connection from then on, and the people who waited for it go on.

use crate::campaign_monitor::{GrantError, TokenGrant};
use crate::crypto::secret::sha256;
use crate::domain::ids::{ConnectionId, ControllerScope};
use crate::domain::time::Timestamp;
use crate::store::provider_connections::ProviderConnection;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::super::{Error, Services, sync};
use super::tokens::Tokens;
use super::{CALL, app, keep, redirect_uri};

/// Longest state or code looked at.
const LONGEST: usize = 2000;

/// For whom the account would be connected.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The controller's name.
    pub controller: String,
}

/// The account is connected.
#[derive(Debug, Clone)]
pub struct Connected {
    /// The controller's name.
    pub controller: String,
    /// The connection.
    pub connection: ConnectionId,
    /// Whether a destination is spoken to by it already.
    pub in_use: bool,
}

/// The provider gave no tokens for the code; another try begins anew.
#[derive(Debug, Clone)]
pub struct Unconnected {
    /// The controller's name.
    pub controller: String,
    /// Why, without secrets.
    pub why: GrantError,
}

fn plausible(text: &str) -> bool {
    (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The connection that waits for this state. Unknown, used and too old are one and the same.
fn waiting(tx: &mut ReadTx<'_>, hash: &[u8], now: Timestamp) -> Result<ProviderConnection, Error> {
    match tx.provider_connection_by_state(hash) {
        Ok(row) if row.state_until > now => Ok(row),
        Ok(_) | Err(StoreError::NotFound) => Err(Error::UnknownLink),
        Err(error) => Err(error.into()),
    }
}

/// For whom somebody with this state would connect their account.
pub async fn look_at_state(services: &Services, state: &str) -> Result<Asked, Error> {
    if !plausible(state) {
        return Err(Error::UnknownLink);
    }
    let (hash, now) = (sha256(state.as_bytes()), services.clock.now());
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let row = waiting(tx, &hash, now)?;
            Ok(Asked { controller: tx.controller(ControllerScope::granted(row.controller_id))?.name })
        })
        .await
}

/// Connects the account that the code stands for.
pub async fn connect(services: &Services, state: &str, code: &str) -> Result<Result<Connected, Unconnected>, Error> {
    if !plausible(state) {
        return Err(Error::UnknownLink);
    }
    if !plausible(code) {
        return Err(Error::field("code", "expected 1 to 2,000 visible ASCII characters"));
    }
    app(services)?;
    let (row, controller) = take(services, state).await?;
    // To its end, whoever waits: a code works once, and what it brought must not be lost with a closed page.
    let (house, code) = (services.clone(), code.to_owned());
    let work = tokio::spawn(async move {
        let (scope, connection) = (ControllerScope::granted(row.controller_id), row.id);
        let client = sync::client_at(&row.base_url, CALL, CALL)?;
        match client.exchange(app(&house)?, &redirect_uri(&house), &code).await {
            Ok(grant) => {
                let in_use = keep_tokens(&house, scope, connection, grant).await?;
                tracing::info!(target: "audit", %connection, "an account at the provider was connected");
                Ok(Ok(Connected { controller, connection, in_use }))
            }
            Err(why) => {
                tracing::warn!(%connection, %why, "an account at the provider could not be connected");
                Ok(Err(Unconnected { controller, why }))
            }
        }
    });
    work.await.map_err(|_| Error::Internal("connecting an account panicked".to_owned()))?
}

/// Uses the state up, so that neither a reload nor anybody else can use it again.
async fn take(services: &Services, state: &str) -> Result<(ProviderConnection, String), Error> {
    let (hash, now) = (sha256(state.as_bytes()), services.clock.now());
    let take = move |tx: &mut WriteTx<'_>| {
        let found = waiting(tx, &hash, now)?;
        let scope = ControllerScope::granted(found.controller_id);
        let mut row = tx.lock_provider_connection(scope, found.id)?;
        if row.state_hash != found.state_hash {
            return Err(Error::UnknownLink);
        }
        // Not forgotten as too old while the code is exchanged.
        (row.state_hash, row.state_until) = (None, now.plus(2 * CALL));
        tx.save_provider_connection(&row)?;
        Ok((row, tx.controller(scope)?.name))
    };
    services.store.write(uuid::Uuid::nil(), take).await
}

/// Keeps the tokens; says whether a destination is spoken to by them.
async fn keep_tokens(
    services: &Services,
    scope: ControllerScope,
    id: ConnectionId,
    grant: TokenGrant,
) -> Result<bool, Error> {
    let (keys, now) = (services.keys.of(scope).await?, services.clock.now());
    let tokens = Tokens::granted(grant, None, now, services.rules.oauth.renew_before)?;
    let most = services.rules.pieces.clock;
    let keep = move |tx: &mut WriteTx<'_>| {
        tx.lock_destinations(scope)?;
        let mut row = tx.lock_provider_connection(scope, id)?;
        tokens.put_into(&mut row, &keys)?;
        (row.connected_at, row.refused_at) = (Some(now), None);
        tx.save_provider_connection(&row)?;
        if let Some(destination) = row.for_destination.take() {
            tx.connect_destination(scope, destination, id)?;
            tx.save_provider_connection(&row)?;
        }
        keep::release_of(tx, scope, id, most, now)
    };
    services.store.write(scope.controller().uuid(), keep).await
}
