//! What time does about connections: those that nobody took up go, and people who waited for one that was made again go
//! on. Which people wait is read from the words they were parked with, and whether they still have to from how the
//! connection stands, so that it does not matter who comes first: the person who connects again, or the worker that
//! parks somebody because of what was before.

use crate::domain::ids::{ConnectionId, ControllerScope, DestinationId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::provider_connections::ProviderConnection;
use crate::store::{ReadTx, WriteTx};

use super::super::{Error, Services};

/// For so long after a connection was made, people who waited for it are looked for.
const LOOKED_FOR: std::time::Duration = std::time::Duration::from_secs(3600);
/// Pieces of them released at one look.
const LOOK: usize = 20;

/// The words with which people are parked whose destination does not take its credential.
pub fn refused_words(destination: DestinationId) -> String {
    format!("Credential: destination {destination}: ")
}

/// Connections that no destination is spoken to by, the oldest first.
pub(super) fn unused(tx: &mut ReadTx<'_>, scope: ControllerScope) -> Result<Vec<ProviderConnection>, Error> {
    let all = tx.provider_connections(scope)?;
    if all.is_empty() {
        return Ok(all);
    }
    let used: Vec<ConnectionId> = tx.destinations(scope)?.into_iter().filter_map(|one| one.connection_id).collect();
    Ok(all.into_iter().filter(|row| !used.contains(&row.id)).collect())
}

/// Forgets connections that nobody allowed in time, or took up; and lets people go on who were parked for want of one
/// that is good again, as far as the call that connected could not do it in its commit.
pub async fn look_after(services: &Services, scope: ControllerScope) -> Result<(), Error> {
    let now = services.clock.now();
    let (before, since) = (now.minus(services.rules.oauth.unused_kept), now.minus(LOOKED_FOR));
    let is_over = move |row: &ProviderConnection| match row.tokens {
        None => row.state_until < now,
        Some(_) => row.connected_at.unwrap_or(row.created_at) < before && row.state_until < now,
    };
    let is_good =
        move |row: &ProviderConnection| row.refused_at.is_none() && row.connected_at.is_some_and(|at| at >= since);
    let all = services.store.read(move |tx: &mut ReadTx<'_>| tx.provider_connections(scope)).await?;
    if all.iter().any(is_over) {
        forget_unused(services, scope, is_over).await?;
    }
    for connection in all.into_iter().filter(is_good) {
        release(services, scope, connection.id).await?;
    }
    Ok(())
}

async fn forget_unused(
    services: &Services,
    scope: ControllerScope,
    is_over: impl Fn(&ProviderConnection) -> bool + Copy + Send + 'static,
) -> Result<(), Error> {
    let forget = move |tx: &mut WriteTx<'_>| {
        // Whoever takes one up holds these rows too.
        tx.lock_destinations(scope)?;
        let over: Vec<ConnectionId> = unused(tx, scope)?.iter().filter(|row| is_over(row)).map(|row| row.id).collect();
        Ok::<_, Error>(tx.drop_provider_connections(scope, &over)?)
    };
    services.store.write(scope.controller().uuid(), forget).await
}

async fn release(services: &Services, scope: ControllerScope, id: ConnectionId) -> Result<(), Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    for _ in 0..LOOK {
        let piece = move |tx: &mut WriteTx<'_>| release_piece(tx, scope, id, most, now).map(|(_, count)| count);
        let count = services.store.write(scope.controller().uuid(), piece).await?;
        if i64::try_from(count).is_ok_and(|count| count < most) {
            break;
        }
    }
    Ok(())
}

/// Lets some of the people go on who wait for this connection; says whether a destination is spoken to by it.
pub(super) fn release_of(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    id: ConnectionId,
    most: i64,
    now: Timestamp,
) -> Result<bool, Error> {
    release_piece(tx, scope, id, most, now).map(|(in_use, _)| in_use)
}

fn release_piece(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    id: ConnectionId,
    most: i64,
    now: Timestamp,
) -> Result<(bool, usize), Error> {
    let of_it = tx.destinations(scope)?.into_iter().filter(|one| one.connection_id == Some(id));
    let (mut in_use, mut released) = (false, 0);
    for destination in of_it {
        in_use = true;
        released += tx.release_parked(scope, TaskKind::Sync, &refused_words(destination.id), most, now)?;
    }
    Ok((in_use, released))
}
