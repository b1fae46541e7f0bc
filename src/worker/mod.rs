//! The door through which the house acts by itself: it claims durable work with a lease, carries each piece out under a
//! guard, and settles it. Any number of workers share one database; none leads.
//!
//! Delivery is at least once: a worker that dies leaves its claims to run out, and another takes them up. What makes
//! that harmless stands in the use cases.

mod destinations;
mod handlers;
mod imports;
mod mails;
pub mod retry;
mod rounds;
mod sync;
mod timetable;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::outbox::Task;
use crate::store::{Outcomes, WriteTx};
use crate::usecases::RelayPool;
use crate::usecases::sync::SharedProvider;
use crate::usecases::{Error, Services};

/// A lane asks for work.
struct Claim {
    kind: TaskKind,
    limit: usize,
    now: Timestamp,
    lease: Duration,
}

impl crate::store::Command for Claim {
    type Answer = Vec<Task>;
    type Error = Error;

    fn route(&self) -> uuid::Uuid {
        uuid::Uuid::from_u128(self.kind.code().unsigned_abs().into())
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        // One a lane: each claims its own kind in as few statements as there are controllers with due work.
        all.iter().map(|claim| Ok(Ok(tx.claim(claim.kind, claim.limit, claim.now, claim.lease)?))).collect()
    }
}

/// Waits for what is in hand, for so long at most.
async fn finish_in_hand(kind: TaskKind, mut hands: JoinSet<()>, wait: Duration) {
    let in_hand = async { while hands.join_next().await.is_some() {} };
    if tokio::time::timeout(wait, in_hand).await.is_err() {
        tracing::warn!(kind = kind.name(), "stopped with work in hand; its lease will run out");
    }
}

/// How the worker works.
#[derive(Debug, Clone)]
pub struct WorkerSettings {
    /// How long a claim holds.
    pub lease: Duration,
    /// How long a claim holds from the hand-over of a mail on; longer than the final dot may take.
    pub handover_lease: Duration,
    /// Pieces of work claimed at once, at most.
    pub claim_batch: usize,
    /// Mails handed over and not yet written down, at most: fewer where the relay is slow. A crash leaves as many in doubt
    ///
    pub mails_in_hand: usize,
    /// Controllers whose people are brought in step at once, and calls at once for one of them.
    pub sync_workers: usize,
    /// People brought in step together: rows of one import.
    pub sync_batch: usize,
    /// How long a list is read while others wait.
    pub import_turn: Duration,
    /// Lists kept in memory between two turns.
    pub imports_kept: usize,
    /// How long such a list is kept.
    pub imports_kept_for: Duration,
    /// How long the gate's yes holds until DATA, with a margin to the second of RP-05.
    pub gate_holds: Duration,
    /// How long what is in hand may take when the worker is told to stop.
    pub stop_wait: Duration,
    /// Lists read at once.
    pub import_workers: usize,
    /// Rounds frozen at once.
    pub launch_workers: usize,
    /// Material changes carried out at once.
    pub refresh_workers: usize,
    /// Attempts at a mail (threat-model section 5).
    pub mail_attempts: u32,
    /// Age at which a mail is given up.
    pub max_age: Duration,
    /// First delay before another attempt.
    pub retry_first: Duration,
    /// Longest delay.
    pub retry_cap: Duration,
    /// How often to look for work when nobody rings.
    pub poll_interval: Duration,
    /// How often to look at the clock.
    pub timetable_interval: Duration,
    /// When a mail of a paused round is looked at again.
    pub paused_look: Duration,
    /// When a mail is looked at again after the relay could not be reached.
    pub unreachable_look: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(60),
            handover_lease: Duration::from_secs(660),
            claim_batch: 256,
            mails_in_hand: 256,
            sync_workers: 4,
            sync_batch: 500,
            import_turn: Duration::from_secs(5),
            imports_kept: 4,
            imports_kept_for: Duration::from_secs(600),
            gate_holds: Duration::from_millis(900),
            stop_wait: Duration::from_secs(10),
            import_workers: 2,
            launch_workers: 1,
            refresh_workers: 1,
            mail_attempts: 8,
            max_age: Duration::from_secs(72 * 3600),
            retry_first: Duration::from_secs(5),
            retry_cap: Duration::from_secs(3600),
            poll_interval: Duration::from_millis(500),
            timetable_interval: Duration::from_secs(5),
            paused_look: Duration::from_secs(60),
            unreachable_look: Duration::from_secs(15),
        }
    }
}

