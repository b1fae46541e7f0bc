//! Keeping destinations in step: confirmed people, and only they, are active there (PR-08 to PR-10). One task per
//! person says "bring this person in step"; what it does is read from the record at that moment, so later changes are
//! merged, order is kept, and a withdrawal overtakes an add that has not been made yet. Adds of many people are made in
//! one call ([`sync_people`]); whoever is taken off is taken off alone.

mod common;
mod elsewhere;
mod many;
mod outcome;
mod plan;
mod preferences;
mod rounds;
mod row;
mod visit;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::campaign_monitor::{
    Account, Admission, Breaker, BreakerSettings, CallError, Client, ClientSettings, Credentials, Reason, Secret,
    Verdict,
};
use crate::domain::ids::{ControllerScope, DestinationId, SubjectId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::destinations::{Destination, DestinationState};
use crate::store::outbox::Task;

use super::destinations::api_key;
use super::oauth::{self, refused_words};
use super::{Error, Services};
pub(super) use common::Yes;
pub use many::{Together, sync_people};
pub(super) use plan::HELD_BACK;
pub(super) use plan::stood_for;
use plan::{Plan, Step};
pub use preferences::preference_address;
pub(super) use row::{FIELDS, PREFERENCES, Rows};
pub(super) use visit::{Visit, Wait};

/// The lane of work for a person about whom something has changed.
pub(super) const SYNC_LANE: i16 = 1;

/// What stands on record while an add is under way.
const ADDING: &str = "about to be added";
/// When it is looked again whether a change there shows: it may take them a second (campaign-monitor 5.2).
const SETTLING: Duration = Duration::from_secs(2);
/// What stands on record while somebody is set aside.
const TAKING_OFF: &str = "about to be taken off";

/// How the provider is spoken to.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Time to connect.
    pub connect_timeout: Duration,
    /// Time for a whole call.
    pub call_timeout: Duration,
    /// How long the claim on a person holds from the start of a call; longer than the call may take.
    pub lease: Duration,
    /// Failures in a row after which an account is left alone for a while.
    pub breaker_failures: u32,
    /// How long at first.
    pub breaker_pause: Duration,
    /// How long at most.
    pub breaker_pause_cap: Duration,
}

impl Default for ProviderSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(120),
            lease: Duration::from_secs(180),
            breaker_failures: 5,
            breaker_pause: Duration::from_secs(30),
            breaker_pause_cap: Duration::from_secs(600),
        }
    }
}

/// The provider's accounts, each with a breaker of its own, so that one that is down delays no other.
pub struct Provider {
    settings: ProviderSettings,
    clients: Mutex<HashMap<String, Client>>,
    breakers: Mutex<HashMap<DestinationId, Breaker>>,
}

/// How bringing a person in step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Synced {
    /// In step.
    Done,
    /// Nothing was tried: look again after this time.
    Waiting(Duration),
    /// Try again, not before this much time; the text is for the log and the record.
    Later(Option<Duration>, String),
    /// A person has to look.
    Stuck(String),
}

impl Provider {
    /// Nothing is connected yet.
    pub fn new(settings: ProviderSettings) -> Self {
        Self { settings, clients: Mutex::default(), breakers: Mutex::default() }
    }

    /// A client for the API at this address, without any breaker.
    pub(in crate::usecases) fn client(&self, base_url: &str) -> Result<Client, Error> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(base_url) {
            return Ok(client.clone());
        }
        let client = client_at(base_url, self.settings.connect_timeout, self.settings.call_timeout)?;
        clients.insert(base_url.to_owned(), client.clone());
        Ok(client)
    }

    /// How long the claim on work holds from the start of a call.
    pub const fn lease(&self) -> Duration {
        self.settings.lease
    }

    fn admit(&self, destination: DestinationId, now_ms: u64) -> Admission {
        let settings = BreakerSettings {
            failures: self.settings.breaker_failures,
            first_pause_ms: millis(self.settings.breaker_pause),
            longest_pause_ms: millis(self.settings.breaker_pause_cap),
            probe_lease_ms: millis(self.settings.call_timeout) * 2,
        };
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        breakers.entry(destination).or_insert_with(|| Breaker::new(settings)).admit(now_ms)
    }

    fn report(&self, destination: DestinationId, permit: crate::campaign_monitor::Permit, failed: bool, now_ms: u64) {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(breaker) = breakers.get_mut(&destination) {
            if failed { breaker.failed(permit, now_ms) } else { breaker.succeeded(permit) }
        }
    }
}

