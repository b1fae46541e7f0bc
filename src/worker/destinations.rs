//! Looking after destinations: their webhooks, and comparing both sides. Neither is ever given up by itself: stops may
//! depend on it.

use std::time::{Duration, Instant};

use crate::domain::ids::DestinationId;
use crate::store::WriteTx;
use crate::store::outbox::Task;
use crate::usecases::Error;
use crate::usecases::reconcile::{Piece, piece};
use crate::usecases::upkeep;

use super::Worker;
use super::handlers::{finish, postpone, put_back};
use super::imports::others_wait;

/// Looks at a destination's webhooks.
pub(super) async fn watch(worker: &Worker, task: &Task) -> Result<(), Error> {
    let id = DestinationId::from_uuid(task.reference.uuid());
    if !hold(worker, task).await? {
        return Ok(());
    }
    match upkeep::watch(&worker.services, &worker.provider, task.scope(), id).await? {
        upkeep::Watched::Done => finish(worker, task).await,
        upkeep::Watched::Later(after) => later(worker, task, after).await,
    }
}

/// Carries a comparison on, for a turn or to its end.
pub(super) async fn reconcile(worker: &Worker, task: &Task) -> Result<(), Error> {
    if !hold(worker, task).await? {
        return Ok(());
    }
    let begun = Instant::now();
    let mut moved = false;
    loop {
        match piece(&worker.services, &worker.provider, task, worker.settings.sync_workers).await? {
            Piece::More => moved = true,
            Piece::Done => return finish(worker, task).await,
            Piece::Later { after, untried: true } => {
                let rest = after.unwrap_or(worker.settings.poll_interval);
                return postpone(worker, task, rest).await;
            }
            // What came to something is a good attempt, whatever ended it.
            Piece::Later { after, untried: false } if moved => {
                return postpone(worker, task, after.unwrap_or_default().max(worker.back_off(1))).await;
            }
            Piece::Later { after, untried: false } => return later(worker, task, after).await,
        }
        if begun.elapsed() >= worker.settings.import_turn && others_wait(worker, task.kind).await? {
            return postpone(worker, task, worker.settings.poll_interval).await;
        }
    }
}

async fn later(worker: &Worker, task: &Task, after: Option<Duration>) -> Result<(), Error> {
    let rest = worker.back_off(task.attempts).max(after.unwrap_or_default());
    put_back(worker, task, rest, u32::MAX, "the destination could not be asked").await
}

/// Lengthens the claim: one call may take longer than a claim holds.
async fn hold(worker: &Worker, task: &Task) -> Result<bool, Error> {
    let (route, task) = (task.reference.uuid(), task.clone());
    let lease = worker.provider.lease().max(worker.settings.lease);
    let work = move |tx: &mut WriteTx<'_>| tx.extend_lease(&task, lease).map_err(Error::from);
    worker.services.store.write(route, work).await
}
