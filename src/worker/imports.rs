//! Reading uploaded lists, in turns: a list of a million rows gives way to the others that wait, and goes on after them
//! where it was (R-49, P12). What has been scanned stays in memory between two turns, for a few lists; one that is not
//! among them, or that another instance had in between, is scanned on from its last place here, or from its top.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::ids::ImportId;
use crate::domain::task::TaskKind;
use crate::store::ReadTx;
use crate::store::outbox::Task;
use crate::usecases::Error;
use crate::usecases::imports::{ImportReading, PageStep, ProviderReading, Step};

use super::Worker;
use super::handlers::{extend, extend_by, finish, postpone, put_back};

/// Lists between two turns, the one kept longest first.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Vec<(ImportId, Instant, ImportReading)>>);

impl Shelf {
    fn put(&self, id: ImportId, reading: ImportReading, most: usize) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= most.max(1) {
            kept.remove(0);
        }
        kept.push((id, Instant::now(), reading));
    }

    fn take(&self, id: ImportId, kept_for: Duration) -> Option<ImportReading> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(_, since, _)| since.elapsed() < kept_for);
        let at = kept.iter().position(|(known, ..)| *known == id)?;
        Some(kept.remove(at).2)
    }
}

/// Reads a list, to its end or for one turn.
pub(super) async fn import(worker: &Worker, task: &Task) -> Result<(), Error> {
    let id = ImportId::from_uuid(task.reference.uuid());
    let kept = match worker.readings.take(id, worker.settings.imports_kept_for) {
        Some(reading) => reading.take_up().await?,
        None => match ProviderReading::open(&worker.services, &worker.provider, task.scope(), id).await? {
            Some(reading) => return fetch(worker, task, reading).await,
            None => ImportReading::open(&worker.services, task.scope(), id).await?,
        },
    };
    let Some(mut reading) = kept else { return finish(worker, task).await };
    let begun = Instant::now();
    let mut held_since = begun;
    while reading.step().await? == Step::More {
        if begun.elapsed() >= worker.settings.import_turn && others_wait(worker, TaskKind::Import).await? {
            worker.readings.put(id, reading.put_down(), worker.settings.imports_kept);
            // Not due at once, so that whoever waits is taken first.
            postpone(worker, task, worker.settings.poll_interval).await?;
            return Ok(());
        }
        if held_since.elapsed() * 3 > worker.settings.lease {
            held_since = Instant::now();
            if !extend(worker, task).await? {
                return Ok(());
            }
        }
    }
    metrics::counter!("reconsent_imports_total").increment(1);
    finish(worker, task).await
}

/// Fetches a list from the provider, to its end or for one turn. A page that cannot be had is asked for again later, for as
/// long as there is progress between; the claim outlasts a slow answer.
async fn fetch(worker: &Worker, task: &Task, mut reading: ProviderReading) -> Result<(), Error> {
    let begun = Instant::now();
    let mut progress = false;
    while extend_by(worker, task, worker.provider.lease()).await? {
        match reading.step().await? {
            PageStep::Done => {
                metrics::counter!("reconsent_imports_total").increment(1);
                return finish(worker, task).await;
            }
            PageStep::More => {
                progress = true;
                if begun.elapsed() >= worker.settings.import_turn && others_wait(worker, TaskKind::Import).await? {
                    return postpone(worker, task, worker.settings.poll_interval).await;
                }
            }
            PageStep::Later(wait, error) => {
                let attempts = if progress { 1 } else { task.attempts };
                let delay = worker.back_off(attempts).max(wait.unwrap_or(Duration::ZERO));
                tracing::warn!(import = %task.reference, %error, "a page of a list could not be had; it is tried again");
                if progress {
                    return postpone(worker, task, delay).await;
                }
                return put_back(worker, task, delay, worker.settings.mail_attempts, &error).await;
            }
        }
    }
    Ok(())
}

/// Whether other work of this kind is due.
pub(super) async fn others_wait(worker: &Worker, kind: TaskKind) -> Result<bool, Error> {
    let due = worker.services.store.read(move |tx: &mut ReadTx<'_>| tx.next_due(kind)).await?;
    Ok(due.is_some_and(|due| due <= worker.services.clock.now()))
}
