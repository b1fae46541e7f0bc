//! The lane of mails, in two stages: one claims and drafts batch by batch, ahead; the other hands each mail over, sends
//! it and writes down what came of it. Hand-overs and outcomes of mails on their way at the same time are committed
//! together.
//!
//! More mails are in hand than there are connections, so that connections never wait for a commit. The gate's yes holds
//! for a second (RP-05): where a connection was longer in coming, the gate is asked again with the connection in hand.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use crate::domain::mailing::MailState;
use crate::domain::task::TaskKind;
use crate::store::outbox::Task;
use crate::usecases::deliver::{
    Attempted, Draft, Drafted, GiveUp, HandOver, Pace, Ready, abandon, draft_all, hand_over, hand_over_again, settle,
};
use crate::usecases::{Error, RelayPool};

use super::Worker;
use super::handlers::{guarded, postpone};

/// A batch that is sent within this time may be followed by a larger one.
const QUICK: Duration = Duration::from_secs(1);
/// After one that took longer, no more is claimed ahead than can be in hand: no claim runs out while it waits.
const SLOW: Duration = Duration::from_secs(5);

/// Works until `stop` says so; then finishes what is in hand.
pub(super) async fn lane(worker: Worker, relay: RelayPool, mut stop: watch::Receiver<bool>) {
    let (ready, mut drafted) = mpsc::channel::<Vec<Drafted>>(1);
    let ahead = tokio::spawn(draft_ahead(worker.clone(), relay.clone(), ready, stop.clone()));
    let hands = Hands {
        sending: Arc::new(Semaphore::new(sending(&worker))),
        // What is sent and not yet written down would be sent twice after a crash.
        open: Arc::new(Semaphore::new(worker.settings.mails_in_hand.clamp(1, 10_000))),
    };
    let mut mails = JoinSet::new();
    'work: while let Some(batch) = drafted.recv().await {
        for (task, draft) in batch {
            let places = tokio::select! {
                places = hands.take() => places,
                _ = stop.changed() => break 'work,
            };
            let Some(places) = places else { break 'work };
            let (worker, relay) = (worker.clone(), relay.clone());
            mails.spawn(async move {
                let (inner, claim) = (worker.clone(), task.clone());
                guarded(&worker, &task, async move { carry(&inner, &relay, &claim, draft?, places).await }).await;
            });
            while mails.try_join_next().is_some() {}
        }
    }
    // What was drafted and not begun runs out by its lease.
    drop(drafted);
    ahead.abort();
    super::finish_in_hand(TaskKind::Mail, mails, worker.settings.stop_wait).await;
}

/// Of the mails in hand, those that wait for the relay's answer; the others are being written down.
fn sending(worker: &Worker) -> usize {
    worker.settings.mails_in_hand.clamp(1, 10_000).div_ceil(4)
}

/// Bounds of what is on its way.
struct Hands {
    sending: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

/// A mail's places.
struct Places {
    sending: OwnedSemaphorePermit,
    _open: OwnedSemaphorePermit,
}

impl Hands {
    async fn take(&self) -> Option<Places> {
        let open = Arc::clone(&self.open).acquire_owned().await.ok()?;
        Some(Places { sending: Arc::clone(&self.sending).acquire_owned().await.ok()?, _open: open })
    }
}

/// Claims and drafts while there is room for a batch; as much as goes out quickly.
async fn draft_ahead(
    worker: Worker,
    relay: RelayPool,
    ready: mpsc::Sender<Vec<Drafted>>,
    mut stop: watch::Receiver<bool>,
) {
    let least = sending(&worker);
    let most = worker.settings.claim_batch.max(least);
    let (mut size, mut since) = (least, Instant::now());
    while !*stop.borrow() {
        let Ok(place) = ready.reserve().await else { return };
        size = match since.elapsed() {
            quick if quick < QUICK => (size * 2).min(most),
            slow if slow > SLOW => least,
            _ => size,
        };
        let Some(claimed) = worker.claim_or_wait(TaskKind::Mail, size, &mut stop).await else { continue };
        let Some(smtputf8) = reachable(&worker, &relay, &claimed).await else {
            tokio::select! {
                () = tokio::time::sleep(worker.settings.unreachable_look) => {}
                _ = stop.changed() => {}
            }
            continue;
        };
        match draft_all(&worker.services, claimed, smtputf8).await {
            Ok(drafted) => place.send(drafted),
            // The leases run out by themselves.
            Err(error) => tracing::error!(%error, "drafting a batch of mails failed"),
        }
        since = Instant::now();
    }
}

/// Whether the relay answers, and then whether it takes addresses outside ASCII. If not, nothing was tried with these
/// mails: they wait without counting, until the gate or their round ends them.
async fn reachable(worker: &Worker, relay: &RelayPool, claimed: &[Task]) -> Option<bool> {
    let error = match relay.lease().await {
        Ok(lease) => return Some(lease.offers_smtputf8()),
        Err(error) => error,
    };
    metrics::counter!("reconsent_mails_total", "outcome" => "unreachable").increment(1);
    tracing::warn!(error = error.code(), "the relay cannot be reached; mails wait");
    for task in claimed {
        if let Err(error) = postpone(worker, task, worker.settings.unreachable_look).await {
            tracing::error!(%error, "putting a mail back failed");
        }
    }
    None
}

async fn carry(
    worker: &Worker,
    relay: &RelayPool,
    task: &Task,
    draft: Option<Arc<Draft>>,
    places: Places,
) -> Result<(), Error> {
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
    // The next mail need not wait until this one's outcome is written down.
    drop(places.sending);
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
        HandOver::Throttled(Some(bucket)) => {
            metrics::counter!("reconsent_mails_throttled_total", "bucket" => bucket.name()).increment(1);
        }
        HandOver::Throttled(None) | HandOver::Postponed | HandOver::NotOurs => {}
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
