//! Tokens: handed out to who speaks to the provider, and renewed before their time is over, or once the provider says so.
//!
//! Renewing is done once, by one: within a process those who want it take turns, and between processes the row is
//! claimed for some seconds. Whoever comes later finds other tokens there and uses them. If the one who renews dies between
//! the provider's answer and the commit, the claim lapses and another one renews with the refresh token that is on
//! record; the provider repeats that token (contract 2.2), so it is still good. Should it have been replaced, or revoked,
//! the connection is marked: a person has to allow it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::campaign_monitor::{
    Bearer, CallError, Credentials, GrantError, Renewal, Replacing, Secret, Stale, TokenGrant,
};
use crate::crypto::ControllerKeys;
use crate::domain::ids::{ConnectionId, ControllerScope};
use crate::domain::time::Timestamp;
use crate::store::provider_connections::ProviderConnection;
use crate::store::{ReadTx, WriteTx};

use super::super::{Error, Services, sync};
use super::CALL;

/// Where tokens are sealed to.
const PLACE: (&str, &str) = ("provider_connections", "tokens");
/// Pause between two looks while another process renews, and how many of them: somebody may wait for it at a door.
const LOOK: Duration = Duration::from_millis(100);
const LOOKS: usize = 50;
/// A renewal ahead of time that failed is not tried again for so long; the tokens are still good.
const REST: Duration = Duration::from_secs(60);
/// Connections that a process remembers a turn for, before those that nobody waits for are forgotten.
const TURNS: usize = 10_000;

/// The tokens of a connection. Printing shows none.
#[derive(Clone)]
pub(super) struct Tokens {
    access: Secret,
    refresh: Secret,
    expires_at: Timestamp,
    renew_at: Timestamp,
}

#[derive(Serialize)]
struct Written<'a> {
    access: &'a str,
    refresh: &'a str,
    expires_at: i64,
    renew_at: i64,
}

#[derive(Deserialize)]
struct Kept {
    access: String,
    refresh: String,
    expires_at: i64,
    renew_at: i64,
}

impl Tokens {
    /// What was granted just now; the refresh token is the one used if none came.
    pub(super) fn granted(
        grant: TokenGrant,
        used: Option<&Secret>,
        now: Timestamp,
        before: Duration,
    ) -> Result<Self, Error> {
        let refresh = grant.refresh.or_else(|| used.cloned());
        let refresh = refresh.ok_or_else(|| Error::Internal("tokens came without a refresh token".to_owned()))?;
        let renew_at = now.plus(grant.life - before.min(grant.life / 4));
        Ok(Self { access: grant.access, refresh, expires_at: now.plus(grant.life), renew_at })
    }

    fn of(row: &ProviderConnection, keys: &ControllerKeys) -> Result<Self, Error> {
        // Nobody has allowed it yet, or never will.
        let sealed = row.tokens.as_ref().ok_or(Error::Provider(CallError::ConnectAgain))?;
        let plain = keys.open(PLACE.0, PLACE.1, row.id.uuid(), row.key_version, sealed)?;
        let Kept { access, refresh, expires_at, renew_at } = serde_json::from_slice(&plain)?;
        Ok(Self {
            access: Secret::new(access),
            refresh: Secret::new(refresh),
            expires_at: Timestamp::from_micros(expires_at),
            renew_at: Timestamp::from_micros(renew_at),
        })
    }

    /// Seals them into their row, in place of others.
    pub(super) fn put_into(&self, row: &mut ProviderConnection, keys: &ControllerKeys) -> Result<(), Error> {
        let written = Written {
            access: self.access.expose(),
            refresh: self.refresh.expose(),
            expires_at: self.expires_at.micros(),
            renew_at: self.renew_at.micros(),
        };
        let plain = Zeroizing::new(serde_json::to_vec(&written)?);
        let (version, sealed) = keys.seal(PLACE.0, PLACE.1, row.id.uuid(), &plain);
        (row.key_version, row.tokens) = (version, Some(sealed));
        row.rev += 1;
        row.claimed_until = Timestamp::from_micros(0);
        Ok(())
    }
}

