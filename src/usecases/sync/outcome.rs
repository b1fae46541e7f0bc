//! Making one step at the provider, and what to do when they hold a stop (section 18 of the provider's contract): a
//! stop there yields only to a consent event that is newer; otherwise it is a withdrawal here.

use std::time::Duration;

use crate::campaign_monitor::{
    Account, CallError, Direction, ListState, NewSubscriber, OrderField, PageRequest, RowResult, Verdict, Zone,
    normalise_address,
};
use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, EventId, PurposeId, SubjectId};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::destinations::DestinationState;
use crate::store::outbox::Task;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::super::record::{Occasion, Person, apply};
use super::super::{Error, Services};
use super::plan::{Plan, Step};

/// Refused there, as the list's owner removed them.
const DELETED: u32 = 205;
/// Refused there, as they unsubscribed.
const UNSUBSCRIBED: u32 = 206;

/// Why a step was not made.
pub enum Trouble {
    /// The call failed.
    Call(CallError),
    /// A person has to look.
    Stuck(String),
    /// They hold a stop that is on record here, about something else than what is to be kept there now.
    HeldBack,
    /// What was asked for there does not show yet.
    NotYet(String),
    /// The record has changed since the plan was read, or another worker took over: to be planned anew.
    Changed,
    /// Something of ours failed.
    House(Error),
}

impl From<CallError> for Trouble {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::House(error)
    }
}

/// What came of a person's row in an import: says whether they are active there in the end.
pub async fn added(
    services: &Services,
    hold: &Hold<'_>,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
    row: &NewSubscriber,
    result: RowResult,
) -> Result<bool, Trouble> {
    let code = match result {
        RowResult::Written => return Ok(true),
        RowResult::Unclear => return Err(Trouble::Stuck("the import's answer leaves the row open".to_owned())),
        RowResult::Refused { code } => code,
    };
    match result.verdict() {
        Verdict::TheyStopped { code } => they_stopped(services, hold, account, plan, step, row, code).await,
        Verdict::Done => Ok(true),
        Verdict::Retry { .. } | Verdict::NeedsPerson(_) => {
            Err(Trouble::Stuck(format!("refused there with code {code}")))
        }
    }
}

/// Takes the person off under these addresses, see [`Step::is_gentle`]. That they are not there is the goal reached.
pub async fn remove(account: &Account<'_>, step: &Step, addresses: &[&str]) -> Result<bool, Trouble> {
    for address in addresses {
        if step.is_gentle() {
            account.delete(&step.list_id, address).await?;
        } else {
            account.unsubscribe(&step.list_id, address).await?;
        }
        if step.erased {
            // Unsubscribed first, so that no file that somebody imports there mails them again; no call erases a person
            // there (5.7), which is for the controller to do by hand.
            account.delete(&step.list_id, address).await?;
        }
    }
    Ok(false)
}

/// Looks, before somebody is set aside, whether they are still active there. If they have stopped there themselves in the
/// meantime, that stop would be lost with the list: it is recorded here, and stays as it is there.
pub async fn still_there(
    services: &Services,
    hold: &Hold<'_>,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
    address: &str,
) -> Result<bool, Trouble> {
    let Some(found) = account.subscriber(&step.list_id, address).await? else { return Ok(false) };
    match found.list_state() {
        Some(ListState::Active | ListState::Unconfirmed) => return Ok(true),
        Some(ListState::Unsubscribed) => {}
        // Bounced, or removed by somebody else: no word of the person, and nothing to take off.
        Some(ListState::Bounced | ListState::Deleted) | None => return Ok(false),
    }
    let latest = zone(step)?.window(&found.date).ok().map(|window| Timestamp::from_micros(window.latest));
    // An older stop has been answered by a newer yes.
    let stopped = step.given.iter().filter(|(_, given)| latest.is_none_or(|latest| *given <= latest));
    let stopped: Vec<PurposeId> = stopped.map(|(purpose, _)| *purpose).collect();
    if !stopped.is_empty() {
        mirror(services, hold, plan, step, &stopped, UNSUBSCRIBED).await?;
    }
    Ok(false)
}

