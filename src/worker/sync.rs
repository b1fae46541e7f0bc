//! The lane of people to be brought in step at their destinations. What is claimed at once is carried out controller by
//! controller: the people of one go there together, and no controller waits for another's provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::domain::ids::ControllerId;
use crate::domain::task::TaskKind;
use crate::store::WriteTx;
use crate::store::outbox::Task;
use crate::usecases::Error;
use crate::usecases::sync::{Synced, Together, sync_people};

use super::Worker;
use super::handlers::put_back;

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
    let (mut done, mut waiting, mut backs) = (Vec::new(), Vec::new(), Vec::new());
    for (task, outcome) in tasks.into_iter().zip(outcomes) {
        let label = match outcome {
            Ok(Synced::Done) => {
                done.push(task);
                "done"
            }
            Ok(Synced::Waiting(wait)) => {
                waiting.push((task, wait));
                "waiting"
            }
            // A stop must reach the destination however long that is down: it is tried until it is done, and never
            // parked for what may pass (WD-02). Metrics show how old the work is.
            Ok(Synced::Later(wait, text)) => {
                let delay = worker.back_off(task.attempts).max(wait.unwrap_or(Duration::ZERO));
                backs.push((task, delay, u32::MAX, text));
                "later"
            }
            // Attempts do not help: a person has to look.
            Ok(Synced::Stuck(text)) => {
                backs.push((task, Duration::ZERO, 0, text));
                "stuck"
            }
            // It may be a stop: it is never given up by itself.
            Err(error) => {
                tracing::error!(reference = %task.reference, attempts = task.attempts, %error, "a person could not be brought in step");
                let delay = worker.back_off(task.attempts);
                backs.push((task, delay, u32::MAX, error.to_string()));
                "failed"
            }
        };
        metrics::counter!("reconsent_sync_total", "outcome" => label).increment(1);
    }
    // Side by side, so that they share commits.
    join_all(backs.iter().map(|(task, delay, most, why)| back(worker, task, *delay, *most, why))).await;
    if let Err(error) = settle(worker, done, waiting).await {
        // The leases run out by themselves; to bring a person in step twice changes nothing.
        tracing::error!(%error, "people who are in step could not be settled");
    }
}

fn failed_all(tasks: &[Task], why: &str) -> Vec<Result<Synced, Error>> {
    tasks.iter().map(|_| Err(Error::Internal(why.to_owned()))).collect()
}

async fn back(worker: &Worker, task: &Task, delay: Duration, most: u32, why: &str) {
    if let Err(error) = put_back(worker, task, delay, most, why).await {
        // The lease runs out by itself.
        tracing::error!(%error, "putting a task back failed");
    }
}

/// Finishes what is done and postpones what has to wait, while the claims are ours, in one commit.
async fn settle(worker: &Worker, done: Vec<Task>, waiting: Vec<(Task, Duration)>) -> Result<(), Error> {
    let Some(first) = done.first().or(waiting.first().map(|(task, _)| task)) else { return Ok(()) };
    let (route, now) = (first.controller_id.uuid(), worker.services.clock.now());
    let work = move |tx: &mut WriteTx<'_>| {
        let claims: Vec<&Task> = done.iter().chain(waiting.iter().map(|(task, _)| task)).collect();
        let held = tx.held_claims(TaskKind::Sync, &claims)?;
        let ours = |task: &Task| held.iter().find(|held| held.reference == task.reference).cloned();
        let finished: Vec<(Task, i32)> = done.iter().filter_map(|task| Some((ours(task)?, task.generation))).collect();
        tx.finish_held(TaskKind::Sync, &finished, now)?;
        let postponed: Vec<_> = waiting
            .iter()
            .filter(|(task, _)| ours(task).is_some())
            .map(|(task, wait)| (task, now.plus(*wait)))
            .collect();
        tx.postpone_held(TaskKind::Sync, &postponed)?;
        Ok::<_, Error>(())
    };
    worker.services.store.write(route, work).await
}
