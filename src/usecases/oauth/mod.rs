//! Accounts at the provider that are connected by OAuth instead of an API key (provider's contract 2.2). A person who may
//! change settings begins; whoever is logged in there allows it, comes back to us with a state, sees for whom it is, and
//! presses a button; the tokens then stand, sealed, as a connection of that controller, and of no other.
//!
//! The state is random, kept as a hash, used once and holds for ten minutes. It finds the controller: a person who comes
//! back cannot connect anything but what was begun, and the page names whose it is, so that nobody is led to hand their
//! account to somebody else unseen.

mod back;
mod keep;
mod tokens;

use std::time::Duration;

use crate::campaign_monitor::oauth::OauthApp;
use crate::crypto::secret::{bearer_token, sha256};
use crate::domain::ids::{ConnectionId, ControllerScope, DestinationId};
use crate::domain::time::Timestamp;
use crate::store::provider_connections::ProviderConnection;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::{Error, Services, sync};

pub use back::{Asked, Connected, Unconnected, connect, look_at_state};
pub use keep::look_after;
pub(super) use keep::{refused_words, release};
pub use tokens::Renewals;
pub(super) use tokens::credentials;

/// Time for one call about tokens: somebody may wait for it.
const CALL: Duration = Duration::from_secs(8);

/// How connections by OAuth are made and kept.
#[derive(Debug, Clone)]
pub struct OauthRules {
    /// The operator's app at the provider; without it nobody connects so.
    pub app: Option<OauthApp>,
    /// How long somebody may take to allow it: 10 minutes.
    pub state_ttl: Duration,
    /// How long before their end access tokens are renewed, or a quarter of their life if that is shorter: one day.
    pub renew_before: Duration,
    /// How long a connection is kept that no destination uses: one day.
    pub unused_kept: Duration,
    /// How long the claim on a renewal holds, longer than its call may take: 20 seconds.
    pub renewal_lease: Duration,
    /// Connections of a controller that no destination uses yet; the oldest give way: 20.
    pub unused: usize,
}

impl Default for OauthRules {
    fn default() -> Self {
        let day = Duration::from_secs(86_400);
        Self {
            app: None,
            state_ttl: Duration::from_secs(600),
            renew_before: day,
            unused_kept: day,
            renewal_lease: Duration::from_secs(20),
            unused: 20,
        }
    }
}

/// A connection that somebody is to allow.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Its id, by which a destination will name it.
    pub connection: ConnectionId,
    /// Where to allow it, by whoever is logged in at the provider.
    pub authorize_url: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Where people come back to.
fn redirect_uri(services: &Services) -> String {
    format!("{}/oauth/campaign-monitor/callback", services.base_url)
}

fn app(services: &Services) -> Result<&OauthApp, Error> {
    services.rules.oauth.app.as_ref().ok_or(Error::NotSetUp(
        "OAuth is not set up: the operator registers an app at Campaign Monitor and sets \
         RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_ID and RECONSENT_CAMPAIGN_MONITOR_OAUTH_CLIENT_SECRET; \
         until then, connect with an API key",
    ))
}

/// Begins a connection, for a destination that is yet to be made.
pub async fn begin(services: &Services, scope: ControllerScope) -> Result<Begun, Error> {
    begun(services, scope, None).await
}

/// Begins to connect a destination anew, or by OAuth in place of its API key. Other destinations that name the same
/// connection are spoken to by the new tokens as well.
pub async fn begin_for(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<Begun, Error> {
    let destination = services.store.read(move |tx: &mut ReadTx<'_>| tx.destination(scope, id)).await?;
    app(services)?;
    let provider = provider(services);
    if destination.base_url != provider {
        return Err(Error::field(
            "base_url",
            format!("accounts are connected by OAuth at {provider} and nowhere else"),
        ));
    }
    begun(services, scope, Some((id, destination.connection_id))).await
}

/// The one place to which the secret of the operator's app goes: not where a controller says, but where the operator does.
fn provider(services: &Services) -> &str {
    services.rules.provider_base_url.trim_end_matches('/')
}

async fn begun(
    services: &Services,
    scope: ControllerScope,
    whose: Option<(DestinationId, Option<ConnectionId>)>,
) -> Result<Begun, Error> {
    let (app, base_url) = (app(services)?, provider(services).to_owned());
    let (now, rules, fresh) = (services.clock.now(), &services.rules.oauth, services.ids.row());
    let (state, state_until, most) = (bearer_token(""), now.plus(rules.state_ttl), rules.unused);
    let url = sync::client_at(&base_url, CALL, CALL)?.authorize_url(app, &redirect_uri(services), &state);
    let state_hash = sha256(state.as_bytes()).to_vec();
    let begin = move |tx: &mut WriteTx<'_>| {
        if let Some((_, Some(known))) = whose {
            // The tokens stay good until others are there; an earlier page that was not answered is worth nothing now.
            let mut row = tx.lock_provider_connection(scope, known)?;
            (row.state_hash, row.state_until) = (Some(state_hash.clone()), state_until);
            tx.save_provider_connection(&row)?;
            return Ok(known);
        }
        tx.lock_destinations(scope)?;
        let spare = keep::unused(tx, scope)?;
        let beyond = (spare.len() + 1).saturating_sub(most.max(1));
        let oldest: Vec<ConnectionId> = spare.iter().take(beyond).map(|row| row.id).collect();
        tx.drop_provider_connections(scope, &oldest)?;
        let row = ProviderConnection {
            controller_id: scope.controller(),
            id: ConnectionId::from_uuid(fresh),
            base_url: base_url.clone(),
            for_destination: whose.map(|(destination, _)| destination),
            state_hash: Some(state_hash.clone()),
            state_until,
            rev: 0,
            key_version: 0,
            tokens: None,
            connected_at: None,
            refused_at: None,
            claimed_until: Timestamp::from_micros(0),
            created_at: now,
        };
        tx.insert_provider_connection(&row)?;
        Ok::<_, Error>(row.id)
    };
    let connection = services.store.write(scope.controller().uuid(), begin).await?;
    tracing::info!(target: "audit", %connection, "a connection to the provider was begun");
    Ok(Begun { connection, authorize_url: url.into(), expires_at: state_until })
}

/// A connection that somebody has allowed, for who names it by the field `connection_id`.
pub(super) fn usable(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    id: ConnectionId,
) -> Result<ProviderConnection, Error> {
    let row = match tx.provider_connection(scope, id) {
        Ok(row) => row,
        Err(StoreError::NotFound) => return Err(Error::field("connection_id", "there is none with this id")),
        Err(error) => return Err(error.into()),
    };
    if row.tokens.is_none() {
        return Err(Error::field("connection_id", "nobody has allowed it yet: open its authorize_url"));
    }
    Ok(row)
}