fn zone(step: &Step) -> Result<Zone, Trouble> {
    Zone::named(&step.destination.time_zone).map_err(|e| Trouble::Stuck(format!("time zone: {e}")))
}

/// They hold a stop. Newer consent here starts the person again, alone and named; else it is a stop here too.
async fn they_stopped(
    services: &Services,
    hold: &Hold<'_>,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
    row: &NewSubscriber,
    code: u32,
) -> Result<bool, Trouble> {
    if code == 208 {
        return Err(Trouble::Stuck(
            "the list there confirms sign-ups by itself; switch that off (code 208)".to_owned(),
        ));
    }
    if code == 207 {
        // A mailbox that bounced there is not started again by machine (section 18).
        return Err(Trouble::Stuck("the address bounced there (code 207)".to_owned()));
    }
    if code == DELETED && step.set_aside {
        // Our own doing, while the consent stood: nobody has stopped anything.
        hold.confirm(step, None).await?;
        return start_again(account, step, row).await;
    }
    let stopped_at = when_stopped(services, account, plan, step, code).await?;
    // The stop there was our own doing, and nothing happened there since: our clock decides.
    let is_known = |at: &Timestamp| stopped_at.is_some_and(|(earliest, _)| earliest <= *at);
    let ours = step.stopped_by_us.filter(is_known);
    // What we know about this very list; of another list we know only that the person left it, and not by whose doing.
    let on_record = step.left_at.is_some_and(|at| is_known(&at));
    // Without a date to compare with, the stop stands.
    let until = ours.or(stopped_at.map(|(_, latest)| latest));
    let is_newer = |given: &Timestamp| until.is_some_and(|until| *given > until);
    let (newer, older): (Vec<_>, Vec<_>) = step.given.iter().partition(|(_, given)| is_newer(given));
    if newer.is_empty() {
        // What came to an end there is on record here with the purposes it was about; those of today are not among them.
        if on_record {
            return Err(Trouble::HeldBack);
        }
        mirror(services, hold, plan, step, &step.purposes, code).await?;
        return Ok(false);
    }
    // Of several purposes on the list, a stop of theirs ends those that were consented to before it; the row that goes
    // there again is planned without them.
    if !on_record && !older.is_empty() {
        let older: Vec<PurposeId> = older.into_iter().map(|(purpose, _)| purpose).collect();
        mirror(services, hold, plan, step, &older, code).await?;
        return Err(Trouble::Changed);
    }
    // Looking things up there took a while: what was planned must still be what is wanted (PR-09).
    hold.confirm(step, None).await?;
    if code == 204 {
        account.unsuppress(&step.destination.client_id, &plan.address).await?;
    }
    start_again(account, step, row).await
}

/// Alone in its request, for this one person, whose consent event is `step.event` (PR-08).
async fn start_again(account: &Account<'_>, step: &Step, row: &NewSubscriber) -> Result<bool, Trouble> {
    tracing::info!(event = %step.event, list = %step.list_id, "starting a person again at the destination");
    let outcome = account.import(&step.list_id, std::slice::from_ref(row), true).await?;
    match outcome.result_of(&row.email_address) {
        RowResult::Written => Ok(true),
        RowResult::Refused { code } => Err(Trouble::Stuck(format!("still refused there with code {code}"))),
        RowResult::Unclear => Err(Trouble::Stuck("the import's answer leaves the row open".to_owned())),
    }
}

/// The earliest and latest moment at which the stop there can have happened.
async fn when_stopped(
    services: &Services,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
    code: u32,
) -> Result<Option<(Timestamp, Timestamp)>, Trouble> {
    let zone = zone(step)?;
    let window = |date: &str| {
        zone.window(date).ok().map(|w| (Timestamp::from_micros(w.earliest), Timestamp::from_micros(w.latest)))
    };
    let on_list = account.subscriber(&step.list_id, &plan.address).await?.and_then(|found| window(&found.date));
    if code != 204 {
        return Ok(on_list);
    }
    let suppressed = suppressed_at(services, account, plan, step).await?.and_then(|date| window(&date));
    // The later of the two counts: a stop is not made older than it may be.
    Ok(match (on_list, suppressed) {
        (Some(a), Some(b)) => Some((a.0.max(b.0), a.1.max(b.1))),
        (_, found) => found,
    })
}

