//! What time does about connections: those that nobody took up go, and the work that waited for one that was made again, or
//! for another API key, goes on. Which work waits is read from the words it was parked with, and whether it still has to
//! from how the connection stands, so that it does not matter who comes first: the person who connects again, or the
//! worker that parks something because of what was before.

use crate::domain::ids::{ConnectionId, ControllerScope, DestinationId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::provider_connections::ProviderConnection;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::super::{Error, Services};

/// For so long after a connection was made, or a key given, work that waited for it is looked for.
const LOOKED_FOR: std::time::Duration = std::time::Duration::from_secs(3600);
/// Pieces of them released at one look.
const LOOK: usize = 20;

/// The words with which work is parked whose destination does not take its credential.
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

/// Forgets connections that nobody allowed in time, or took up; and lets work go on that was parked for want of one that is
/// good again, as far as the call that connected could not do it.
pub async fn look_after(services: &Services, scope: ControllerScope) -> Result<(), Error> {
    let now = services.clock.now();
    let (before, since) = (now.minus(services.rules.oauth.unused_kept), now.minus(LOOKED_FOR));
    let is_over = move |row: &ProviderConnection| match row.tokens {
        None => row.state_until < now,
        Some(_) => row.connected_at.unwrap_or(row.created_at) < before && row.state_until < now,
    };
    let is_good = |row: &ProviderConnection| row.refused_at.is_none() && row.connected_at.is_some_and(|at| at >= since);
    let look =
        move |tx: &mut ReadTx<'_>| Ok::<_, StoreError>((tx.provider_connections(scope)?, tx.destinations(scope)?));
    let (all, destinations) = services.store.read(look).await?;
    if all.iter().any(is_over) {
        forget_unused(services, scope, is_over).await?;
    }
    let good: Vec<ConnectionId> = all.iter().filter(|row| is_good(row)).map(|row| row.id).collect();
    for destination in destinations {
        let anew = destination.connection_id.map_or(destination.keyed_at >= since, |id| good.contains(&id));
        if anew {
            release(services, scope, destination.id).await?;
        }
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

/// Lets all work go on that waits for this destination's credential.
pub async fn release(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<(), Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    for _ in 0..LOOK {
        let piece = move |tx: &mut WriteTx<'_>| release_piece(tx, scope, id, most, now);
        let count = services.store.write(scope.controller().uuid(), piece).await?;
        if i64::try_from(count).is_ok_and(|count| count < most) {
            break;
        }
    }
    Ok(())
}

/// Lets some of the work go on that waits for this connection; says whether a destination is spoken to by it.
pub(super) fn release_of(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    id: ConnectionId,
    most: i64,
    now: Timestamp,
) -> Result<bool, Error> {
    let mut in_use = false;
    for destination in tx.destinations(scope)?.into_iter().filter(|one| one.connection_id == Some(id)) {
        in_use = true;
        release_piece(tx, scope, destination.id, most, now)?;
    }
    Ok(in_use)
}

/// Lets some work go on that was parked as this destination did not take its credential: rounds, and people who are to be
/// brought in step.
fn release_piece(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    destination: DestinationId,
    most: i64,
    now: Timestamp,
) -> Result<usize, Error> {
    let words = refused_words(destination);
    let mut released = 0;
    for kind in [TaskKind::Round, TaskKind::Sync] {
        released += tx.release_parked(scope, kind, &words, most, now)?;
    }
    Ok(released)
}
