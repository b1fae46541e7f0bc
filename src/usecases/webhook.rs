//! What the destination tells us. A callback is unsigned and may be forged or late: a stop is acted on at once, as a
//! stop is always safe; anything that would start somebody is not believed (T-43, PR-09).

use crate::campaign_monitor::payload::EventKind as Told;
use crate::campaign_monitor::{WebhookEvent, Zone, parse_batch};
use crate::crypto::ControllerKeys;
use crate::crypto::secret::sha256;
use crate::domain::consent::Command;
use crate::domain::email::EmailAddress;
use crate::domain::event::{EventKind, Method};
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::destinations::{Destination, DestinationState};
use crate::store::former_lists::FormerList;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::destinations::MOST_FORMER;
use super::record::{Occasion, Person, apply, entry};
use super::sync::stood_for;
use super::{Error, Services};

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// Stops that were recorded.
    pub stopped: usize,
    /// Events that called for nothing: starts, echoes of our own doing, lists we do not keep.
    pub ignored: usize,
}

/// Finds the destination that the secret in the address belongs to, before anything of the body is read.
pub async fn find(services: &Services, secret: &str) -> Result<Destination, Error> {
    let hash = sha256(secret.as_bytes());
    match services.store.read(move |tx: &mut ReadTx<'_>| tx.destination_by_webhook(&hash)).await {
        Ok(destination) => Ok(destination),
        Err(StoreError::NotFound) => Err(Error::UnknownLink),
        Err(error) => Err(error.into()),
    }
}

/// Takes a batch in; a body that does not read is the caller's fault.
pub async fn receive(services: &Services, destination: &Destination, body: &[u8]) -> Result<Received, Error> {
    let scope = ControllerScope::granted(destination.controller_id);
    let batch = parse_batch(body).map_err(|error| Error::field("body", error))?;
    let list_id = batch.list_id.clone().unwrap_or_default();
    let wanted = list_id.clone();
    let (purposes, former) = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let lists = tx.destination_lists(scope)?.into_iter().filter(|list| list.list_id == wanted);
            let purposes: Vec<PurposeId> = lists.map(|list| list.purpose_id).collect();
            let former = tx.former_lists(scope, MOST_FORMER)?.into_iter().filter(|list| list.list_id == wanted);
            Ok::<_, StoreError>((purposes, former.collect::<Vec<_>>()))
        })
        .await?;
    let keys = services.keys.of(scope).await?;
    let mut received = Received::default();
    for event in &batch.events {
        let stop = stop_in(event).filter(|_| !(purposes.is_empty() && former.is_empty()));
        let acted = match stop {
            Some((address, reason)) => {
                let stop = Stop {
                    services: services.clone(),
                    scope,
                    keys: (*keys).clone(),
                    list_id: list_id.clone(),
                    purposes: purposes.clone(),
                    former: former.clone(),
                    address,
                    reason,
                    deleted: event.state.as_deref().is_some_and(|state| state.eq_ignore_ascii_case("deleted")),
                    told_until: told_until(event, &destination.time_zone),
                    source: format!("destination:{}", destination.id),
                };
                let mut route = [0; 16];
                route.copy_from_slice(&keys.email_fingerprint(&stop.address.match_key())[..16]);
                services.store.write(uuid::Uuid::from_bytes(route), move |tx: &mut WriteTx<'_>| stop.run(tx)).await?
            }
            None => false,
        };
        if acted { received.stopped += 1 } else { received.ignored += 1 }
    }
    services.bell.notify_waiters();
    Ok(received)
}

/// The address and reason, if the event says that somebody is no longer to be mailed there. Any `Deactivate` does,
/// whatever its state text says (section 14.2); so does a change of address for the address left behind.
fn stop_in(event: &WebhookEvent) -> Option<(EmailAddress, SuppressionReason)> {
    let state = event.state.as_deref().unwrap_or_default();
    let reason = match state.to_ascii_lowercase().as_str() {
        "bounced" => SuppressionReason::HardBounce,
        "spam" => SuppressionReason::Complained,
        _ => SuppressionReason::Withdrawn,
    };
    match event.kind {
        Told::Deactivate => Some((EmailAddress::parse(event.email_address.as_deref()?).ok()?, reason)),
        Told::Update => Some((EmailAddress::parse(event.moved_from()?).ok()?, SuppressionReason::Withdrawn)),
        Told::Subscribe | Told::Unknown(_) => None,
    }
}

