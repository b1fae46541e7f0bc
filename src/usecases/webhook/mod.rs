//! What the destination tells us. A callback is unsigned and may be forged or late: a stop is acted on at once, as a
//! stop is always safe; anything that would start somebody is not believed (T-43, PR-09).
//!
//! A delivery holds up to a thousand events. It is answered well only when all its stops are on disk; what was recorded
//! before a failure is recorded once when the provider tells it again.

pub(super) mod stops;

use std::sync::Arc;
use std::time::Instant;

use crate::campaign_monitor::payload::EventKind as Told;
use crate::campaign_monitor::{WebhookEvent, Zone, parse_batch};
use crate::crypto::ControllerKeys;
use crate::crypto::secret::sha256;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, PurposeId};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::destinations::Destination;
use crate::store::former_lists::FormerList;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::{Error, Services};
use stops::{List, Stop, batches, record};

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Stops that were recorded.
    pub stopped: usize,
    /// Events that called for nothing: starts, echoes of our own doing, lists we do not keep, what was said twice.
    pub ignored: usize,
}

/// Finds the destination that the secret in the address belongs to, before anything of the body is read.
pub async fn find(services: &Services, secret: &str) -> Result<Destination, Error> {
    let hash = sha256(secret.as_bytes());
    let look = move |tx: &mut ReadTx<'_>| match tx.destination_by_webhook(&hash) {
        // One that was replaced a while ago is heard too: what was on its way is not lost.
        Err(StoreError::NotFound) => tx.destination_by_former_webhook(&hash),
        found => found,
    };
    match services.store.read(look).await {
        Ok(destination) => Ok(destination),
        Err(StoreError::NotFound) => Err(Error::UnknownLink),
        Err(error) => Err(error.into()),
    }
}

/// Takes a delivery in; a body that does not read is the caller's fault.
pub async fn receive(services: &Services, destination: &Destination, body: &[u8]) -> Result<Received, Error> {
    let begun = Instant::now();
    let scope = ControllerScope::granted(destination.controller_id);
    let batch = parse_batch(body).map_err(|error| Error::field("body", error))?;
    let list = Arc::new(list(services, destination, batch.list_id.clone().unwrap_or_default()).await?);
    let mut received = Received { stopped: 0, ignored: batch.events.len() };
    if !list.is_ours() {
        return Ok(received);
    }
    let keys = services.keys.of(scope).await?;
    let zone = Zone::named(&destination.time_zone).ok();
    let told = batch.events.iter().filter_map(|event| stop_in(event, &keys, zone.as_ref()));
    // Whoever is deleted from a round's list was taken off by us, or by its owner: no word of the person.
    let told: Vec<Stop> = told.filter(|stop| !(stop.deleted && list.campaign.is_some())).collect();
    for stops in batches(told, services.rules.pieces.webhook_stops) {
        // Answered with an error before the caller gives up, so that nobody believes to have been heard to the end.
        if begun.elapsed() > services.rules.webhook_time {
            return Err(Error::Store(StoreError::Busy("a delivery takes too long")));
        }
        let (house, keys, list) = (services.clone(), keys.clone(), list.clone());
        let acted = services
            .store
            .write(destination.id.uuid(), move |tx: &mut WriteTx<'_>| record(tx, &house, &keys, &list, &stops))
            .await?;
        received.stopped += acted;
        received.ignored = received.ignored.saturating_sub(acted);
    }
    Ok(received)
}

/// What is known about the list that the delivery names.
pub(super) async fn list(services: &Services, destination: &Destination, id: String) -> Result<List, Error> {
    let (scope, wanted) = (ControllerScope::granted(destination.controller_id), id.clone());
    let most = services.rules.limits.former_lists;
    let (purposes, former, round) = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let lists = tx.destination_lists(scope)?.into_iter().filter(|list| list.list_id == wanted);
            let purposes: Vec<PurposeId> = lists.map(|list| list.purpose_id).collect();
            let former = tx.former_lists(scope, most)?.into_iter().filter(|list| list.list_id == wanted);
            let former = former.collect::<Vec<FormerList>>();
            let round = tx.round_of_list(scope, &wanted)?;
            let round = round.map(|round| tx.campaign(scope, round.campaign_id)).transpose()?;
            Ok::<_, StoreError>((purposes, former, round))
        })
        .await?;
    if let Some(round) = round {
        let source = format!("campaign:{}", round.id);
        return Ok(List { scope, source, id, purposes: round.purposes()?, former, campaign: Some(round.id) });
    }
    Ok(List { scope, source: format!("destination:{}", destination.id), id, purposes, former, campaign: None })
}

/// The stop, if the event says that somebody is no longer to be mailed there. Any `Deactivate` does, whatever its state
/// text says (section 14.2); so does a change of address for the address left behind.
fn stop_in(event: &WebhookEvent, keys: &ControllerKeys, zone: Option<&Zone>) -> Option<Stop> {
    let state = event.state.as_deref().unwrap_or_default();
    let (address, reason) = match event.kind {
        Told::Deactivate => (event.email_address.as_deref()?, reason(state)),
        Told::Update => (event.moved_from()?, SuppressionReason::Withdrawn),
        Told::Subscribe | Told::Unknown(_) => return None,
    };
    let address = EmailAddress::parse(address).ok()?;
    let fingerprint = |address: &EmailAddress| keys.email_fingerprint(&address.match_key()).to_vec();
    let moved_to = event.moved_from().and(event.email_address.as_deref());
    let moved_to = moved_to.filter(|_| event.kind == Told::Update).and_then(|to| EmailAddress::parse(to).ok());
    Some(Stop {
        moved_to: moved_to.as_ref().map(fingerprint),
        fingerprint: fingerprint(&address),
        address,
        reason,
        deleted: event.kind == Told::Deactivate && state.eq_ignore_ascii_case("deleted"),
        told_until: zone.and_then(|zone| told_until(event, zone)),
    })
}

fn reason(state: &str) -> SuppressionReason {
    match state.to_ascii_lowercase().as_str() {
        "bounced" => SuppressionReason::HardBounce,
        "spam" => SuppressionReason::Complained,
        _ => SuppressionReason::Withdrawn,
    }
}

/// The end of the minute in which the event says that it happened.
fn told_until(event: &WebhookEvent, zone: &Zone) -> Option<Timestamp> {
    zone.window(event.date.as_deref()?).ok().map(|window| Timestamp::from_micros(window.latest))
}
