//! Many people of one controller at once. Whoever is to be made active on a list is brought there with the others in
//! one import: a call costs as much for one as for hundreds, and calls are what the provider counts. Each row is
//! judged by itself, as if it had gone alone.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use futures_util::stream;
use futures_util::{FutureExt, StreamExt};

use crate::campaign_monitor::{Account, Admission, ImportOutcome, NewSubscriber, RowResult, normalise_address};
use crate::domain::ids::{ControllerId, ControllerScope, DestinationId, EventId, LinkId, SubjectId};
use crate::domain::task::TaskKind;
use crate::store::WriteTx;
use crate::store::destinations::DestinationState;
use crate::store::links::Link;
use crate::store::outbox::Task;

use super::super::{Error, Services};
use super::elsewhere;
use super::outcome::{self, Hold, Trouble};
use super::plan::{self, Plan, Step};
use super::preferences::record;
use super::rounds::leave_rounds;
use super::{ADDING, Progress, Provider, Synced, after, conclude, credentials, state, take_step, until};

/// How much is done together.
#[derive(Debug, Clone, Copy)]
pub struct Together {
    /// Rows of one import; 1,000 at most (campaign-monitor 5.3).
    pub rows: usize,
    /// Calls at once, of those that concern one person each.
    pub calls: usize,
}

/// How each person came out.
type Outcomes = Vec<Result<Synced, Error>>;

/// A person to be made active on a list.
#[derive(Clone, Copy)]
struct Add<'a> {
    /// The person's place among the tasks.
    at: usize,
    plan: &'a Plan,
    step: &'a Step,
    row: &'a NewSubscriber,
}

/// The tasks of one controller, and the means to carry them out.
struct Many<'a> {
    services: &'a Services,
    provider: &'a Provider,
    tasks: &'a [Task],
    together: Together,
}

/// Brings people of one controller in step at every list; says for each task how it went. The tasks are the claims under
/// which this runs; they are not finished here.
pub async fn sync_people(
    services: &Services,
    provider: &Provider,
    tasks: &[Task],
    together: Together,
) -> Result<Outcomes, Error> {
    let Some(first) = tasks.first() else { return Ok(Vec::new()) };
    let people: Vec<SubjectId> = tasks.iter().map(|task| SubjectId::from_uuid(task.reference.uuid())).collect();
    let mut outcomes: Outcomes = Vec::with_capacity(tasks.len());
    let mut plans = Vec::with_capacity(tasks.len());
    for plan in plan::read(services, first.scope(), &people).await? {
        let (plan, outcome) = match plan {
            Ok(plan) => (plan, Ok(Synced::Done)),
            Err(error) => (None, Err(error)),
        };
        plans.push(plan);
        outcomes.push(outcome);
    }
    // Lists of rounds first: to be asked no more waits for nothing.
    for (at, outcome) in leave_rounds(services, provider, tasks, together.calls).await? {
        note(&mut outcomes, at, outcome);
    }
    let many = Many { services, provider, tasks, together };
    // Whoever is only to be taken off goes first: a stop waits for nobody (WD-02).
    let only_off = |plan: &Plan| plan.steps.iter().all(|step| step.row.is_none());
    let named = || plans.iter().enumerate().filter_map(|(at, plan)| Some((at, plan.as_ref()?)));
    many.take_off(named().filter(|(_, plan)| only_off(plan)), &mut outcomes).await;
    many.add_all(named(), &mut outcomes).await;
    many.take_off(named().filter(|(_, plan)| !only_off(plan)), &mut outcomes).await;
    for (at, plan) in named().filter(|(_, plan)| plan.erased) {
        if outcomes.get(at).is_some_and(|outcome| matches!(outcome, Ok(Synced::Done))) {
            let forgotten = forget(services, plan).await;
            note(&mut outcomes, at, forgotten.map(|()| Synced::Done));
        }
    }
    Ok(outcomes)
}

/// Destroys what was kept of somebody erased to take them off, now that they are off every list.
async fn forget(services: &Services, plan: &Plan) -> Result<(), Error> {
    let (scope, subject) = (plan.scope, plan.subject);
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_subject(scope, subject)?;
        if tx.destination_states(scope, subject)?.iter().any(DestinationState::is_open) {
            return Ok(false);
        }
        tx.forget_address(scope, subject)?;
        Ok::<_, Error>(true)
    };
    if services.store.write(subject.uuid(), work).await? {
        tracing::info!(target: "audit", subject = %subject, "somebody erased is off every list of the destinations");
    }
    Ok(())
}

fn note(outcomes: &mut Outcomes, at: usize, outcome: Result<Synced, Error>) {
    let Some(place) = outcomes.get_mut(at) else { return };
    let before = std::mem::replace(place, Ok(Synced::Done));
    *place = before.and_then(|before| outcome.map(|outcome| before.and(outcome)));
}

