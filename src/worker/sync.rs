//! The lane of people to be brought in step at their destinations. What is claimed at once is carried out controller by
//! controller: the people of one go there together, and no controller waits for another's provider.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::domain::ids::ControllerId;
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::outbox::{PutBack, Reference, Task};
use crate::usecases::Error;
use crate::usecases::sync::{Synced, Together, sync_people};

use super::Worker;

/// Works until `stop` says so; then finishes what is in hand.
pub(super) async fn lane(worker: Worker, mut stop: watch::Receiver<bool>) {
    let slots = Arc::new(Semaphore::new(worker.settings.sync_workers.max(1)));
    let mut hands = JoinSet::new();
    'work: while !*stop.borrow() {
        // Wait for a free hand before claiming, so that no claim lies idle.
        tokio::select! {
            slot = slots.acquire() => drop(slot),
            _ = stop.changed() => continue,
        }
        let most = worker.settings.sync_batch.clamp(1, 1000);
        let Some(claimed) = worker.claim_or_wait(TaskKind::Sync, most, &mut stop).await else { continue };
        let mut controllers: BTreeMap<ControllerId, Vec<Task>> = BTreeMap::new();
        for task in claimed {
            controllers.entry(task.controller_id).or_default().push(task);
        }
        for tasks in controllers.into_values() {
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                _ = stop.changed() => break 'work,
            };
            let (worker, Ok(slot)) = (worker.clone(), slot) else { break 'work };
            hands.spawn(async move {
                carry_out(&worker, tasks).await;
                drop(slot);
            });
        }
        while hands.try_join_next().is_some() {}
    }
    super::finish_in_hand(TaskKind::Sync, hands, worker.settings.stop_wait).await;
}

/// Brings people of one controller in step, and settles their tasks. A panic is a failed attempt of all of them.
async fn carry_out(worker: &Worker, tasks: Vec<Task>) {
    let together = Together { rows: worker.settings.sync_batch, calls: worker.settings.sync_workers };
    let (services, provider, claimed) = (worker.services.clone(), Arc::clone(&worker.provider), tasks.clone());
    let work = tokio::spawn(async move { sync_people(&services, &provider, &claimed, together).await });
    let outcomes = match work.await {
        Ok(Ok(outcomes)) => outcomes,
        Ok(Err(error)) => failed_all(&tasks, &error.to_string()),
        Err(_) => failed_all(&tasks, "the work panicked"),
    };
    let mut settled = Settled::default();
    for (task, outcome) in tasks.into_iter().zip(outcomes) {
        let label = settled.take(worker, task, outcome);
        metrics::counter!("reconsent_sync_total", "outcome" => label).increment(1);
    }
    if let Err(error) = settled.write(worker).await {
        // The leases run out by themselves; to bring a person in step twice changes nothing.
        tracing::error!(%error, "people who were seen to could not be settled");
    }
}

fn failed_all(tasks: &[Task], why: &str) -> Vec<Result<Synced, Error>> {
    tasks.iter().map(|_| Err(Error::Internal(why.to_owned()))).collect()
}

/// What tasks have come to, to be written in one commit.
#[derive(Default)]
struct Settled {
    done: Vec<Task>,
    waiting: Vec<(Task, Timestamp)>,
    back: Vec<PutBack>,
}

impl Settled {
    /// Notes an outcome; says what to count it as.
    fn take(&mut self, worker: &Worker, task: Task, outcome: Result<Synced, Error>) -> &'static str {
        let now = worker.services.clock.now();
        match outcome {
            Ok(Synced::Done) => {
                self.done.push(task);
                "done"
            }
            Ok(Synced::Waiting(wait)) => {
                self.waiting.push((task, now.plus(wait)));
                "waiting"
            }
            // A stop must reach the destination however long that is down: it is tried until it is done, and never
            // parked for what may pass (WD-02). Metrics show how old the work is.
            Ok(Synced::Later(wait, error)) => {
                let due_at = now.plus(worker.back_off(task.attempts).max(wait.unwrap_or(Duration::ZERO)));
                self.back.push(PutBack { task, state: TaskState::Queued, due_at, error });
                "later"
            }
            // Attempts do not help: a person has to look.
            Ok(Synced::Stuck(error)) => {
                self.back.push(PutBack { task, state: TaskState::Parked, due_at: now, error });
                "stuck"
            }
            // It may be a stop: it is never given up by itself.
            Err(error) => {
                tracing::error!(reference = %task.reference, attempts = task.attempts, %error, "a person could not be brought in step");
                let due_at = now.plus(worker.back_off(task.attempts));
                self.back.push(PutBack { task, state: TaskState::Queued, due_at, error: error.to_string() });
                "failed"
            }
        }
    }

    /// Writes it down as far as the claims are still ours. One call, however many they are: the queue to the writer is
    /// for visitors too.
    async fn write(self, worker: &Worker) -> Result<(), Error> {
        let Self { done, waiting, back } = self;
        let any = done.first().or(waiting.first().map(|(task, _)| task)).or(back.first().map(|back| &back.task));
        let Some(route) = any.map(|task| task.controller_id.uuid()) else { return Ok(()) };
        let now = worker.services.clock.now();
        let work = move |tx: &mut WriteTx<'_>| {
            let all = done.iter().chain(waiting.iter().map(|(task, _)| task)).chain(back.iter().map(|back| &back.task));
            let held = tx.held_claims(TaskKind::Sync, &all.collect::<Vec<_>>())?;
            let held: HashMap<Reference, Task> = held.into_iter().map(|task| (task.reference, task)).collect();
            let finished: Vec<(Task, i32)> =
                done.iter().filter_map(|task| Some((held.get(&task.reference)?.clone(), task.generation))).collect();
            tx.finish_held(TaskKind::Sync, &finished, now)?;
            let postponed = waiting.iter().filter(|(task, _)| held.contains_key(&task.reference));
            let postponed: Vec<(&Task, Timestamp)> = postponed.map(|(task, due)| (task, *due)).collect();
            tx.postpone_held(TaskKind::Sync, &postponed)?;
            let back = back.iter().filter(|back| held.contains_key(&back.task.reference)).cloned();
            tx.put_back_held(TaskKind::Sync, &back.collect::<Vec<_>>())?;
            Ok::<_, Error>(())
        };
        worker.services.store.write(route, work).await
    }
}
