//! Recurring work: leases that ran out are given back, consents end, requests lapse, rounds close, old things go. Every
//! instance runs it; each piece is harmless when two run it at once.

use tokio::sync::watch;

use crate::domain::ids::ControllerScope;
use crate::domain::task::{TaskKind, TaskState};
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::usecases::Error;
use crate::usecases::campaigns::close_due;
use crate::usecases::clockwork::{expire_due, forget_mails, forget_old, forget_unconfirmed, lapse_due};
use crate::usecases::imports::forget_unfinished;
use crate::usecases::oauth;
use crate::usecases::reconcile::forget_findings;
use crate::usecases::upkeep;

use super::Worker;

pub(super) async fn run(worker: Worker, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        if let Err(error) = round(&worker).await {
            tracing::error!(%error, "the timetable failed");
        }
        tokio::select! {
            () = tokio::time::sleep(worker.settings.timetable_interval) => {}
            _ = stop.changed() => {}
        }
    }
}

/// What is due for one controller.
async fn look_after(worker: &Worker, scope: ControllerScope) -> Result<(), Error> {
    let services = &worker.services;
    // Opens every controller's canaries in turn, also those that nobody asks for.
    services.keys.of(scope).await?;
    expire_due(services, scope).await?;
    lapse_due(services, scope).await?;
    close_due(services, scope, services.clock.now()).await?;
    forget_unconfirmed(services, scope).await?;
    forget_unfinished(services, scope).await?;
    forget_mails(services, scope).await?;
    forget_findings(services, scope).await?;
    upkeep::ask_for_due(services, scope).await?;
    oauth::look_after(services, scope).await?;
    Ok(())
}

/// One round over everything that is due.
pub(super) async fn round(worker: &Worker) -> Result<(), Error> {
    let services = &worker.services;
    let given_back = services.store.write(uuid::Uuid::nil(), |tx: &mut WriteTx<'_>| tx.reclaim_expired(1000)).await?;
    if given_back > 0 {
        tracing::warn!(tasks = given_back, "took back work whose lease had run out");
    }
    match services.store.refresh_statistics().await {
        Ok(grown) if grown.is_empty() => {}
        Ok(grown) => tracing::debug!(tables = grown.join(", "), "the planner was told how large tables have grown"),
        // Plans get slower by it; what is due is due.
        Err(error) => tracing::warn!(%error, "the planner could not be told how large tables have grown"),
    }
    let mut after = None;
    loop {
        let page = services.store.read(move |tx: &mut ReadTx<'_>| tx.all_controllers(after, 500)).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        for controller in page {
            let scope = ControllerScope::granted(controller.id);
            // One controller's trouble is not another's: the round goes on.
            if let Err(error) = look_after(worker, scope).await {
                tracing::error!(%error, controller = %controller.id, "the timetable failed for a controller");
            }
        }
    }
    forget_old(services).await?;
    let (counts, oldest_sync) = services
        .store
        .read(|tx: &mut ReadTx<'_>| Ok((tx.outbox_counts()?, tx.oldest_sync()?)))
        .await
        .map_err(|error: StoreError| Error::from(error))?;
    for kind in TaskKind::ALL {
        for state in TaskState::ALL {
            // A kind that is not listed has none left, and its gauge has to say so.
            let count = counts.iter().find(|count| (count.kind, count.state) == (kind.code(), state.code()));
            let rows = count.map_or(0, |count| count.rows);
            metrics::gauge!("reconsent_outbox_depth", "kind" => kind.name(), "state" => state.name()).set(rows as f64);
        }
    }
    let lag = oldest_sync.map_or(0, |oldest| services.clock.now().micros().saturating_sub(oldest.micros()));
    metrics::gauge!("reconsent_sync_lag_seconds").set(lag.max(0) as f64 / 1_000_000.0);
    metrics::gauge!("reconsent_write_queue_depth").set(services.store.write_queue_depth() as f64);
    Ok(())
}
