//! What is looked after at a destination by itself. Its webhooks: the provider switches one off after a week of deliveries
//! that failed, and nobody there shows it (campaign-monitor section 7); so they are looked at every hour, put right, and
//! followed by a comparison of both sides, as stops may have been missed. And the secret in their address: whoever has seen
//! it gets another; the new one is registered before the old one is taken away, and the old one is heard for a while.

use std::time::Duration;

use crate::campaign_monitor::{Account, CallError};
use crate::crypto::secret::{bearer_token, sha256};
use crate::domain::ids::{ControllerScope, DestinationId};
use crate::domain::reconcile::{Differences, ReconcileCause};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::destinations::Destination;
use crate::store::outbox::Task;
use crate::store::upkeep::{FormerWebhook, Upkeep};
use crate::store::{ReadTx, StoreError, WriteTx};

use super::connection::{Heard, drop_former, ensure_webhook, heard_by};
use super::destinations::{on_loopback, webhook_url};
use super::sync::{Provider, Visit, Wait};
use super::{Error, Services, reconcile};

/// Before those who are brought in step: by a webhook stops come here.
const LANE: i16 = 0;

/// Secrets that may be heard beside the one in use.
const HEARD: usize = 5;

/// Days between two comparisons, unless said otherwise: a week (campaign-monitor section 16).
const RECONCILE_EVERY: i16 = 7;

/// How often both sides are compared while a webhook cannot be put right.
const COMPARED_WHILE_DEAF: Duration = Duration::from_secs(86_400);

/// What is looked after where nothing was ever said.
pub fn usual(destination: &Destination) -> Upkeep {
    Upkeep {
        controller_id: destination.controller_id,
        destination_id: destination.id,
        watched_at: None,
        reconciled_at: None,
        reconcile_every: RECONCILE_EVERY,
        stops_missed: false,
        automatic: Differences::STOPS.bits(),
    }
}

/// How looking at a destination's webhooks went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watched {
    /// They were looked at, and put right as far as that can be.
    Done,
    /// Look again, not before this much time.
    Later(Option<Duration>),
}

/// Asks for what is due: a look at the webhooks, a comparison of both sides.
pub async fn ask_for_due(services: &Services, scope: ControllerScope) -> Result<(), Error> {
    let (now, every, ids) = (services.clock.now(), services.rules.webhook_watch, services.ids.clone());
    let look = move |tx: &mut ReadTx<'_>| {
        let lists = tx.destination_lists(scope)?.into_iter().map(|list| list.destination_id);
        let (kept, rounds) = (lists.collect::<Vec<_>>(), tx.destinations_of_rounds(scope)?);
        Ok::<_, Error>((tx.destinations(scope)?, tx.upkeeps(scope)?, kept, rounds))
    };
    let (destinations, upkeeps, kept, rounds) = services.store.read(look).await?;
    let of = |destination: &Destination| {
        let known = upkeeps.iter().find(|upkeep| upkeep.destination_id == destination.id).cloned();
        known.unwrap_or_else(|| usual(destination))
    };
    // A list made for a round has a webhook too; only lists of confirmed people are compared.
    let used = |destination: &&Destination| kept.contains(&destination.id) || rounds.contains(&destination.id);
    let mut due = Vec::new();
    for destination in destinations.iter().filter(used) {
        let upkeep = of(destination);
        let watch = upkeep.watched_at.unwrap_or(destination.created_at).plus(every) <= now;
        let days = Duration::from_secs(u64::try_from(upkeep.reconcile_every).unwrap_or(0) * 86_400);
        let compare = kept.contains(&destination.id)
            && !days.is_zero()
            && upkeep.reconciled_at.unwrap_or(destination.created_at).plus(days) <= now;
        if watch || compare {
            due.push((destination.clone(), watch, compare));
        }
    }
    if due.is_empty() {
        return Ok(());
    }
    let work = move |tx: &mut WriteTx<'_>| {
        for (destination, watch, compare) in &due {
            // What is asked for already is not made more of.
            if *watch && tx.task(scope, TaskKind::Watch, destination.id.uuid())?.is_none() {
                tx.enqueue(&[task(scope, destination.id, now)])?;
            }
            if *compare {
                tx.lock_destination(scope, destination.id)?;
                reconcile::begin(tx, &*ids, destination, ReconcileCause::Schedule, now)?;
            }
        }
        Ok::<_, Error>(())
    };
    services.store.write(scope.controller().uuid(), work).await
}

