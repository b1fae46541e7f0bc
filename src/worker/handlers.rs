//! Task by task: which use case carries it out, and how what came of it is settled. A panic is a failed attempt, and
//! ends nothing else.

use std::time::Duration;

use crate::domain::ids::CampaignId;
use crate::domain::task::{TaskKind, TaskState};
use crate::store::WriteTx;
use crate::store::outbox::Task;
use crate::usecases::Error;
use crate::usecases::campaigns::freeze_chunk;
use crate::usecases::refresh::refresh_chunk;
use crate::usecases::remap::{Piece, remap_chunk};
use crate::usecases::reseal::Resealing;

use super::imports::import;
use super::rounds::round;
use super::{Worker, destinations};

/// Carries one claimed task out and settles it. Mails and people to be brought in step have lanes of their own.
pub(super) async fn carry_out(worker: &Worker, task: Task) {
    let (inner, claim) = (worker.clone(), task.clone());
    let work = async move {
        match claim.kind {
            TaskKind::Mail | TaskKind::Sync => Ok(()),
            TaskKind::Import => import(&inner, &claim).await,
            TaskKind::Launch => launch(&inner, &claim).await,
            TaskKind::Refresh => refresh(&inner, &claim).await,
            TaskKind::Remap => remap(&inner, &claim).await,
            TaskKind::Reseal => reseal(&inner, &claim).await,
            TaskKind::Watch => destinations::watch(&inner, &claim).await,
            TaskKind::Reconcile => destinations::reconcile(&inner, &claim).await,
            TaskKind::Round => round(&inner, &claim).await,
        }
    };
    guarded(worker, &task, work).await;
}

/// Runs a task's work; if it fails or panics, the task goes back to the queue after a while, or is parked.
pub(super) async fn guarded(
    worker: &Worker,
    task: &Task,
    work: impl Future<Output = Result<(), Error>> + Send + 'static,
) {
    let failure = match tokio::spawn(work).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the work panicked".to_owned(),
    };
    failed(worker, task, &failure).await;
}

/// A task's work failed: it goes back to the queue after a while, or is parked.
pub(super) async fn failed(worker: &Worker, task: &Task, failure: &str) {
    tracing::error!(kind = task.kind.name(), reference = %task.reference, attempts = task.attempts, error = failure, "a task failed");
    // People who are taken off a list by it may have stopped: it is never given up by itself.
    let never_given_up = matches!(task.kind, TaskKind::Remap | TaskKind::Watch | TaskKind::Reconcile | TaskKind::Round);
    let most = if never_given_up { u32::MAX } else { worker.settings.mail_attempts };
    if let Err(error) = put_back(worker, task, worker.back_off(task.attempts), most, failure).await {
        // The lease runs out by itself.
        tracing::error!(%error, "putting a task back failed");
    }
}

/// Back to the queue after `delay`, or parked when it has been tried often enough.
pub(super) async fn put_back(
    worker: &Worker,
    task: &Task,
    delay: Duration,
    most: u32,
    error: &str,
) -> Result<(), Error> {
    let parked = u32::try_from(task.attempts).unwrap_or(0) >= most;
    let state = if parked { TaskState::Parked } else { TaskState::Queued };
    let (due, task, error) = (worker.services.clock.now().plus(delay), task.clone(), error.to_owned());
    worker
        .services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| {
            tx.put_back(&task, state, due, &error).map(|_| ()).map_err(Error::from)
        })
        .await
}

/// Back to the queue without counting the attempt.
pub(super) async fn postpone(worker: &Worker, task: &Task, delay: Duration) -> Result<(), Error> {
    let (due, task) = (worker.services.clock.now().plus(delay), task.clone());
    worker
        .services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| {
            tx.postpone(&task, due).map(|_| ()).map_err(Error::from)
        })
        .await
}

pub(super) async fn finish(worker: &Worker, task: &Task) -> Result<(), Error> {
    let (now, task) = (worker.services.clock.now(), task.clone());
    worker
        .services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| {
            tx.finish(&task, now).map(|_| ()).map_err(Error::from)
        })
        .await
}

/// Long work goes piece by piece under a lease that is lengthened between pieces; a piece and its progress are one
/// commit, so that another worker goes on where a dead one stopped. `piece` says whether there is more.
async fn piece_by_piece<F: Future<Output = Result<bool, Error>>>(
    worker: &Worker,
    task: &Task,
    piece: impl Fn() -> F,
) -> Result<(), Error> {
    while piece().await? {
        if !extend(worker, task).await? {
            return Ok(());
        }
    }
    finish(worker, task).await
}

/// Lengthens the lease of long work; says whether the claim is still ours.
pub(super) async fn extend(worker: &Worker, task: &Task) -> Result<bool, Error> {
    extend_by(worker, task, worker.settings.lease).await
}

/// [`extend`], by so much from now.
pub(super) async fn extend_by(worker: &Worker, task: &Task, lease: Duration) -> Result<bool, Error> {
    let task = task.clone();
    worker
        .services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| tx.extend_lease(&task, lease).map_err(Error::from))
        .await
}

async fn launch(worker: &Worker, task: &Task) -> Result<(), Error> {
    let campaign = CampaignId::from_uuid(task.reference.uuid());
    piece_by_piece(worker, task, || freeze_chunk(&worker.services, task.scope(), campaign)).await
}

async fn refresh(worker: &Worker, task: &Task) -> Result<(), Error> {
    piece_by_piece(worker, task, || refresh_chunk(&worker.services, task.scope(), task.reference.uuid())).await
}

/// Goes through people as fast as they are brought in step; between, other controllers have their turn.
async fn remap(worker: &Worker, task: &Task) -> Result<(), Error> {
    loop {
        match remap_chunk(&worker.services, task.scope()).await? {
            Piece::More => {
                if !extend(worker, task).await? {
                    return Ok(());
                }
            }
            Piece::Enough => {
                tokio::time::sleep(worker.settings.poll_interval).await;
                return postpone(worker, task, Duration::ZERO).await;
            }
            Piece::Done => return finish(worker, task).await,
        }
    }
}

async fn reseal(worker: &Worker, task: &Task) -> Result<(), Error> {
    match Resealing::begin(&worker.services, task.scope()).await? {
        Ok(resealing) => piece_by_piece(worker, task, || resealing.step()).await,
        Err(due) => postpone(worker, task, due.since(worker.services.clock.now())).await,
    }
}