/// A process's turns at renewing, by connection; each remembers when a renewal failed.
#[derive(Default)]
pub struct Renewals(Mutex<HashMap<ConnectionId, Turn>>);

type Turn = Arc<tokio::sync::Mutex<Option<Timestamp>>>;

impl Renewals {
    fn turn(&self, id: ConnectionId) -> Turn {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if turns.len() >= TURNS {
            turns.retain(|_, turn| Arc::strong_count(turn) > 1);
        }
        Arc::clone(turns.entry(id).or_default())
    }
}

/// Who renews the tokens of one connection.
struct Renewer {
    services: Services,
    scope: ControllerScope,
    id: ConnectionId,
}

impl Renewal for Renewer {
    fn replace(&self, stale: Secret, why: Stale) -> Replacing<'_> {
        Box::pin(renew(&self.services, self.scope, self.id, stale, why, false))
    }
}

/// The credential of a connection, renewed if its time is nearly over.
pub async fn credentials(services: &Services, scope: ControllerScope, id: ConnectionId) -> Result<Credentials, Error> {
    let keys = services.keys.of(scope).await?;
    let row = services.store.read(move |tx: &mut ReadTx<'_>| tx.provider_connection(scope, id)).await?;
    if row.refused_at.is_some() {
        return Err(CallError::ConnectAgain.into());
    }
    let tokens = Tokens::of(&row, &keys)?;
    let now = services.clock.now();
    let mut access = tokens.access.clone();
    if now >= tokens.renew_at {
        let good = now < tokens.expires_at;
        match renew(services, scope, id, tokens.access, Stale::Expired, good).await {
            Ok(fresh) => access = fresh,
            // What is there holds a while yet.
            Err(error) if good && error != CallError::ConnectAgain => {
                tracing::debug!(connection = %id, %error, "tokens could not be renewed ahead of time");
            }
            Err(error) => return Err(error.into()),
        }
    }
    let renewer = Renewer { services: services.clone(), scope, id };
    Ok(Credentials::Bearer(Bearer::renewed_by(access, Arc::new(renewer))))
}

/// The token in place of a stale one, or of one that is still good where it is done `ahead` of time: that rests for a while
/// after it has failed, whoever else waited for the same turn. Runs to its end whoever waits: tokens that came must be
/// written down.
async fn renew(
    services: &Services,
    scope: ControllerScope,
    id: ConnectionId,
    stale: Secret,
    why: Stale,
    ahead: bool,
) -> Result<Secret, CallError> {
    let services = services.clone();
    let work = tokio::spawn(async move {
        let turn = services.renewals.turn(id);
        let mut failed = turn.lock().await;
        if ahead && failed.is_some_and(|at| services.clock.now() < at.plus(REST)) {
            return Err(CallError::NotRenewed.into());
        }
        let renewed = renewed(&services, scope, id, stale, why).await;
        *failed = renewed.is_err().then(|| services.clock.now());
        renewed
    });
    match work.await {
        Ok(Ok(access)) => Ok(access),
        Ok(Err(Error::Provider(error))) => Err(error),
        Ok(Err(error)) => {
            tracing::error!(connection = %id, %error, "tokens could not be renewed");
            Err(CallError::NotRenewed)
        }
        Err(_) => {
            tracing::error!(connection = %id, "renewing tokens panicked");
            Err(CallError::NotRenewed)
        }
    }
}

/// What is to be done about a stale token.
enum Look {
    /// A person has to allow it again.
    Ended,
    /// Somebody has put another one in its place.
    Replaced(Secret),
    /// Somebody else is at it.
    Theirs,
    /// It is ours to renew, with this refresh token, from this revision on.
    Ours { base_url: String, refresh: Secret, rev: i64 },
}

async fn renewed(
    services: &Services,
    scope: ControllerScope,
    id: ConnectionId,
    stale: Secret,
    why: Stale,
) -> Result<Secret, Error> {
    let keys = services.keys.of(scope).await?;
    for _ in 0..LOOKS {
        let (now, lease) = (services.clock.now(), services.rules.oauth.renewal_lease);
        let (keys_then, stale) = (keys.clone(), stale.clone());
        let look = move |tx: &mut WriteTx<'_>| {
            let mut row = tx.lock_provider_connection(scope, id)?;
            if row.refused_at.is_some() {
                return Ok(Look::Ended);
            }
            let tokens = Tokens::of(&row, &keys_then)?;
            if tokens.access.expose() != stale.expose() {
                return Ok(Look::Replaced(tokens.access));
            }
            if why == Stale::Refused {
                return end(tx, &mut row, now);
            }
            if !tx.claim_renewal(&mut row, lease)? {
                return Ok(Look::Theirs);
            }
            Ok::<_, Error>(Look::Ours { base_url: row.base_url, refresh: tokens.refresh, rev: row.rev })
        };
        match services.store.write(id.uuid(), look).await? {
            Look::Ended => return Err(CallError::ConnectAgain.into()),
            Look::Replaced(access) => return Ok(access),
            Look::Theirs => tokio::time::sleep(LOOK).await,
            Look::Ours { base_url, refresh, rev } => {
                return fetch(services, scope, id, &keys, &base_url, refresh, rev).await;
            }
        }
    }
    Err(CallError::NotRenewed.into())
}