fn task(scope: ControllerScope, id: DestinationId, now: Timestamp) -> Task {
    Task::new(scope, TaskKind::Watch, id.uuid(), LANE, now, now)
}

/// Gives the webhook's address another secret, and asks for it to be registered in place of the one before. Says the new
/// address.
pub async fn rotate_webhook(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<String, Error> {
    let keys = services.keys.of(scope).await?;
    let (now, sealing) = (services.clock.now(), keys.clone());
    let secret = bearer_token("");
    let work = move |tx: &mut WriteTx<'_>| {
        let destination = tx.lock_destination(scope, id)?;
        if tx.former_webhooks(scope, id)?.len() >= HEARD {
            return Err(Error::NotNow(format!(
                "it was changed {HEARD} times of late; wait until those before are heard no more"
            )));
        }
        // All secrets of a destination are sealed by one version.
        let anew = |sealed: &Vec<u8>| {
            let plain = sealing.open("destinations", "credentials", id.uuid(), destination.key_version, sealed)?;
            Ok::<_, Error>(sealing.seal("destinations", "credentials", id.uuid(), &plain).1)
        };
        let credentials = destination.credentials.as_ref().map(anew).transpose()?;
        let (version, sealed) = sealing.seal("destinations", "webhook_secret", id.uuid(), secret.as_bytes());
        tx.replace_webhook(&destination, &sha256(secret.as_bytes()), &sealed, now)?;
        tx.reseal_destination(&Destination {
            key_version: version,
            credentials,
            webhook_secret: sealed,
            ..destination
        })?;
        tx.enqueue(&[task(scope, id, now)])?;
        Ok(())
    };
    services.store.write(scope.controller().uuid(), work).await?;
    let destination = services.store.read(move |tx: &mut ReadTx<'_>| tx.destination(scope, id)).await?;
    webhook_url(services, &keys, &destination)
}

/// Looks at the webhooks of a destination's lists, and puts right what is not as it should be.
pub async fn watch(
    services: &Services,
    provider: &Provider,
    scope: ControllerScope,
    id: DestinationId,
) -> Result<Watched, Error> {
    let look = move |tx: &mut ReadTx<'_>| {
        let mut lists: Vec<String> =
            tx.destination_lists(scope)?.into_iter().filter(|l| l.destination_id == id).map(|l| l.list_id).collect();
        lists.extend(tx.round_lists_unheard(scope, id)?);
        lists.sort_unstable();
        lists.dedup();
        Ok::<_, StoreError>((tx.destination(scope, id)?, lists, tx.former_webhooks(scope, id)?))
    };
    let (destination, lists, former) = services.store.read(look).await?;
    // A house on loopback cannot be called from outside.
    let deaf = on_loopback(&services.base_url) && !on_loopback(&destination.base_url);
    let (mut whole, mut restored) = (true, false);
    if !deaf {
        let keys = services.keys.of(scope).await?;
        let url = webhook_url(services, &keys, &destination)?;
        for list in &lists {
            let visit = match Visit::begin(services, provider, &destination).await? {
                Ok(visit) => visit,
                Err(pause) => return Ok(Watched::Later(Some(pause))),
            };
            let tended = tend(services, &visit.account(), &destination, list, &url, &former).await?;
            visit.end(&tended);
            restored |= matches!(tended, Ok(Tended::Restored));
            if let Err(error) = tended {
                match Wait::after(&error) {
                    Wait::For(after) => return Ok(Watched::Later(after)),
                    Wait::Person(reason) => {
                        // The check of the connection tells it; the other lists are none the worse for it.
                        tracing::warn!(destination = %id, ?reason, %error, "a list's webhook could not be looked at");
                        whole = false;
                    }
                }
            }
        }
    }
    let (now, ids, heard) = (services.clock.now(), services.ids.clone(), services.rules.webhook_heard);
    let work = move |tx: &mut WriteTx<'_>| {
        let destination = tx.lock_destination(scope, id)?;
        let known = tx.upkeep(scope, id)?.unwrap_or_else(|| usual(&destination));
        // One that cannot be put right goes on missing them, until a person sees to it.
        let lately = known.reconciled_at.is_some_and(|at| at.plus(COMPARED_WHILE_DEAF) > now);
        let rests = !whole && !restored && lately;
        let missed = known.stops_missed;
        tx.save_upkeep(&Upkeep { watched_at: Some(now), stops_missed: missed && rests, ..known })?;
        if whole {
            tx.forget_former_webhooks(scope, id, now.minus(heard))?;
        }
        if missed && !rests {
            let one = reconcile::begin(tx, &*ids, &destination, ReconcileCause::Webhook, now)?;
            // One that was under way may have read past what was missed: the next look begins another.
            if one.created_at < now {
                let known = tx.upkeep(scope, id)?.unwrap_or_else(|| usual(&destination));
                tx.save_upkeep(&Upkeep { stops_missed: true, ..known })?;
            }
        }
        Ok::<_, Error>(())
    };
    services.store.write(scope.controller().uuid(), work).await?;
    Ok(Watched::Done)
}