/// Behind the rest of its kind: a stop, or a new yes, does not wait for what a list brings.
const DETAILS_LANE: i16 = 2;

/// Asks for people to be brought in step whose name or fields have changed, as far as they are on record anywhere.
pub(super) fn details_changed(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    people: &[SubjectId],
    now: Timestamp,
) -> Result<(), Error> {
    let people = tx.people_on_lists(scope, people)?;
    let task = |person: &SubjectId| Task::new(scope, TaskKind::Sync, person.uuid(), DETAILS_LANE, now, now);
    Ok(tx.enqueue(&people.iter().map(task).collect::<Vec<_>>())?)
}

/// A client for the API at this address.
pub(super) fn client_at(base_url: &str, connect_timeout: Duration, total_timeout: Duration) -> Result<Client, Error> {
    let settings =
        ClientSettings { base_url: base_url.to_owned(), connect_timeout, total_timeout, ..ClientSettings::default() };
    Client::new(&settings).map_err(|error| Error::Internal(format!("the provider's address: {error}")))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Synced {
    /// What a person has come to, of whom one list has come to this and another to that.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (this, Self::Done) => this,
            (Self::Stuck(text), _) => Self::Stuck(text),
            (_, other) => other,
        }
    }
}

/// Makes one step that concerns this person alone: they are taken off a list.
async fn take_step(
    services: &Services,
    provider: &Provider,
    task: &Task,
    plan: &Plan,
    step: &Step,
) -> Result<Synced, Error> {
    let now_ms = u64::try_from(services.clock.now().micros() / 1000).unwrap_or(0);
    let permit = match provider.admit(step.destination.id, now_ms) {
        Admission::Go(permit) => permit,
        Admission::Wait { until_ms } => return Ok(Synced::Waiting(until(until_ms, now_ms))),
    };
    let client = provider.client(&step.destination.base_url)?;
    let hold = outcome::Hold { services, task, lease: provider.settings.lease };
    let mut progress = Progress { set_aside: step.set_aside, active: step.was_active };
    let credentials = match credentials(services, &step.destination).await {
        Ok(credentials) => credentials,
        Err(error) => {
            let failed = matches!(&error, Error::Provider(call) if call.counts_against_breaker());
            provider.report(step.destination.id, permit, failed, now_ms);
            let Error::Provider(call) = error else { return Err(error) };
            return conclude(services, &hold, plan, step, progress, Err(outcome::Trouble::Call(call))).await;
        }
    };
    let account = client.account(&credentials);
    let result = take_off(services, &hold, &account, plan, step, &mut progress).await;
    let failed = matches!(&result, Err(outcome::Trouble::Call(error)) if error.counts_against_breaker());
    provider.report(step.destination.id, permit, failed, now_ms);
    conclude(services, &hold, plan, step, progress, result).await
}

fn until(until_ms: u64, now_ms: u64) -> Duration {
    Duration::from_millis(until_ms.saturating_sub(now_ms))
}

/// Notes what a step has come to.
async fn conclude(
    services: &Services,
    hold: &outcome::Hold<'_>,
    plan: &Plan,
    step: &Step,
    progress: Progress,
    result: Result<bool, outcome::Trouble>,
) -> Result<Synced, Error> {
    let note = |progress: Progress, trouble: Option<&str>| {
        save(hold, state(services, hold.task, plan, step, progress, trouble))
    };
    match result {
        Ok(active) => {
            note(Progress { active, set_aside: !active && progress.set_aside }, None).await?;
            elsewhere::gone(hold, step).await?;
            Ok(Synced::Done)
        }
        Err(outcome::Trouble::Call(error)) => {
            // What stands there is not known: the intention stays on record, and the next attempt repeats it.
            note(progress, Some(&error.to_string())).await?;
            Ok(after(&error, step.destination.id))
        }
        Err(outcome::Trouble::Stuck(text)) => {
            note(progress, Some(&text)).await?;
            Ok(Synced::Stuck(text))
        }
        Err(outcome::Trouble::HeldBack) => {
            let mut state =
                state(services, hold.task, plan, step, Progress { active: false, ..progress }, Some(HELD_BACK));
            // It stays as old as it is: a yes after it counts.
            state.synced_at = step.left_at.unwrap_or(state.synced_at);
            save(hold, state).await?;
            elsewhere::gone(hold, step).await?;
            Ok(Synced::Done)
        }
        Err(outcome::Trouble::NotYet(text)) => {
            note(progress, Some(&text)).await?;
            Ok(Synced::Later(Some(SETTLING), text))
        }
        Err(outcome::Trouble::Changed) => Ok(Synced::Waiting(Duration::ZERO)),
        Err(outcome::Trouble::House(error)) => Err(error),
    }
}

