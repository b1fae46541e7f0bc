//! Comparing a destination with the record. All state pages of each list and the client's suppression list are read page by
//! page; each page, what it shows and how far the reading came are one commit, so that whoever takes over goes on there,
//! and memory holds one page. The differences found make a plan. What can only stop somebody's mail is put right by
//! itself, and so is what the controller has allowed; the rest waits for a person. Whatever is put right is judged once
//! more by the record of that moment: a plan may be days old.

mod again;
mod applying;
mod details;
mod missing;
mod people;
mod place;
mod reading;
mod view;

use std::time::Duration;

use crate::crypto::ControllerKeys;
use crate::domain::clock::Ids;
use crate::domain::ids::{ControllerScope, DestinationId, ReconcileId};
use crate::domain::reconcile::{Differences, ReconcileCause, ReconcileStatus};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::destinations::Destination;
use crate::store::outbox::Task;
use crate::store::reconciles::Reconcile;
use crate::store::upkeep::Upkeep;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::sync::Provider;
use super::upkeep::usual;
use super::{Error, Services};
use place::Place;

pub use view::{FindingSeen, Plan, findings, plan, plans};

/// Behind stops and the watch: a comparison may take an hour.
const LANE: i16 = 1;

/// Differences forgotten at one look of the timetable.
const FORGOTTEN: i64 = 1000;

/// How a piece of a comparison went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// There is more to do.
    More,
    /// Go on later, not before this much time; whether an attempt failed.
    Later {
        /// How long.
        after: Option<Duration>,
        /// Nothing was tried: it is no failed attempt.
        untried: bool,
    },
    /// Nothing more to do by itself.
    Done,
}

/// Begins a comparison, unless one is open: then that one is the answer.
pub(super) fn begin(
    tx: &mut WriteTx<'_>,
    ids: &dyn Ids,
    destination: &Destination,
    cause: ReconcileCause,
    now: Timestamp,
) -> Result<Reconcile, Error> {
    let scope = ControllerScope::granted(destination.controller_id);
    let known = tx.upkeep(scope, destination.id)?.unwrap_or_else(|| usual(destination));
    if let Some(open) = tx.open_reconcile(scope, destination.id)? {
        // A plan that nobody looked at would hide what has come since; its stops were put right by itself.
        if open.status != ReconcileStatus::Planned || cause == ReconcileCause::Asked {
            return Ok(open);
        }
        let over = closed(tx, open, ReconcileStatus::Dismissed, now)?;
        tx.save_reconcile(&over)?;
    }
    let lists = tx.destination_lists(scope)?.into_iter().filter(|list| list.destination_id == destination.id);
    let reconcile = Reconcile {
        controller_id: destination.controller_id,
        id: ReconcileId::from_uuid(ids.row()),
        destination_id: destination.id,
        cause,
        status: ReconcileStatus::Reading,
        place: Place::beginning(lists.map(|list| list.list_id).collect()).written(),
        rows_read: 0,
        allowed: Differences::from_bits(known.automatic).and(Differences::STOPS).bits(),
        remark: None,
        counts: None,
        created_at: now,
        planned_at: None,
        finished_at: None,
    };
    tx.insert_reconcile(&reconcile)?;
    tx.save_upkeep(&Upkeep { reconciled_at: Some(now), ..known })?;
    ask_for(tx, &reconcile, now)?;
    Ok(reconcile)
}

fn ask_for(tx: &mut WriteTx<'_>, reconcile: &Reconcile, now: Timestamp) -> Result<(), Error> {
    let scope = ControllerScope::granted(reconcile.controller_id);
    Ok(tx.enqueue(&[Task::new(scope, TaskKind::Reconcile, reconcile.id.uuid(), LANE, now, now)])?)
}

/// A comparison that is over. How its differences stand is kept with it, as they themselves are forgotten one day.
fn closed(
    tx: &mut ReadTx<'_>,
    reconcile: Reconcile,
    status: ReconcileStatus,
    now: Timestamp,
) -> Result<Reconcile, StoreError> {
    let counts = tx.finding_counts(ControllerScope::granted(reconcile.controller_id), reconcile.id)?;
    Ok(Reconcile { status, finished_at: Some(now), counts: Some(view::counts_to_keep(&counts)), ..reconcile })
}

