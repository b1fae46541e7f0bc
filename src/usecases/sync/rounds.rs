//! Leaving the lists of rounds: who has answered, stopped, or may not be asked any more is taken off the list made for the
//! round. Nobody is ever brought there by sync: such a list is none of confirmed subscribers.

use std::collections::{BTreeMap, HashMap};

use futures_util::{FutureExt, StreamExt, stream};

use crate::campaign_monitor::{Account, Admission, ListState, Zone};
use crate::domain::campaign::{CampaignStatus, EntryState};
use crate::domain::ids::{CampaignId, ControllerScope, PurposeId, SubjectId};
use crate::domain::purpose::Purpose;
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::campaigns::Campaign;
use crate::store::destinations::Destination;
use crate::store::outbox::Task;
use crate::store::round_entries::{RoundEntry, RoundList};
use crate::store::{ReadTx, StoreError, WriteTx};

use super::super::address::left_address;
use super::super::campaigns::handed::stops::{self, Stopped};
use super::super::campaigns::handed::turned::{OnTheWay, turn_back};
use super::super::campaigns::handed::{Records, Somebody, open_people};
use super::super::{Error, Services};
use super::{Provider, Synced, after, credentials, until};

/// How long somebody waits whom the round's own work is about to settle.
const UNSETTLED: std::time::Duration = std::time::Duration::from_secs(5);

/// Somebody who is to leave a round's list.
struct Leaver {
    entry: RoundEntry,
    /// Under which the person may be there: the one in force, and those left since.
    addresses: Vec<String>,
    list_id: String,
    destination: Destination,
}

/// A round, with what the gate asks of it.
struct Round {
    campaign: Campaign,
    list: RoundList,
    destination: Destination,
    purposes: Vec<Purpose>,
}

/// Takes the people of these tasks off the lists of rounds that are not for them any more; says for each how it went.
pub(super) async fn leave_rounds(
    services: &Services,
    provider: &Provider,
    tasks: &[Task],
    calls: usize,
) -> Result<Vec<(usize, Result<Synced, Error>)>, Error> {
    let Some(first) = tasks.first() else { return Ok(Vec::new()) };
    let places: HashMap<SubjectId, usize> =
        tasks.iter().enumerate().map(|(at, task)| (SubjectId::from_uuid(task.reference.uuid()), at)).collect();
    let leavers = leavers(services, first.scope(), places.keys().copied().collect()).await?;
    let leavers: Vec<(usize, Leaver)> =
        leavers.into_iter().filter_map(|leaver| Some((*places.get(&leaver.entry.subject_id)?, leaver))).collect();
    let calls_to_make: Vec<_> = leavers
        .iter()
        .map(|(at, leaver)| async move { (*at, leave(services, provider, &tasks[*at], leaver).await) }.boxed())
        .collect();
    Ok(stream::iter(calls_to_make).buffer_unordered(calls.max(1)).collect().await)
}

/// Who of these people is on a round's list and should not be.
async fn leavers(services: &Services, scope: ControllerScope, people: Vec<SubjectId>) -> Result<Vec<Leaver>, Error> {
    let (keys, now, rules) = (services.keys.of(scope).await?, services.clock.now(), services.rules.clone());
    let read = move |tx: &mut ReadTx<'_>| {
        let mut leavers = Vec::new();
        for some in people.chunks(super::plan::AT_ONCE) {
            let mut rounds: BTreeMap<CampaignId, Vec<RoundEntry>> = BTreeMap::new();
            for entry in tx.on_round_lists(scope, some)? {
                rounds.entry(entry.campaign_id).or_default().push(entry);
            }
            for (id, entries) in rounds {
                let Some(round) = round(tx, scope, id)? else { continue };
                let Some(list_id) = round.list.list_id.clone() else { continue };
                let wanted: Vec<PurposeId> = round.purposes.iter().map(|purpose| purpose.id).collect();
                let people = open_people(tx, &keys, scope, entries)?;
                let records = Records::read(tx, scope, id, &people, &wanted)?;
                for one in people {
                    let left = tx.former_addresses(&[(scope.controller(), one.person.row.id)])?;
                    let moved = left.iter().any(|left| one.entry.handed_at.is_none_or(|at| left.left_at >= at));
                    // Whoever is on the way is settled by the round's own work, unless they may not be asked any more.
                    let is_there = one.entry.state == EntryState::There;
                    let leaves = is_there && (moved || over(&round.campaign, now));
                    if leaves || records.judge(&one, &round.purposes, now, &rules).is_err() {
                        let Somebody { entry, person, .. } = one;
                        let mut addresses = vec![person.address.as_sent()];
                        for left in &left {
                            addresses.push(left_address(&person, left)?.as_sent());
                        }
                        let (list_id, destination) = (list_id.clone(), round.destination.clone());
                        leavers.push(Leaver { entry, addresses, list_id, destination });
                    }
                }
            }
        }
        Ok::<_, Error>(leavers)
    };
    services.store.read(read).await
}

fn round(tx: &mut ReadTx<'_>, scope: ControllerScope, id: CampaignId) -> Result<Option<Round>, StoreError> {
    let Some(list) = tx.round_list(scope, id)? else { return Ok(None) };
    let campaign = tx.campaign(scope, id)?;
    let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
    let destination = tx.destination(scope, list.destination_id)?;
    Ok(Some(Round { campaign, list, destination, purposes }))
}