impl<'a> Many<'a> {
    /// Takes people off lists, each by itself.
    async fn take_off(&self, people: impl Iterator<Item = (usize, &'a Plan)>, outcomes: &mut Outcomes) {
        let steps = people.flat_map(|(at, plan)| plan.steps.iter().map(move |step| (at, plan, step)));
        let calls: Vec<_> = steps
            .filter(|(.., step)| step.row.is_none())
            .map(|(at, plan, step)| self.take_off_one(at, plan, step).boxed())
            .collect();
        let made: Vec<_> = stream::iter(calls).buffer_unordered(self.together.calls.max(1)).collect().await;
        made.into_iter().for_each(|(at, outcome)| note(outcomes, at, outcome));
    }

    async fn take_off_one(&self, at: usize, plan: &Plan, step: &Step) -> (usize, Result<Synced, Error>) {
        (at, take_step(self.services, self.provider, &self.tasks[at], plan, step).await)
    }

    /// Makes people active, list by list.
    async fn add_all(&self, people: impl Iterator<Item = (usize, &'a Plan)>, outcomes: &mut Outcomes) {
        let mut lists: BTreeMap<(DestinationId, &str), Vec<Add<'a>>> = BTreeMap::new();
        for (at, plan) in people {
            for step in &plan.steps {
                if let Some(row) = &step.row {
                    let add = Add { at, plan, step, row };
                    lists.entry((step.destination.id, &step.list_id)).or_default().push(add);
                }
            }
        }
        for adds in lists.into_values() {
            for batch in batches(adds, self.together.rows.clamp(1, 1000)) {
                let people: Vec<usize> = batch.iter().map(|add| add.at).collect();
                // One list's trouble is not another's, nor does it undo what was done for these people elsewhere.
                let added = self.add(batch).await.unwrap_or_else(|error| {
                    let why = error.to_string();
                    people.into_iter().map(|at| (at, Err(Error::Internal(why.clone())))).collect()
                });
                added.into_iter().for_each(|(at, outcome)| note(outcomes, at, outcome));
            }
        }
    }

    /// One import.
    async fn add(&self, batch: Vec<Add<'a>>) -> Result<Vec<(usize, Result<Synced, Error>)>, Error> {
        let Some(first) = batch.first() else { return Ok(Vec::new()) };
        let (services, destination, list_id) = (self.services, &first.step.destination, first.step.list_id.as_str());
        let now_ms = u64::try_from(services.clock.now().micros() / 1000).unwrap_or(0);
        let permit = match self.provider.admit(destination.id, now_ms) {
            Admission::Go(permit) => permit,
            Admission::Wait { until_ms } => {
                let wait = until(until_ms, now_ms);
                return Ok(batch.iter().map(|add| (add.at, Ok(Synced::Waiting(wait)))).collect());
            }
        };
        let client = self.provider.client(&destination.base_url)?;
        let credentials = match credentials(services, destination).await {
            Ok(credentials) => credentials,
            Err(error) => {
                let failed = matches!(&error, Error::Provider(call) if call.counts_against_breaker());
                self.provider.report(destination.id, permit, failed, now_ms);
                let Error::Provider(call) = error else { return Err(error) };
                return Ok(batch.iter().map(|add| (add.at, Ok(after(&call, destination.id)))).collect());
            }
        };
        let account = client.account(&credentials);
        let (batch, mut outcomes, failed) = self.leave_elsewhere(&account, batch).await;
        if batch.is_empty() {
            self.provider.report(destination.id, permit, failed, now_ms);
            return Ok(outcomes);
        }
        // What is about to be brought about is on disk before the call, so that a lost answer leaves a trace (section 7).
        let held = match self.confirm(&batch).await {
            Ok(held) => held,
            Err(error) => {
                // Nothing was asked there; whoever waits for this permit need not.
                self.provider.report(destination.id, permit, false, now_ms);
                return Err(error);
            }
        };
        let (going, changed): (Vec<Add<'a>>, Vec<Add<'a>>) = batch.into_iter().partition(|add| held.contains(&add.at));
        outcomes.extend(changed.iter().map(|add| (add.at, Ok(Synced::Waiting(Duration::ZERO)))));
        if going.is_empty() {
            self.provider.report(destination.id, permit, false, now_ms);
            return Ok(outcomes);
        }
        let rows: Vec<NewSubscriber> = going.iter().map(|add| add.row.clone()).collect();
        let imported = account.import(list_id, &rows, false).await;
        let failed = matches!(&imported, Err(error) if error.counts_against_breaker());
        self.provider.report(destination.id, permit, failed, now_ms);
        let imported = match imported {
            Ok(imported) => imported,
            Err(error) => {
                let text = error.to_string();
                let stands = going.iter().map(|add| self.state(add, add.step.set_aside, Some(&text)));
                self.save(&going, stands.collect()).await?;
                outcomes.extend(going.iter().map(|add| (add.at, Ok(after(&error, destination.id)))));
                return Ok(outcomes);
            }
        };
        let is_written = |add: &Add<'_>| imported.result_of(&add.row.email_address) == RowResult::Written;
        let (written, others): (Vec<Add<'a>>, Vec<Add<'a>>) = going.into_iter().partition(is_written);
        self.save(&written, written.iter().map(|add| self.state(add, false, None)).collect()).await?;
        for add in &written {
            outcomes.push((add.at, elsewhere::gone(&self.hold(add), add.step).await.map(|()| Synced::Done)));
        }
        for add in others {
            outcomes.push((add.at, self.refused(&account, add, &imported, rows.len() > 1).await));
        }
        Ok(outcomes)
    }

    /// Whoever stands there under an address that they have left gets the new one first; says who may now be added, how the
    /// others came out, and whether a call failed.
    async fn leave_elsewhere(
        &self,
        account: &Account<'_>,
        batch: Vec<Add<'a>>,
    ) -> (Vec<Add<'a>>, Vec<(usize, Result<Synced, Error>)>, bool) {
        let (mut ready, mut outcomes, mut failed) = (Vec::with_capacity(batch.len()), Vec::new(), false);
        for add in batch {
            let hold = self.hold(&add);
            match elsewhere::leave(self.services, &hold, account, add.plan, add.step, add.row).await {
                Ok(()) => ready.push(add),
                Err(trouble) => {
                    failed |= matches!(&trouble, Trouble::Call(error) if error.counts_against_breaker());
                    let progress = Progress { set_aside: add.step.set_aside, active: add.step.was_active };
                    let outcome = conclude(self.services, &hold, add.plan, add.step, progress, Err(trouble)).await;
                    outcomes.push((add.at, outcome));
                }
            }
        }
        (ready, outcomes, failed)
    }

    /// What came of a row that was not written. Where the answer of many rows leaves it open, it goes once more by itself.
    async fn refused(
        &self,
        account: &Account<'_>,
        add: Add<'a>,
        imported: &ImportOutcome,
        of_many: bool,
    ) -> Result<Synced, Error> {
        let Add { plan, step, row, .. } = add;
        let hold = self.hold(&add);
        let progress = Progress { set_aside: step.set_aside, active: true };
        let mut result = imported.result_of(&row.email_address);
        if result == RowResult::Unclear && of_many {
            match account.import(&step.list_id, std::slice::from_ref(row), false).await {
                Ok(alone) => result = alone.result_of(&row.email_address),
                Err(error) => {
                    let failed = Err(Trouble::Call(error));
                    return conclude(self.services, &hold, plan, step, progress, failed).await;
                }
            }
        }
        let added = outcome::added(self.services, &hold, account, plan, step, row, result).await;
        conclude(self.services, &hold, plan, step, progress, added).await
    }

    /// The claim under which somebody is added.
    fn hold(&self, add: &Add<'_>) -> Hold<'a> {
        Hold { services: self.services, task: &self.tasks[add.at], lease: self.provider.settings.lease }
    }

    fn state(&self, add: &Add<'_>, set_aside: bool, trouble: Option<&str>) -> DestinationState {
        let progress = Progress { active: true, set_aside };
        state(self.services, &self.tasks[add.at], add.plan, add.step, progress, trouble)
    }

    /// Lengthens the claims on those about whom nothing has changed since their plans were read, and notes that they are
    /// about to be added, with the preference links that they did not have; says who they are. See [`Hold::confirm`].
    async fn confirm(&self, batch: &[Add<'a>]) -> Result<HashSet<usize>, Error> {
        let planned: HashMap<SubjectId, EventId> = batch.iter().map(|add| (add.plan.subject, add.step.event)).collect();
        let mut people: Vec<(ControllerId, SubjectId)> =
            batch.iter().map(|add| (self.tasks[add.at].controller_id, add.plan.subject)).collect();
        people.sort_unstable();
        let tasks: Vec<Task> = batch.iter().map(|add| self.tasks[add.at].clone()).collect();
        let states: Vec<DestinationState> =
            batch.iter().map(|add| self.state(add, add.step.set_aside, Some(ADDING))).collect();
        let (lease, now) = (self.provider.settings.lease, self.services.clock.now());
        let fresh: Vec<Link> = batch
            .iter()
            .filter(|add| add.plan.link.is_new)
            .map(|add| record(add.plan.scope, add.plan.subject, add.plan.link.id, now))
            .collect();
        let work = move |tx: &mut WriteTx<'_>| {
            let rows = tx.lock_people(&people)?;
            let alive: HashSet<SubjectId> =
                rows.iter().filter(|row| row.erased_at.is_none()).map(|row| row.id).collect();
            let (missing, taken) = missing_links(tx, &fresh)?;
            let mut newest: HashMap<SubjectId, EventId> = HashMap::new();
            for consent in tx.consents_of_all(&people)? {
                let known = newest.entry(consent.subject_id).or_insert(consent.event_id);
                *known = (*known).max(consent.event_id);
            }
            let unchanged: Vec<&Task> = tasks
                .iter()
                .filter(|task| {
                    let subject = SubjectId::from_uuid(task.reference.uuid());
                    let unchanged = newest.get(&subject).is_some_and(|newest| planned.get(&subject) == Some(newest));
                    unchanged && alive.contains(&subject) && !taken.contains(&subject)
                })
                .collect();
            let held = tx.held_claims(TaskKind::Sync, &unchanged)?;
            tx.extend_leases(TaskKind::Sync, &held, lease)?;
            let held: HashSet<SubjectId> =
                held.iter().map(|task| SubjectId::from_uuid(task.reference.uuid())).collect();
            let stands = states.iter().filter(|state| held.contains(&state.subject_id)).cloned();
            tx.save_destination_states(&stands.collect::<Vec<_>>())?;
            let links = missing.into_iter().filter(|link| held.contains(&link.subject_id));
            tx.insert_links(&links.collect::<Vec<_>>())?;
            Ok::<_, Error>(held)
        };
        let held = self.services.store.write(self.route(batch), work).await?;
        Ok(batch.iter().filter(|add| held.contains(&add.plan.subject)).map(|add| add.at).collect())
    }

    /// Notes how a list stands for people, while the claims on them are ours.
    async fn save(&self, adds: &[Add<'a>], states: Vec<DestinationState>) -> Result<(), Error> {
        if states.is_empty() {
            return Ok(());
        }
        let tasks: Vec<Task> = adds.iter().map(|add| self.tasks[add.at].clone()).collect();
        let lease = self.provider.settings.lease;
        let work = move |tx: &mut WriteTx<'_>| {
            let held = tx.held_claims(TaskKind::Sync, &tasks.iter().collect::<Vec<_>>())?;
            tx.extend_leases(TaskKind::Sync, &held, lease)?;
            let held: HashSet<SubjectId> =
                held.iter().map(|task| SubjectId::from_uuid(task.reference.uuid())).collect();
            let stands = states.iter().filter(|state| held.contains(&state.subject_id)).cloned();
            tx.save_destination_states(&stands.collect::<Vec<_>>())?;
            Ok::<_, Error>(())
        };
        self.services.store.write(self.route(adds), work).await
    }

    /// One writer for all of a controller's imports, so that they do not wait for each other's locks.
    fn route(&self, adds: &[Add<'_>]) -> uuid::Uuid {
        adds.first().map_or(uuid::Uuid::nil(), |add| self.tasks[add.at].controller_id.uuid())
    }
}

/// Of new preference links those that are not on record yet, as a person may be about to be added to several lists; and
/// who has got another one since the plan was read, whose row would lead nowhere. Nothing is read where none is new.
fn missing_links(tx: &mut WriteTx<'_>, fresh: &[Link]) -> Result<(Vec<Link>, HashSet<SubjectId>), Error> {
    let Some(first) = fresh.first() else { return Ok(Default::default()) };
    let people: Vec<SubjectId> = fresh.iter().map(|link| link.subject_id).collect();
    let scope = ControllerScope::granted(first.controller_id);
    let known: HashMap<SubjectId, LinkId> = tx.preference_links(scope, &people)?.into_iter().collect();
    let missing = fresh.iter().filter(|link| !known.contains_key(&link.subject_id)).cloned().collect();
    let other = |link: &&Link| known.get(&link.subject_id).is_some_and(|known| *known != link.id);
    Ok((missing, fresh.iter().filter(other).map(|link| link.subject_id).collect()))
}

/// Cuts what is to be added into imports of at most `rows`, none with an address twice: which one would win is not
/// defined there (campaign-monitor 5.3).
fn batches(adds: Vec<Add<'_>>, rows: usize) -> Vec<Vec<Add<'_>>> {
    let mut batches: Vec<(HashSet<String>, Vec<Add<'_>>)> = Vec::new();
    for add in adds {
        let address = normalise_address(&add.row.email_address);
        let room = batches.iter_mut().rev().find(|(known, batch)| batch.len() < rows && !known.contains(&address));
        match room {
            Some((known, batch)) => {
                known.insert(address);
                batch.push(add);
            }
            None => batches.push((HashSet::from([address]), vec![add])),
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}
