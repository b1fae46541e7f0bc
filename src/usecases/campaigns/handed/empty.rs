//! A round is over: whoever stopped on its list without our having been told is heard, and then everybody leaves it. A
//! list without anybody on it is left there, for the marketer's reports.

use std::collections::HashMap;

use futures_util::{FutureExt, StreamExt, stream};

use crate::campaign_monitor::{
    CallError, Direction, ListState, OrderField, Page, PageRequest, Subscriber, Verdict, Zone,
};
use crate::domain::campaign::EntryState;
use crate::domain::email::EmailAddress;
use crate::domain::ids::SubjectId;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::round_entries::{RoundEntry, RoundList};
use crate::store::{ReadTx, WriteTx};

use super::super::super::Error;
use super::step::{Bench, RoundStep, after};
use super::stops::{self, Stopped};
use super::{Somebody, open_people};

/// Entries on a page, and people taken off between two commits.
const PAGE: u16 = 100;
/// Calls at once.
const CALLS: usize = 4;

/// Makes the next step towards an empty list.
pub(super) async fn step(bench: &Bench<'_>) -> Result<RoundStep, Error> {
    if bench.round.emptied_at.is_some() {
        return Ok(RoundStep::Done);
    }
    let Some(list_id) = bench.round.list_id.clone() else { return finished(bench).await };
    if bench.round.heard_at.is_none() {
        // While the list still tells them apart from whom we take off.
        if !hear(bench, &list_id).await? {
            return Ok(RoundStep::NotOurs);
        }
        let heard_at = Some(bench.services.clock.now());
        note_round(bench, RoundList { heard_at, ..bench.round.clone() }).await?;
        return Ok(RoundStep::More);
    }
    let people = remaining(bench).await?;
    if people.is_empty() {
        return sweep(bench, &list_id).await;
    }
    let addresses = people.iter().map(|one| one.person.address.as_sent()).collect();
    let failed = take_off(bench, &list_id, addresses).await?;
    let gone: Vec<RoundEntry> = people
        .iter()
        .filter(|one| !failed.contains_key(&one.person.address.as_sent()))
        .map(|one| RoundEntry { state: EntryState::Gone, ..one.entry.clone() })
        .collect();
    save(bench, gone).await?;
    match failed.into_values().next() {
        Some(error) => Ok(after(&error, bench.destination.id)),
        None => Ok(RoundStep::More),
    }
}

async fn note_round(bench: &Bench<'_>, round: RoundList) -> Result<(), Error> {
    let work = move |tx: &mut WriteTx<'_>| Ok::<_, Error>(tx.save_round_list(&round)?);
    bench.services.store.write(bench.campaign.id.uuid(), work).await
}

/// Who is, or may be, on the list.
async fn remaining(bench: &Bench<'_>) -> Result<Vec<Somebody>, Error> {
    let keys = bench.services.keys.of(bench.scope).await?;
    let (scope, id) = (bench.scope, bench.campaign.id);
    let read = move |tx: &mut ReadTx<'_>| {
        let mut entries = tx.round_entries(scope, id, EntryState::There, None, i64::from(PAGE))?;
        entries.extend(tx.round_entries(scope, id, EntryState::Going, None, i64::from(PAGE))?);
        open_people(tx, &keys, scope, entries)
    };
    bench.services.store.read(read).await
}

async fn save(bench: &Bench<'_>, entries: Vec<RoundEntry>) -> Result<(), Error> {
    let work = move |tx: &mut WriteTx<'_>| Ok::<_, Error>(tx.save_round_entries(&entries)?);
    bench.services.store.write(bench.campaign.id.uuid(), work).await
}

/// Takes these addresses off; gives back those that could not be, with the reason. Each is looked at before: emptying a long
/// list takes its time, and whoever has left it in the meantime keeps the state that says so, and is heard.
async fn take_off(
    bench: &Bench<'_>,
    list_id: &str,
    addresses: Vec<String>,
) -> Result<HashMap<String, CallError>, Error> {
    let account = bench.account();
    let calls: Vec<_> = addresses
        .into_iter()
        .map(|address| {
            async move {
                let result = match account.subscriber(list_id, &address).await {
                    Ok(Some(found)) if left_by_itself(&found).is_some() => Ok(Some(found)),
                    Ok(Some(_)) => account.delete(list_id, &address).await.map(|_| None),
                    Ok(None) => Ok(None),
                    Err(error) => Err(error),
                };
                (address, result)
            }
            .boxed()
        })
        .collect();
    let made: Vec<_> = stream::iter(calls).buffer_unordered(CALLS).collect().await;
    let (mut failed, mut left) = (HashMap::new(), Vec::new());
    for (address, result) in made {
        match result {
            Ok(found) => left.extend(found),
            Err(error) if error.verdict() == Verdict::Done => {}
            Err(error) => drop(failed.insert(address, error)),
        }
    }
    for reason in [SuppressionReason::Withdrawn, SuppressionReason::HardBounce] {
        let of_reason = left.iter().filter(|one| left_by_itself(one) == Some(reason)).cloned();
        note(bench, &of_reason.collect::<Vec<_>>(), reason).await?;
    }
    Ok(failed)
}