/// Everything a worker needs.
#[derive(Clone)]
pub struct Worker {
    services: Services,
    settings: Arc<WorkerSettings>,
    relay: Option<RelayPool>,
    provider: SharedProvider,
    readings: Arc<imports::Shelf>,
}

impl Worker {
    /// A worker; without a relay, mail waits in the outbox.
    pub fn new(
        services: Services,
        settings: WorkerSettings,
        relay: Option<RelayPool>,
        provider: SharedProvider,
    ) -> Self {
        Self { services, settings: Arc::new(settings), relay, provider, readings: Arc::default() }
    }

    /// Works until `stop` says so; then finishes what is in hand, for at most ten seconds.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut lanes = JoinSet::new();
        if let Some(relay) = &self.relay {
            lanes.spawn(mails::lane(self.clone(), relay.clone(), stop.clone()));
        } else {
            tracing::warn!("no mail relay is configured: mails wait in the outbox");
        }
        lanes.spawn(sync::lane(self.clone(), stop.clone()));
        for (kind, hands) in [
            (TaskKind::Import, self.settings.import_workers),
            (TaskKind::Launch, self.settings.launch_workers),
            (TaskKind::Refresh, self.settings.refresh_workers),
            (TaskKind::Remap, self.settings.refresh_workers),
            (TaskKind::Reseal, 1),
            (TaskKind::Watch, 1),
            (TaskKind::Reconcile, 2),
            (TaskKind::Round, self.settings.launch_workers),
        ] {
            lanes.spawn(self.clone().lane(kind, hands, stop.clone()));
        }
        lanes.spawn(timetable::run(self.clone(), stop));
        while lanes.join_next().await.is_some() {}
    }

    /// One kind of work, `most` pieces at once.
    async fn lane(self, kind: TaskKind, most: usize, mut stop: watch::Receiver<bool>) {
        let most = most.max(1);
        let slots = Arc::new(Semaphore::new(most));
        let mut hands = JoinSet::new();
        while !*stop.borrow() {
            // Wait for a free hand before claiming, so that no claim lies idle.
            tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => drop(slot),
                _ = stop.changed() => continue,
            }
            let free = slots.available_permits().min(self.settings.claim_batch.max(1));
            let Some(claimed) = self.claim_or_wait(kind, free, &mut stop).await else { continue };
            for task in claimed {
                // No more was claimed than there were free hands; what a stop leaves over runs out by its lease.
                let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { break };
                let worker = self.clone();
                hands.spawn(async move {
                    handlers::carry_out(&worker, task).await;
                    drop(slot);
                });
            }
            while hands.try_join_next().is_some() {}
        }
        finish_in_hand(kind, hands, self.settings.stop_wait).await;
    }

    /// Claims due work; if there is none, waits until there may be.
    async fn claim_or_wait(&self, kind: TaskKind, limit: usize, stop: &mut watch::Receiver<bool>) -> Option<Vec<Task>> {
        let rung = self.services.store.bell(kind).notified();
        tokio::pin!(rung);
        rung.as_mut().enable();
        let claimed = self.claim(kind, limit).await.unwrap_or_else(|error| {
            tracing::warn!(%error, kind = kind.name(), "claiming work failed; it is tried again");
            Vec::new()
        });
        if !claimed.is_empty() {
            return Some(claimed);
        }
        tokio::select! {
            () = &mut rung => {}
            () = tokio::time::sleep(self.settings.poll_interval) => {}
            _ = stop.changed() => {}
        }
        None
    }

    async fn claim(&self, kind: TaskKind, limit: usize) -> Result<Vec<Task>, Error> {
        let claim = Claim { kind, limit, now: self.services.clock.now(), lease: self.settings.lease };
        self.services.store.submit(claim).await
    }

    /// The back-off before another attempt.
    fn back_off(&self, attempts: i32) -> Duration {
        let chance = u64::from_le_bytes(
            self.services.ids.random().as_bytes()[..8].try_into().expect("a UUID has more than 8 bytes"),
        );
        retry::delay(u32::try_from(attempts).unwrap_or(1), self.settings.retry_first, self.settings.retry_cap, chance)
    }
}