/// How a list's webhook was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tended {
    /// Stops were told here all along.
    Whole,
    /// It was off or missing, and is on again.
    Restored,
}

/// Looks at one list's webhook and puts it right. That stops may have been missed is on record before, so that a lost answer
/// does not make it forgotten.
async fn tend(
    services: &Services,
    account: &Account<'_>,
    destination: &Destination,
    list_id: &str,
    url: &str,
    former: &[FormerWebhook],
) -> Result<Result<Tended, CallError>, Error> {
    let heard = match heard_by(account, list_id, url, former).await {
        Ok(heard) => heard,
        Err(error) => return Ok(Err(error)),
    };
    // One that replaces another has missed nothing as long as that one is there.
    if heard == Heard::Not {
        tracing::warn!(destination = %destination.id, list = list_id, "a webhook is off or missing");
        note_missed(services, destination).await?;
    }
    let put_right = async {
        if heard != Heard::Ours {
            ensure_webhook(account, list_id, url).await?;
        }
        if former.is_empty() { Ok(()) } else { drop_former(account, list_id, former).await }
    };
    Ok(put_right.await.map(|()| if heard == Heard::Not { Tended::Restored } else { Tended::Whole }))
}

async fn note_missed(services: &Services, destination: &Destination) -> Result<(), Error> {
    let destination = destination.clone();
    let scope = ControllerScope::granted(destination.controller_id);
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_destination(scope, destination.id)?;
        let known = tx.upkeep(scope, destination.id)?.unwrap_or_else(|| usual(&destination));
        Ok::<_, Error>(tx.save_upkeep(&Upkeep { stops_missed: true, ..known })?)
    };
    services.store.write(scope.controller().uuid(), work).await
}

/// What is looked after at a destination, and how.
pub async fn find_upkeep(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<Upkeep, Error> {
    let look = move |tx: &mut ReadTx<'_>| {
        let destination = tx.destination(scope, id)?;
        Ok::<_, Error>(tx.upkeep(scope, id)?.unwrap_or_else(|| usual(&destination)))
    };
    services.store.read(look).await
}

/// Says how often both sides are compared, and what is then put right without asking. Stops always are.
pub async fn set_upkeep(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    every_days: i16,
    automatic: Differences,
) -> Result<Upkeep, Error> {
    if !(0..=365).contains(&every_days) {
        return Err(Error::field("reconcile_every_days", "expected 0 (only when asked for) to 365"));
    }
    if let Some(never) = automatic.iter().find(|one| !one.can_be_applied()) {
        return Err(Error::field("automatic", format!("{never} cannot be put right from here")));
    }
    let work = move |tx: &mut WriteTx<'_>| {
        let destination = tx.lock_destination(scope, id)?;
        let known = tx.upkeep(scope, id)?.unwrap_or_else(|| usual(&destination));
        let automatic = automatic.and(Differences::STOPS).bits();
        let upkeep = Upkeep { reconcile_every: every_days, automatic, ..known };
        tx.save_upkeep(&upkeep)?;
        Ok::<_, Error>(upkeep)
    };
    services.store.write(scope.controller().uuid(), work).await
}
