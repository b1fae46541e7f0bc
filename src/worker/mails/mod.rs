//! The lane of mails. One stage hands what it has done to the next, batch by batch:
//!
//! ```text
//! claim and draft ──> desk ────────> carriers ──────> outcomes
//! ahead               gate and       speak to the     written down,
//!                     hand-over,     relay, one for   one commit
//!                     one commit     each connection
//! ```
//!
//! More mails are in hand than there are connections, so that connections never wait for a commit.

mod carrier;
mod desk;
mod in_hand;
mod outcomes;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use crate::domain::task::TaskKind;
use crate::store::outbox::Task;
use crate::usecases::RelayPool;
use crate::usecases::deliver::{Drafted, draft_all};

use super::Worker;
use super::handlers::postpone;
use carrier::Carrier;
use desk::Desk;
use in_hand::{InHand, Tempo};
use outcomes::write_down;

/// A batch that is sent within this time may be followed by a larger one.
const QUICK: Duration = Duration::from_secs(1);
/// After one that took longer, no more is claimed ahead than can be in hand: no claim runs out while it waits.
const SLOW: Duration = Duration::from_secs(5);

/// One prepares a hand-over while that of another is being committed.
const DESKS: usize = 2;

/// Works until `stop` says so; then finishes what is in hand.
pub(super) async fn lane(worker: Worker, relay: RelayPool, stop: watch::Receiver<bool>) {
    let (drafts, drafted) = mpsc::channel(1);
    let ahead = tokio::spawn(draft_ahead(worker.clone(), relay.clone(), drafts, stop.clone()));
    // Both have room for all that is in hand.
    let most = worker.settings.mails_in_hand.clamp(1, 10_000);
    let (ready, to_carry) = mpsc::channel(most);
    let (sent, to_write) = mpsc::channel(most);
    let in_hand = InHand::none();
    let mut hands = JoinSet::new();
    let carrier = Carrier {
        worker: worker.clone(),
        relay: relay.clone(),
        ready: Arc::new(Mutex::new(to_carry)),
        in_hand: Arc::clone(&in_hand),
        sent,
    };
    for _ in 1..relay.most() {
        hands.spawn(carrier.clone().work());
    }
    hands.spawn(carrier.work());
    let enough = Tempo::within(most).most();
    hands.spawn(write_down(worker.clone(), to_write, Arc::clone(&in_hand), enough));
    let drafted = Arc::new(Mutex::new(drafted));
    let mut desks = JoinSet::new();
    for _ in 0..DESKS {
        let desk = Desk::new(worker.clone(), Arc::clone(&drafted), ready.clone(), Arc::clone(&in_hand));
        desks.spawn(desk.work(stop.clone()));
    }
    drop(ready);
    while desks.join_next().await.is_some() {}
    ahead.abort();
    super::finish_in_hand(TaskKind::Mail, hands, worker.settings.stop_wait).await;
}

/// Claims and drafts while there is room for a batch; as much as goes out quickly.
async fn draft_ahead(
    worker: Worker,
    relay: RelayPool,
    ready: mpsc::Sender<Vec<Drafted>>,
    mut stop: watch::Receiver<bool>,
) {
    let least = Tempo::within(worker.settings.mails_in_hand).most();
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