fn over(campaign: &Campaign, now: Timestamp) -> bool {
    matches!(campaign.status, CampaignStatus::Closed | CampaignStatus::Cancelled) || campaign.deadline <= now
}

/// Takes one person off one list, under the claim on the person.
async fn leave(services: &Services, provider: &Provider, task: &Task, leaver: &Leaver) -> Result<Synced, Error> {
    if leaver.entry.state == EntryState::Going {
        let (id, subject) = (leaver.entry.campaign_id, leaver.entry.subject_id);
        match turn_back(services, task.scope(), id, subject).await? {
            OnTheWay::Perhaps => {}
            OnTheWay::Stays => return Ok(Synced::Done),
            OnTheWay::Unsettled => return Ok(Synced::Waiting(UNSETTLED)),
        }
    }
    let now_ms = u64::try_from(services.clock.now().micros() / 1000).unwrap_or(0);
    let permit = match provider.admit(leaver.destination.id, now_ms) {
        Admission::Go(permit) => permit,
        Admission::Wait { until_ms } => return Ok(Synced::Waiting(until(until_ms, now_ms))),
    };
    let prepared = async {
        let client = provider.client(&leaver.destination.base_url)?;
        let credentials = credentials(services, &leaver.destination).await?;
        let held = hold(services, task, provider.settings.lease).await?;
        Ok::<_, Error>((client, credentials, held))
    };
    let (client, credentials, held) = match prepared.await {
        Ok(prepared) => prepared,
        Err(error) => {
            provider.report(leaver.destination.id, permit, false, now_ms);
            return Err(error);
        }
    };
    if !held {
        provider.report(leaver.destination.id, permit, false, now_ms);
        return Ok(Synced::Waiting(std::time::Duration::ZERO));
    }
    let result = take_off(&client.account(&credentials), leaver).await;
    let failed = matches!(&result, Err(error) if error.counts_against_breaker());
    provider.report(leaver.destination.id, permit, failed, now_ms);
    match result {
        Ok(found) => gone(services, leaver, found).await.map(|()| Synced::Done),
        Err(error) => Ok(after(&error, leaver.destination.id)),
    }
}

async fn hold(services: &Services, task: &Task, lease: std::time::Duration) -> Result<bool, Error> {
    let (task, route) = (task.clone(), task.reference.uuid());
    let work = move |tx: &mut WriteTx<'_>| {
        let held = tx.held_claims(TaskKind::Sync, &[&task])?;
        tx.extend_leases(TaskKind::Sync, &held, lease)?;
        Ok::<_, Error>(!held.is_empty())
    };
    services.store.write(route, work).await
}

/// A stop that the list held, and its date.
type Found = Option<(SuppressionReason, String)>;

/// Looks first: a stop that nobody has told us of would be lost with the entry.
async fn take_off(account: &Account<'_>, leaver: &Leaver) -> Result<Found, crate::campaign_monitor::CallError> {
    let mut stops = Vec::new();
    for (at, address) in leaver.addresses.iter().enumerate() {
        let found = take_off_one(account, &leaver.list_id, address).await?;
        // That a mailbox left since is dead says nothing of the person.
        stops.extend(found.filter(|(reason, _)| at == 0 || !reason.is_about_mailbox()));
    }
    Ok(stops.into_iter().next())
}

async fn take_off_one(
    account: &Account<'_>,
    list_id: &str,
    address: &str,
) -> Result<Found, crate::campaign_monitor::CallError> {
    let Some(found) = account.subscriber(list_id, address).await? else { return Ok(None) };
    let stop = match found.list_state() {
        Some(ListState::Unsubscribed) => Some(SuppressionReason::Withdrawn),
        Some(ListState::Bounced) => Some(SuppressionReason::HardBounce),
        Some(ListState::Active | ListState::Unconfirmed | ListState::Deleted) | None => None,
    };
    if stop.is_none() && found.list_state() != Some(ListState::Deleted) {
        account.delete(list_id, address).await?;
    }
    Ok(stop.map(|reason| (reason, found.date)))
}

/// Notes that the person has left, and what was found.
async fn gone(services: &Services, leaver: &Leaver, found: Found) -> Result<(), Error> {
    let scope = ControllerScope::granted(leaver.entry.controller_id);
    let keys = services.keys.of(scope).await?;
    let zone = Zone::named(&leaver.destination.time_zone).ok();
    let stops: Vec<Stopped> = found
        .into_iter()
        .map(|(reason, date)| {
            let window = zone.as_ref().and_then(|zone| zone.window(&date).ok());
            Stopped {
                subject: leaver.entry.subject_id,
                reason,
                until: window.map(|window| Timestamp::from_micros(window.latest)),
                asked: true,
                words: "found on the round's list".to_owned(),
            }
        })
        .collect();
    let (house, id, subject) = (services.clone(), leaver.entry.campaign_id, leaver.entry.subject_id);
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_people(&[(scope.controller(), subject)])?;
        stops::record(tx, &house, &keys, scope, id, &stops)?;
        let entries = tx.round_entries_of(scope, id, &[subject])?.into_iter();
        let gone: Vec<RoundEntry> = entries.map(|entry| RoundEntry { state: EntryState::Gone, ..entry }).collect();
        Ok::<_, Error>(tx.save_round_entries(&gone)?)
    };
    services.store.write(leaver.entry.subject_id.uuid(), work).await
}