/// The end of the minute in which the event says that it happened.
fn told_until(event: &WebhookEvent, time_zone: &str) -> Option<Timestamp> {
    let zone = Zone::named(time_zone).ok()?;
    zone.window(event.date.as_deref()?).ok().map(|window| Timestamp::from_micros(window.latest))
}

struct Stop {
    services: Services,
    scope: ControllerScope,
    keys: ControllerKeys,
    list_id: String,
    /// Kept on the list now.
    purposes: Vec<PurposeId>,
    /// Kept on it before: who has yet to leave it, or was mailed from there, may stop there.
    former: Vec<FormerList>,
    address: EmailAddress,
    reason: SuppressionReason,
    /// Removed by the list's owner, which may have been us.
    deleted: bool,
    /// The latest moment at which it can have happened there, if the event says.
    told_until: Option<Timestamp>,
    source: String,
}

impl Stop {
    fn run(&self, tx: &mut WriteTx<'_>) -> Result<bool, Error> {
        let now = self.services.clock.now();
        let occasion = Occasion::plain(now, Method::Destination, Some(self.source.clone()));
        let fingerprint = self.keys.email_fingerprint(&self.address.match_key());
        let Some(found) = tx.subject_by_fingerprint(self.scope, &fingerprint)? else {
            // Nobody we know, but a stop all the same: a later import of the address is then refused (SU-05).
            let entries: Vec<_> = self
                .meant(None)
                .iter()
                .map(|purpose| entry(&self.keys, self.scope, &self.address, *purpose, self.reason, &occasion))
                .collect();
            tx.suppress(&entries)?;
            return Ok(true);
        };
        let states = tx.destination_states(self.scope, found.id)?;
        let ours = states.iter().find(|state| state.list_id == self.list_id);
        // A complaint or a bounce is news all the same.
        let withdrawn = self.reason == SuppressionReason::Withdrawn;
        if withdrawn && ours.is_some_and(|state| self.is_echo(state)) {
            return Ok(false);
        }
        let purposes = self.meant(ours);
        if withdrawn && self.is_older_than_the_newest_yes(tx, found.id, &purposes)? {
            // Late news of a stop that the person has since undone here, by a newer act of her own.
            return Ok(false);
        }
        let person = Person::open(self.scope, &self.keys, tx.lock_subject(self.scope, found.id)?)?;
        if self.reason == SuppressionReason::HardBounce {
            let dead = entry(
                &self.keys,
                self.scope,
                &self.address,
                crate::store::suppressions::EVERY_PURPOSE,
                self.reason,
                &occasion,
            );
            tx.suppress(&[dead])?;
            tx.set_undeliverable(self.scope, person.row.id, true)?;
            return Ok(true);
        }
        for purpose in &purposes {
            let command = Command::Withdraw { reason: self.reason };
            apply(tx, &*self.services.ids, &self.keys, &person, *purpose, command, &occasion)?;
        }
        Ok(true)
    }

    /// The purposes that the stop is about: those kept on the list now, and those for which the person was brought to
    /// it, or may have been.
    fn meant(&self, state: Option<&DestinationState>) -> Vec<PurposeId> {
        let concerned =
            |former: &&FormerList| self.purposes.is_empty() || state.is_some_and(|state| stood_for(state, former));
        let before = self.former.iter().filter(concerned).map(|former| former.purpose_id);
        let mut meant: Vec<PurposeId> = self.purposes.iter().copied().chain(before).collect();
        meant.sort_unstable();
        meant.dedup();
        meant
    }

    /// Our own doing comes back as an echo (section 14.4). Whoever we set aside while their consent stood was removed
    /// by the list's owner, in the provider's words; a stop in any other words is the person's own.
    fn is_echo(&self, state: &DestinationState) -> bool {
        if state.set_aside {
            return self.deleted;
        }
        let late = self.told_until.is_some_and(|told_until| told_until < state.synced_at);
        !state.active || (self.deleted && late)
    }

    fn is_older_than_the_newest_yes(
        &self,
        tx: &mut WriteTx<'_>,
        subject: SubjectId,
        purposes: &[PurposeId],
    ) -> Result<bool, Error> {
        let Some(told_until) = self.told_until else { return Ok(false) };
        for purpose in purposes {
            for kind in [EventKind::Given, EventKind::Renewed] {
                let newest = tx.latest_event(self.scope, subject, *purpose, kind)?;
                if newest.is_some_and(|event| event.at > told_until) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