/// Forgets differences found in comparisons that have been over for long, a piece at a time; says how many.
pub async fn forget_findings(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let before = services.clock.now().minus(services.rules.findings_kept);
    let old = services.store.read(move |tx: &mut ReadTx<'_>| tx.old_findings(scope, before, FORGOTTEN)).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let forget = move |tx: &mut WriteTx<'_>| tx.forget_findings(scope, &old);
    Ok(services.store.write(scope.controller().uuid(), forget).await?)
}

/// Has both sides compared now.
pub async fn ask(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<Plan, Error> {
    let (now, ids) = (services.clock.now(), services.ids.clone());
    let work = move |tx: &mut WriteTx<'_>| {
        let destination = tx.lock_destination(scope, id)?;
        if !tx.destination_lists(scope)?.iter().any(|list| list.destination_id == id) {
            return Err(Error::NotNow(
                "no purpose is kept at this destination: there is nothing to compare".to_owned(),
            ));
        }
        Ok(begin(tx, &*ids, &destination, ReconcileCause::Asked, now)?.id)
    };
    let reconcile = services.store.write(scope.controller().uuid(), work).await?;
    plan(services, scope, reconcile).await
}

/// Allows kinds of differences of a plan to be put right.
pub async fn approve(
    services: &Services,
    scope: ControllerScope,
    id: ReconcileId,
    kinds: Differences,
) -> Result<Plan, Error> {
    if let Some(never) = kinds.iter().find(|one| !one.can_be_applied()) {
        return Err(Error::field("kinds", format!("{never} cannot be put right from here")));
    }
    let now = services.clock.now();
    let work = move |tx: &mut WriteTx<'_>| {
        let open = tx.lock_reconcile(scope, id)?;
        if !open.status.is_open() {
            return Err(Error::NotNow(format!("the plan is {}: compare anew", open.status)));
        }
        let allowed = Differences::from_bits(open.allowed).and(kinds).bits();
        let status = match open.status {
            ReconcileStatus::Planned => ReconcileStatus::Applying,
            status => status,
        };
        let reconcile = Reconcile { allowed, status, ..open };
        tx.save_reconcile(&reconcile)?;
        ask_for(tx, &reconcile, now)
    };
    services.store.write(id.uuid(), work).await?;
    tracing::info!(target: "audit", reconcile = %id, kinds = kinds.bits(), "differences may be put right");
    plan(services, scope, id).await
}

/// Puts the rest of a plan aside.
pub async fn dismiss(services: &Services, scope: ControllerScope, id: ReconcileId) -> Result<Plan, Error> {
    let now = services.clock.now();
    let work = move |tx: &mut WriteTx<'_>| {
        let open = tx.lock_reconcile(scope, id)?;
        if !open.status.is_open() {
            return Err(Error::NotNow(format!("the plan is {} already", open.status)));
        }
        let over = closed(tx, open, ReconcileStatus::Dismissed, now)?;
        Ok(tx.save_reconcile(&over)?)
    };
    services.store.write(id.uuid(), work).await?;
    plan(services, scope, id).await
}

/// Does one piece under a claim.
pub async fn piece(services: &Services, provider: &Provider, task: &Task, calls: usize) -> Result<Piece, Error> {
    let (scope, id) = (task.scope(), ReconcileId::from_uuid(task.reference.uuid()));
    let look = move |tx: &mut ReadTx<'_>| match tx.reconcile(scope, id) {
        Ok(reconcile) => {
            let destination = tx.destination(scope, reconcile.destination_id)?;
            let lists = tx.destination_lists(scope)?.into_iter();
            let lists = lists.filter(|list| list.destination_id == destination.id).collect();
            Ok(Some((reconcile, destination, lists)))
        }
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error),
    };
    let Some((reconcile, destination, lists)) = services.store.read(look).await? else { return Ok(Piece::Done) };
    let keys = services.keys.of(scope).await?;
    let run = Run { services, provider, task, scope, keys, reconcile, destination, lists, calls };
    match run.reconcile.status {
        ReconcileStatus::Reading => run.read().await,
        ReconcileStatus::Applying => run.apply().await,
        ReconcileStatus::Planned | ReconcileStatus::Done | ReconcileStatus::Dismissed | ReconcileStatus::Failed => {
            Ok(Piece::Done)
        }
    }
}

/// A comparison that is carried on under a claim.
struct Run<'a> {
    services: &'a Services,
    provider: &'a Provider,
    task: &'a Task,
    scope: ControllerScope,
    keys: std::sync::Arc<ControllerKeys>,
    reconcile: Reconcile,
    destination: Destination,
    lists: Vec<crate::store::destinations::DestinationList>,
    /// Calls at once, of those that concern one person each.
    calls: usize,
}

impl Run<'_> {
    /// What is kept on a list.
    fn purposes_on(&self, list_id: &str) -> Vec<crate::domain::ids::PurposeId> {
        self.lists.iter().filter(|list| list.list_id == list_id).map(|list| list.purpose_id).collect()
    }

    /// Lengthens the claim; says whether it is still ours.
    async fn extend(&self) -> Result<bool, Error> {
        let (task, lease) = (self.task.clone(), self.provider.lease());
        let work = move |tx: &mut WriteTx<'_>| Ok::<_, Error>(tx.extend_lease(&task, lease)?);
        self.services.store.write(self.reconcile.id.uuid(), work).await
    }

    /// It cannot go on; what was found stays on record.
    async fn fail(&self, why: String) -> Result<Piece, Error> {
        let (scope, id, now) = (self.scope, self.reconcile.id, self.services.clock.now());
        tracing::warn!(reconcile = %id, why, "a comparison with a destination could not be carried on");
        let work = move |tx: &mut WriteTx<'_>| {
            let open = tx.lock_reconcile(scope, id)?;
            if open.status.is_open() {
                let failed = closed(tx, open, ReconcileStatus::Failed, now)?;
                if failed.cause == ReconcileCause::Webhook
                    && let Some(known) = tx.upkeep(scope, failed.destination_id)?
                {
                    // What was missed is still to be found.
                    tx.save_upkeep(&Upkeep { stops_missed: true, ..known })?;
                }
                tx.save_reconcile(&Reconcile { remark: Some(why.chars().take(300).collect()), ..failed })?;
            }
            Ok::<_, Error>(())
        };
        self.services.store.write(id.uuid(), work).await?;
        Ok(Piece::Done)
    }
}
