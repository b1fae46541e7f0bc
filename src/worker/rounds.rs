//! Rounds that the provider sends: their lists are filled and emptied step by step, for as long as it takes. People leave
//! by this work, so it is never given up by itself: what a person has to look at is parked, all else is tried again.

use std::time::{Duration, Instant};

use crate::domain::task::TaskKind;
use crate::store::outbox::Task;
use crate::store::{ReadTx, WriteTx};
use crate::usecases::Error;
use crate::usecases::campaigns::{RoundStep, round_step};

use super::Worker;
use super::handlers::{finish, postpone, put_back};

/// Goes on with a round, to the end of what can be done now or for one turn.
pub(super) async fn round(worker: &Worker, task: &Task) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match round_step(&worker.services, &worker.provider, task).await? {
            RoundStep::More => {
                if begun.elapsed() >= worker.settings.import_turn && others_wait(worker).await? {
                    return postpone(worker, task, worker.settings.poll_interval).await;
                }
            }
            RoundStep::Done => return finish(worker, task).await,
            RoundStep::Wait(time) => return rest(worker, task, time).await,
            RoundStep::NotOurs => return Ok(()),
            RoundStep::Later(wait, error) => {
                tracing::warn!(campaign = %task.reference, %error, "a round's list could not be brought on; it is tried again");
                let delay = worker.back_off(task.attempts).max(wait.unwrap_or(Duration::ZERO));
                return put_back(worker, task, delay, u32::MAX, &error).await;
            }
            RoundStep::Stuck(why) => {
                tracing::error!(campaign = %task.reference, error = why, "a person has to look at a round's list");
                return put_back(worker, task, Duration::ZERO, 0, &why).await;
            }
        }
    }
}

/// Puts the work off, unless it was asked for anew meanwhile: whoever paused, resumed or ended the round does not wait.
async fn rest(worker: &Worker, task: &Task, time: Duration) -> Result<(), Error> {
    let (now, task) = (worker.services.clock.now(), task.clone());
    let work = move |tx: &mut WriteTx<'_>| {
        let held = tx.held_claims(TaskKind::Round, &[&task])?;
        if held.iter().any(|held| held.generation == task.generation) {
            tx.postpone(&task, now.plus(time))?;
        } else {
            tx.finish(&task, now)?;
        }
        Ok::<_, Error>(())
    };
    worker.services.store.write(worker.services.ids.random(), work).await
}

async fn others_wait(worker: &Worker) -> Result<bool, Error> {
    let due = worker.services.store.read(|tx: &mut ReadTx<'_>| tx.next_due(TaskKind::Round)).await?;
    Ok(due.is_some_and(|due| due <= worker.services.clock.now()))
}