/// What follows from a call to a destination that failed.
fn after(error: &CallError, destination: DestinationId) -> Synced {
    let text = error.to_string();
    match error.verdict() {
        Verdict::Done => Synced::Done,
        Verdict::Retry { after } => Synced::Later(after, text),
        Verdict::NeedsPerson(reason) => Synced::Stuck(stuck_words(reason, destination, &text)),
        Verdict::TheyStopped { code } => Synced::Stuck(format!("refused there with code {code}")),
    }
}

/// With what words work is parked that waits for a person: where the credential is not taken, with those by which it is
/// found again once the destination is connected anew.
pub(super) fn stuck_words(reason: Reason, destination: DestinationId, text: &str) -> String {
    match reason {
        Reason::Credential | Reason::CredentialExpired | Reason::Permission => {
            format!("{}{text}", refused_words(destination))
        }
        reason => format!("{reason:?}: {text}"),
    }
}

/// How a list stands for the person, as far as a step has come.
#[derive(Debug, Clone, Copy)]
struct Progress {
    active: bool,
    set_aside: bool,
}

/// Takes a person off a list. Says whether they are active there in the end.
async fn take_off(
    services: &Services,
    hold: &outcome::Hold<'_>,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
    progress: &mut Progress,
) -> Result<bool, outcome::Trouble> {
    if !step.is_gentle() {
        hold.confirm(step, None).await?;
        progress.set_aside = false;
        return outcome::remove(account, step, &plan.addresses(step)).await;
    }
    let mut addresses = plan.addresses(step);
    // What we have begun ourselves would look like what the person may have done.
    if step.was_active {
        let mut there = Vec::with_capacity(addresses.len());
        for address in addresses {
            if outcome::still_there(services, hold, account, plan, step, address).await? {
                there.push(address);
            }
        }
        if there.is_empty() {
            return Ok(false);
        }
        addresses = there;
    }
    let begun = Progress { active: false, set_aside: true };
    hold.confirm(step, Some(state(services, hold.task, plan, step, begun, Some(TAKING_OFF)))).await?;
    *progress = begun;
    outcome::remove(account, step, &addresses).await
}

/// What a destination is spoken to with: its API key, or tokens that renew themselves. The one place that hands it out.
pub(super) async fn credentials(services: &Services, destination: &Destination) -> Result<Credentials, Error> {
    let scope = ControllerScope::granted(destination.controller_id);
    if let Some(connection) = destination.connection_id {
        return oauth::credentials(services, scope, connection).await;
    }
    let keys = services.keys.of(scope).await?;
    Ok(Credentials::ApiKey(Secret::new(api_key(&keys, destination)?.expose().to_owned())))
}

/// How a list stands for the person.
fn state(
    services: &Services,
    task: &Task,
    plan: &Plan,
    step: &Step,
    progress: Progress,
    trouble: Option<&str>,
) -> DestinationState {
    DestinationState {
        controller_id: task.controller_id,
        subject_id: plan.subject,
        list_id: step.list_id.clone(),
        active: progress.active,
        set_aside: progress.set_aside,
        event_id: step.event,
        synced_at: services.clock.now(),
        row_mark: step.mark.clone().filter(|_| progress.active && trouble.is_none()),
        last_error: trouble.map(|text| text.chars().take(300).collect()),
        // Not written with the rest, see there.
        stands_as: None,
    }
}

/// Notes how a list stands for the person, while the claim is ours.
async fn save(hold: &outcome::Hold<'_>, state: DestinationState) -> Result<(), Error> {
    let (task, lease) = (hold.task.clone(), hold.lease);
    hold.services
        .store
        .write(state.subject_id.uuid(), move |tx: &mut WriteTx<'_>| {
            if tx.extend_lease(&task, lease)? {
                tx.save_destination_state(&state)?;
            }
            Ok::<_, Error>(())
        })
        .await
}

/// Shared by those who carry tasks out.
pub type SharedProvider = Arc<Provider>;
