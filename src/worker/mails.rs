//! The lane of mails: claims a batch, drafts it in one reading, and sends each mail by itself. Hand-overs and outcomes
//! of mails that are on their way at the same time are committed together.
//!
//! More mails are in hand than there are connections, so that connections never wait for a commit. The gate's yes holds
//! for a second (RP-05): where a connection was longer in coming, the gate is asked again with the connection in hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::domain::mailing::MailState;
use crate::domain::task::TaskKind;
use crate::store::outbox::Task;
use crate::usecases::deliver::{
    Attempted, Draft, GiveUp, HandOver, Pace, Ready, abandon, draft_all, hand_over, hand_over_again, settle,
};
use crate::usecases::{Error, RelayPool};

use super::Worker;
use super::handlers::{guarded, postpone};

/// Works until `stop` says so; then finishes what is in hand.
pub(super) async fn lane(worker: Worker, relay: RelayPool, mut stop: watch::Receiver<bool>) {
    let most = worker.settings.mails_in_hand.clamp(1, 10_000);
    let slots = Arc::new(Semaphore::new(most));
    // Enough for a batch to be worth a reading and a commit.
    let worthwhile = u32::try_from(most.div_ceil(4)).unwrap_or(1);
    let mut hands = JoinSet::new();
    while !*stop.borrow() {
        tokio::select! {
            free = slots.acquire_many(worthwhile) => drop(free),
            _ = stop.changed() => continue,
        }
        let limit = slots.available_permits().min(worker.settings.claim_batch.max(1));
        let Some(claimed) = worker.claim_or_wait(TaskKind::Mail, limit, &mut stop).await else { continue };
        while hands.try_join_next().is_some() {}
        // Nothing was tried with these mails: they wait without counting, until the gate or their round ends them.
        let smtputf8 = match relay.lease().await {
            Ok(lease) => lease.offers_smtputf8(),
            Err(error) => {
                metrics::counter!("reconsent_mails_total", "outcome" => "unreachable").increment(1);
                tracing::warn!(error = error.code(), "the relay cannot be reached; mails wait");
                for task in &claimed {
                    if let Err(error) = postpone(&worker, task, worker.settings.unreachable_look).await {
                        tracing::error!(%error, "putting a mail back failed");
                    }
                }
                tokio::select! {
                    () = tokio::time::sleep(worker.settings.unreachable_look) => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
        };
        let drafted = match draft_all(&worker.services, claimed, smtputf8).await {
            Ok(drafted) => drafted,
            Err(error) => {
                // The leases run out by themselves.
                tracing::error!(%error, "drafting a batch of mails failed");
                continue;
            }
        };
        for (task, draft) in drafted {
            // No more was claimed than there were free slots; what a stop leaves over runs out by its lease.
            let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
            let (worker, relay) = (worker.clone(), relay.clone());
            hands.spawn(async move {
                let (inner, claim) = (worker.clone(), task.clone());
                guarded(&worker, &task, async move { carry(&inner, &relay, &claim, draft?).await }).await;
                drop(slot);
            });
        }
    }
    super::finish_in_hand(TaskKind::Mail, hands, worker.settings.stop_wait).await;
}

async fn carry(worker: &Worker, relay: &RelayPool, task: &Task, draft: Option<Arc<Draft>>) -> Result<(), Error> {
    let Some(draft) = draft else { return abandon(&worker.services, task).await };
    let settings = &worker.settings;
    let pace = Pace { lease: settings.handover_lease, paused_look: settings.paused_look };
    let Some(mut ready) = passed(task, hand_over(&worker.services, task, draft, pace).await?) else { return Ok(()) };
    let since = Instant::now();
    let attempted = match relay.lease().await {
        Ok(mut lease) => {
            if since.elapsed() > settings.gate_holds {
                let outcome = hand_over_again(&worker.services, task, &ready, pace).await?;
                let Some(still) = passed(task, outcome) else { return Ok(()) };
                ready = still;
            }
            let outcome = lease.send(ready.envelope(), ready.bytes()).await;
            let attempted = Attempted::from_outcome(&outcome);
            if !attempted.is_accepted() {
                tracing::info!(mail = %task.reference, ?outcome, "a mail was not accepted");
            }
            attempted
        }
        Err(error) => Attempted::unreachable(error.code()),
    };
    let state = settle_surely(worker, task, &ready, attempted).await?;
    metrics::counter!("reconsent_mails_total", "outcome" => state.map_or("lost_claim", MailState::name)).increment(1);
    Ok(())
}

/// The mail, if the gate let it through.
fn passed(task: &Task, outcome: HandOver) -> Option<Ready> {
    match outcome {
        HandOver::Send(ready) => return Some(*ready),
        HandOver::Cancelled(reason) => {
            metrics::counter!("reconsent_mails_total", "outcome" => "cancelled").increment(1);
            tracing::info!(mail = %task.reference, reason = reason.name(), "a mail was cancelled by the gate");
        }
        HandOver::Held => metrics::counter!("reconsent_mails_total", "outcome" => "held").increment(1),
        HandOver::Postponed | HandOver::NotOurs => {}
    }
    None
}

/// What the relay has said is known and must not be lost to a busy store: it is settled again and again for as long as
/// the claim may hold, rather than leave the mail as one whose answer was lost.
async fn settle_surely(
    worker: &Worker,
    task: &Task,
    ready: &Ready,
    attempted: Attempted,
) -> Result<Option<MailState>, Error> {
    let settings = &worker.settings;
    let retry_after = worker.back_off(task.attempts);
    let give_up = GiveUp { retry_after, attempts: settings.mail_attempts, age: settings.max_age };
    let until = Instant::now() + settings.handover_lease;
    let mut pause = Duration::from_millis(20);
    loop {
        match settle(&worker.services, task, ready, attempted.clone(), give_up).await {
            Err(error) if Instant::now() + pause < until => {
                tracing::warn!(%error, mail = %ready.mail(), "what the relay said could not be written down; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            other => return other,
        }
    }
}