/// Looks an address up in the suppression list, newest entries first; there is no look-up by address.
async fn suppressed_at(
    services: &Services,
    account: &Account<'_>,
    plan: &Plan,
    step: &Step,
) -> Result<Option<String>, Trouble> {
    let wanted = normalise_address(&plan.address);
    for page in 1..=services.rules.pieces.suppression_pages {
        let request = PageRequest {
            since: None,
            page,
            page_size: 1000,
            order: OrderField::Date,
            direction: Direction::Descending,
        };
        let answer = account.suppression_list(&step.destination.client_id, request).await?;
        if let Some(entry) = answer.results.iter().find(|entry| normalise_address(&entry.email_address) == wanted) {
            return Ok(Some(entry.date.clone()));
        }
        if !answer.has_next() {
            break;
        }
    }
    Ok(None)
}

/// A stop there becomes a withdrawal here.
async fn mirror(
    services: &Services,
    hold: &Hold<'_>,
    plan: &Plan,
    step: &Step,
    purposes: &[PurposeId],
    code: u32,
) -> Result<(), Trouble> {
    let keys = services.keys.of(plan.scope).await?;
    let (house, scope, subject, purposes) = (services.clone(), plan.scope, plan.subject, purposes.to_vec());
    let occasion = Occasion::plain(
        services.clock.now(),
        Method::Destination,
        Some(format!("destination:{}", step.destination.id)),
    );
    tracing::info!(code, list = %step.list_id, "a stop at the destination is recorded as a withdrawal");
    let (planned, task, lease) = (step.event, hold.task.clone(), hold.lease);
    let mirrored = services
        .store
        .write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
            let person = Person::open(scope, &keys, tx.lock_subject(scope, subject)?)?;
            // A yes that came meanwhile is newer than what they hold; and whoever took this work over may have started the
            // person again since we were refused.
            if newest_event(tx, scope, subject)? != Some(planned) || !tx.extend_lease(&task, lease)? {
                return Ok(false);
            }
            for purpose in &purposes {
                let command = Command::Withdraw { reason: SuppressionReason::Withdrawn };
                apply(tx, &*house.ids, &keys, &person, *purpose, command, &occasion)?;
            }
            Ok::<_, Error>(true)
        })
        .await?;
    if mirrored { Ok(()) } else { Err(Trouble::Changed) }
}

/// The newest event that is on record about a person's consents.
pub fn newest_event(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    subject: SubjectId,
) -> Result<Option<EventId>, StoreError> {
    Ok(tx.consents_of(scope, subject)?.iter().map(|consent| consent.event_id).max())
}

/// The claim under which a step is made.
pub struct Hold<'a> {
    /// The services.
    pub services: &'a Services,
    /// The claim.
    pub task: &'a Task,
    /// How long it is to hold from now.
    pub lease: Duration,
}

impl Hold<'_> {
    /// Lengthens the claim and makes sure that nothing has changed about the person since the plan was read, so that a
    /// worker that was slow does not undo what a person has decided since (T-07).
    ///
    /// What is about to be brought about there is noted in the same commit, so that a lost answer leaves a trace.
    pub async fn confirm(&self, step: &Step, about_to_be: Option<DestinationState>) -> Result<(), Trouble> {
        let (task, lease, planned) = (self.task.clone(), self.lease, step.event);
        let (scope, subject) = (task.scope(), SubjectId::from_uuid(task.reference.uuid()));
        let holds = self
            .services
            .store
            .write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
                tx.lock_subject(scope, subject)?;
                let unchanged = newest_event(tx, scope, subject)? == Some(planned);
                let holds = unchanged && tx.extend_lease(&task, lease)?;
                if let Some(state) = about_to_be.as_ref().filter(|_| holds) {
                    tx.save_destination_state(state)?;
                }
                Ok::<_, Error>(holds)
            })
            .await?;
        if holds { Ok(()) } else { Err(Trouble::Changed) }
    }
}