/// Why somebody is no longer on the list, if that was not our doing.
fn left_by_itself(found: &Subscriber) -> Option<SuppressionReason> {
    match found.list_state()? {
        ListState::Unsubscribed => Some(SuppressionReason::Withdrawn),
        ListState::Bounced => Some(SuppressionReason::HardBounce),
        ListState::Active | ListState::Unconfirmed | ListState::Deleted => None,
    }
}

/// Records the stops that the list holds, page by page. What was recorded before is recorded once.
async fn hear(bench: &Bench<'_>, list_id: &str) -> Result<bool, Error> {
    for (state, reason) in
        [(ListState::Unsubscribed, SuppressionReason::Withdrawn), (ListState::Bounced, SuppressionReason::HardBounce)]
    {
        let mut number = 1;
        loop {
            let page = page(bench, list_id, state, number).await?;
            note(bench, &page.results, reason).await?;
            if !page.has_next() || number >= MOST_PAGES {
                break;
            }
            number += 1;
            if !bench.extend().await? {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// A list of a million people has so many pages; one that claims more is not followed.
const MOST_PAGES: u32 = 1_000_000 / PAGE as u32 + 1;

async fn page(bench: &Bench<'_>, list_id: &str, state: ListState, number: u32) -> Result<Page<Subscriber>, CallError> {
    let request = PageRequest {
        since: None,
        page: number,
        page_size: PAGE,
        order: OrderField::Date,
        direction: Direction::Ascending,
    };
    bench.account().page(list_id, state, request).await
}

async fn note(bench: &Bench<'_>, people: &[Subscriber], reason: SuppressionReason) -> Result<(), Error> {
    let keys = bench.services.keys.of(bench.scope).await?;
    let zone = Zone::named(&bench.destination.time_zone).ok();
    let mut told: HashMap<Vec<u8>, Option<Timestamp>> = HashMap::new();
    for one in people {
        if let Ok(address) = EmailAddress::parse(one.email_address.trim()) {
            let window = zone.as_ref().and_then(|zone| zone.window(&one.date).ok());
            let until = window.map(|window| Timestamp::from_micros(window.latest));
            told.insert(keys.email_fingerprint(&address.match_key()).to_vec(), until);
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    let (house, scope, id) = (bench.services.clone(), bench.scope, bench.campaign.id);
    let work = move |tx: &mut WriteTx<'_>| {
        let marks: Vec<Vec<u8>> = told.keys().cloned().collect();
        let found = tx.people_told(scope, &marks)?;
        let ids: Vec<SubjectId> = found.iter().map(|reached| reached.row.id).collect();
        let ours: HashMap<SubjectId, bool> = tx
            .round_entries_of(scope, id, &ids)?
            .into_iter()
            .map(|entry| (entry.subject_id, entry.handed_at.is_some()))
            .collect();
        // A mailbox that somebody has left says nothing of theirs.
        let found = found.iter().filter(|one| !(one.is_former() && reason == SuppressionReason::HardBounce));
        let stops = found.filter_map(|reached| {
            Some(Stopped {
                subject: reached.row.id,
                reason,
                until: told.get(&reached.told).copied().flatten(),
                asked: *ours.get(&reached.row.id)?,
                words: "found on the round's list".to_owned(),
            })
        });
        stops::record(tx, &house, &keys, scope, id, &stops.collect::<Vec<_>>())
    };
    bench.services.store.write(id.uuid(), work).await
}

/// Whoever is still active there, such as somebody erased here since, is taken off by what the list itself says.
async fn sweep(bench: &Bench<'_>, list_id: &str) -> Result<RoundStep, Error> {
    let page = page(bench, list_id, ListState::Active, 1).await?;
    if page.results.is_empty() {
        return finished(bench).await;
    }
    let addresses = page.results.iter().map(|one| one.email_address.clone()).collect();
    match take_off(bench, list_id, addresses).await?.into_values().next() {
        Some(error) => Ok(after(&error, bench.destination.id)),
        None => Ok(RoundStep::More),
    }
}

/// Notes that the list is empty; whoever never went there, and whose link nobody has, stays out.
async fn finished(bench: &Bench<'_>) -> Result<RoundStep, Error> {
    let round = RoundList { emptied_at: Some(bench.services.clock.now()), ..bench.round.clone() };
    note_round(bench, round).await?;
    tracing::info!(campaign = %bench.campaign.id, "everybody has left a round's list");
    Ok(RoundStep::Done)
}