/// Notes that the tokens are good no more.
fn end(tx: &mut WriteTx<'_>, row: &mut ProviderConnection, now: Timestamp) -> Result<Look, Error> {
    row.refused_at = Some(now);
    row.rev += 1;
    row.claimed_until = Timestamp::from_micros(0);
    tx.save_provider_connection(row)?;
    metrics::counter!("reconsent_connections_total", "outcome" => "ended").increment(1);
    tracing::error!(target: "audit", connection = %row.id, "the provider takes the tokens of a connection no more: connect again");
    Ok(Look::Ended)
}

/// Asks for other tokens and writes them down, under the claim that stands on the row.
async fn fetch(
    services: &Services,
    scope: ControllerScope,
    id: ConnectionId,
    keys: &Arc<ControllerKeys>,
    base_url: &str,
    refresh: Secret,
    rev: i64,
) -> Result<Secret, Error> {
    let answer = sync::client_at(base_url, CALL, CALL)?.refresh(&refresh).await;
    let now = services.clock.now();
    let (fresh, trouble) = match answer {
        Ok(grant) => (Some(Tokens::granted(grant, Some(&refresh), now, services.rules.oauth.renew_before)?), None),
        Err(GrantError::Call(error)) => (None, Some(error)),
        Err(GrantError::NotGood | GrantError::App | GrantError::Refused { .. }) => (None, None),
    };
    let (keys, call) = (Arc::clone(keys), trouble.clone());
    let note = move |tx: &mut WriteTx<'_>| {
        let mut row = tx.lock_provider_connection(scope, id)?;
        // Somebody allowed it again meanwhile, or took over after our claim had lapsed: theirs is the newer.
        if row.rev != rev {
            return Ok(match row.refused_at {
                Some(_) => Look::Ended,
                None => Look::Replaced(Tokens::of(&row, &keys)?.access),
            });
        }
        match (&fresh, &call) {
            (Some(fresh), _) => {
                fresh.put_into(&mut row, &keys)?;
                tx.save_provider_connection(&row)?;
                Ok(Look::Replaced(fresh.access.clone()))
            }
            (None, Some(_)) => {
                row.claimed_until = Timestamp::from_micros(0);
                tx.save_provider_connection(&row)?;
                Ok(Look::Theirs)
            }
            (None, None) => end(tx, &mut row, now),
        }
    };
    match services.store.write(id.uuid(), note).await? {
        Look::Replaced(access) => {
            metrics::counter!("reconsent_connections_total", "outcome" => "renewed").increment(1);
            tracing::info!(connection = %id, "tokens were renewed");
            Ok(access)
        }
        Look::Ended => Err(CallError::ConnectAgain.into()),
        Look::Theirs | Look::Ours { .. } => {
            metrics::counter!("reconsent_connections_total", "outcome" => "failed").increment(1);
            Err(trouble.unwrap_or(CallError::NotRenewed).into())
        }
    }
}
