//! The desk, where drafted mails are handed over batch by batch: from the commit on they may have been sent, and the
//! carriers take them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;

use crate::store::outbox::Task;
use crate::usecases::deliver::{Draft, Drafted, HandOver, Pace, Ready, abandon, hand_over};

use super::super::Worker;
use super::super::handlers::{failed, guarded};
use super::in_hand::{InHand, Place, Tempo};

/// A mail that is handed over, on its way to a carrier.
pub(super) struct Handed {
    pub task: Task,
    pub ready: Arc<Ready>,
    /// When the gate was asked, or somewhat earlier.
    pub since: Instant,
    pub place: Place,
}

/// Hands mails over.
pub(super) struct Desk {
    worker: Worker,
    drafted: Arc<Mutex<mpsc::Receiver<Vec<Drafted>>>>,
    ready: mpsc::Sender<Handed>,
    in_hand: Arc<InHand>,
    waiting: VecDeque<(Task, Arc<Draft>)>,
    /// Mails that cannot be handed over are seen to beside those that can.
    aside: JoinSet<()>,
}

impl Desk {
    pub(super) fn new(
        worker: Worker,
        drafted: Arc<Mutex<mpsc::Receiver<Vec<Drafted>>>>,
        ready: mpsc::Sender<Handed>,
        in_hand: Arc<InHand>,
    ) -> Self {
        Self { worker, drafted, ready, in_hand, waiting: VecDeque::new(), aside: JoinSet::new() }
    }

    /// Works until `stop` says so. What was drafted and not begun runs out by its lease.
    pub(super) async fn work(mut self, mut stop: watch::Receiver<bool>) {
        let mut tempo = Tempo::within(self.worker.settings.mails_in_hand);
        loop {
            while self.waiting.is_empty() {
                let Some(more) = self.drafted.lock().await.recv().await else { return };
                self.take_in(more).await;
            }
            let size = tempo.size().min(self.waiting.len());
            let places = tokio::select! {
                places = self.in_hand.places(size, tempo.others()) => places,
                _ = stop.changed() => return,
            };
            if !self.hand_over(places).await {
                return;
            }
            tempo = tempo.after(self.in_hand.longest_wait());
        }
    }

    async fn take_in(&mut self, drafted: Vec<Drafted>) {
        for (task, draft) in drafted {
            match draft {
                Ok(Some(draft)) => self.waiting.push_back((task, draft)),
                Ok(None) => {
                    let worker = self.worker.clone();
                    self.see_to(async move {
                        let (services, claim) = (worker.services.clone(), task.clone());
                        guarded(&worker, &task, async move { abandon(&services, &claim).await }).await;
                    });
                }
                Err(error) => self.has_failed(task, error.to_string()),
            }
        }
        // A store that fails is not asked for more and more.
        while self.aside.len() > self.worker.settings.claim_batch && self.aside.join_next().await.is_some() {}
    }

    /// Hands over as many as there are places; says whether carriers are still there.
    async fn hand_over(&mut self, places: Vec<Place>) -> bool {
        let batch: Vec<_> = self.waiting.drain(..places.len()).collect();
        let settings = &self.worker.settings;
        let pace = Pace { lease: settings.handover_lease, paused_look: settings.paused_look };
        let since = Instant::now();
        let tasks: Vec<Task> = batch.iter().map(|(task, _)| task.clone()).collect();
        let outcomes = hand_over(&self.worker.services, batch, pace).await;
        for ((task, place), outcome) in tasks.into_iter().zip(places).zip(outcomes) {
            match outcome.map(|outcome| passed(&task, outcome)) {
                Ok(Some(ready)) => {
                    if self.ready.send(Handed { task, ready, since, place }).await.is_err() {
                        return false;
                    }
                }
                Ok(None) => {}
                Err(error) => self.has_failed(task, error.to_string()),
            }
        }
        true
    }

    fn has_failed(&mut self, task: Task, failure: String) {
        let worker = self.worker.clone();
        self.see_to(async move { failed(&worker, &task, &failure).await });
    }

    fn see_to(&mut self, work: impl Future<Output = ()> + Send + 'static) {
        while self.aside.try_join_next().is_some() {}
        self.aside.spawn(work);
    }
}

/// The mail, if the gate let it through.
pub(super) fn passed(task: &Task, outcome: HandOver) -> Option<Arc<Ready>> {
    match outcome {
        HandOver::Send(ready) => return Some(ready),
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
