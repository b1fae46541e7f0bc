//! Writing people to a round's list, a batch at a time. Before the call it is on disk who goes, with their links; after it,
//! who is there. Whoever takes over after a crash begins with those who were going: the same link is written once more,
//! which changes nothing (an import is an upsert), unless the gate has said no since.

use std::collections::HashSet;
use std::sync::Arc;

use crate::campaign_monitor::{
    ConsentToTrack, FieldValue, ImportOutcome, NewSubscriber, Reason as Fault, RowResult, Verdict, normalise_address,
};
use crate::domain::campaign::{EntryState, MemberStatus};
use crate::domain::gate::Reason;
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::purpose::{Purpose, PurposeKind};
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::outbox::Task;
use crate::store::round_entries::RoundEntry;
use crate::store::subjects::Subject;
use crate::store::{ReadTx, WriteTx};

use super::super::super::Error;
use super::super::super::sync::SYNC_LANE;
use super::download::refresh;
use super::step::{Bench, RoundStep, after};
use super::stops::{self, Stopped};
use super::turned::Turned;
use super::{FIELD, Records, Somebody, issue, left_out, open_people, record, token};

/// Somebody about to be written, and whether opens may be attributed to them.
#[derive(Clone)]
struct Going {
    one: Somebody,
    tracked: bool,
}

/// Writes the next people.
pub(super) async fn step(bench: &Bench<'_>, list_id: &str) -> Result<RoundStep, Error> {
    let people = next_people(bench).await?;
    if people.is_empty() {
        return recheck(bench).await;
    }
    let Some(going) = set_out(bench, people).await? else { return Ok(RoundStep::NotOurs) };
    if going.is_empty() {
        return Ok(RoundStep::More);
    }
    let signer = bench.services.keys.signer(bench.scope).await?;
    let rows = going.iter().map(|going| {
        let token = token(&signer, &going.one.entry).ok_or_else(|| Error::Internal("a link without an end".into()))?;
        let field = FieldValue::text(FIELD, &token)
            .map_err(|error| Error::Internal(format!("a token does not fit its field: {error}")))?;
        Ok(NewSubscriber {
            email_address: going.one.person.address.as_sent(),
            name: going.one.person.name()?.map(|name| name.as_str().to_owned()),
            custom_fields: vec![field],
            // Always said (TR-01): to be asked is not to be tracked.
            consent_to_track: if going.tracked { ConsentToTrack::Yes } else { ConsentToTrack::No },
        })
    });
    let rows: Vec<NewSubscriber> = rows.collect::<Result<_, Error>>()?;
    let account = bench.account();
    let mut outcome = match account.import(list_id, &rows, false).await {
        Ok(outcome) => outcome,
        // They stay among those who are going: perhaps they are there.
        Err(error) => return Ok(after(&error, bench.destination.id)),
    };
    if rows.len() > 1 {
        for (one, row) in going.iter().zip(&rows) {
            if outcome.result_of(&row.email_address) != RowResult::Unclear {
                continue;
            }
            // Where the answer of many leaves it open, the row goes once more by itself, and as each call may take its time
            // the gate and the claim are asked once more (RP-05).
            match set_out(bench, vec![one.one.clone()]).await? {
                None => return Ok(RoundStep::NotOurs),
                Some(still) if still.is_empty() => continue,
                Some(_) => {}
            }
            match account.import(list_id, std::slice::from_ref(row), false).await {
                Ok(alone) => outcome.replace(&row.email_address, alone.result_of(&row.email_address)),
                Err(error) => {
                    arrive(bench, &going, &Arc::new(outcome)).await?;
                    return Ok(after(&error, bench.destination.id));
                }
            }
        }
    }
    arrive(bench, &going, &Arc::new(outcome)).await
}

/// Everybody is there who is to be. Permissions end by themselves: whoever may not be asked any more is to leave, and in a
/// while this is looked at again.
async fn recheck(bench: &Bench<'_>) -> Result<RoundStep, Error> {
    let (keys, rules) = (bench.services.keys.of(bench.scope).await?, bench.services.rules.clone());
    let (scope, id, now) = (bench.scope, bench.campaign.id, bench.services.clock.now());
    let wanted = bench.campaign.purposes()?;
    let most = rules.pieces.audience;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let mut after = None;
    loop {
        let (keys, rules, wanted) = (keys.clone(), rules.clone(), wanted.clone());
        let read = move |tx: &mut ReadTx<'_>| {
            let entries = tx.round_entries(scope, id, EntryState::There, after, limit)?;
            let next = entries.last().map(|entry| entry.subject_id).filter(|_| entries.len() == most);
            let people = open_people(tx, &keys, scope, entries)?;
            let purposes = tx.purposes_in_order(scope, &wanted)?;
            let records = Records::read(tx, scope, id, &people, &wanted)?;
            let leave = people.iter().filter(|one| records.judge(one, &purposes, now, &rules).is_err());
            Ok::<_, Error>((leave.map(|one| leaving(scope, one.person.row.id, now)).collect::<Vec<Task>>(), next))
        };
        let (leave, next) = bench.services.store.read(read).await?;
        if !leave.is_empty() {
            let work = move |tx: &mut WriteTx<'_>| Ok::<_, Error>(tx.enqueue(&leave)?);
            bench.services.store.write(id.uuid(), work).await?;
        }
        let Some(next) = next else { break };
        after = Some(next);
        if !bench.extend().await? {
            return Ok(RoundStep::NotOurs);
        }
    }
    Ok(RoundStep::Wait(bench.services.rules.round_recheck.min(bench.campaign.deadline.since(now))))
}

/// Those who were going when somebody died, else those who wait.
async fn next_people(bench: &Bench<'_>) -> Result<Vec<Somebody>, Error> {
    let keys = bench.services.keys.of(bench.scope).await?;
    let (scope, id, limit) = (bench.scope, bench.campaign.id, bench.services.rules.pieces.round_rows.clamp(1, 1000));
    let read = move |tx: &mut ReadTx<'_>| {
        let mut entries = tx.round_entries(scope, id, EntryState::Going, None, limit)?;
        if entries.is_empty() {
            entries = tx.round_entries(scope, id, EntryState::Waiting, None, limit)?;
        }
        open_people(tx, &keys, scope, entries)
    };
    bench.services.store.read(read).await.map(distinct)
}

/// Nobody twice in one import, in whatever case: which one would win is not defined there (campaign-monitor 5.3).
fn distinct(people: Vec<Somebody>) -> Vec<Somebody> {
    let mut seen = HashSet::new();
    people.into_iter().filter(|one| seen.insert(normalise_address(&one.person.address.as_sent()))).collect()
}

/// Asks the gate once more and notes who goes, in one commit. Nothing when the claim is not ours any more.
async fn set_out(bench: &Bench<'_>, people: Vec<Somebody>) -> Result<Option<Vec<Going>>, Error> {
    let (house, task, lease) = (bench.services.clone(), bench.task.clone(), bench.lease);
    let (scope, id) = (bench.scope, bench.campaign.id);
    let work = move |tx: &mut WriteTx<'_>| {
        let mut people = people.clone();
        let ids: Vec<SubjectId> = people.iter().map(|one| one.person.row.id).collect();
        let whose: Vec<_> = ids.iter().map(|id| (scope.controller(), *id)).collect();
        let locked = tx.lock_people(&whose)?;
        // Whoever has moved since they were read is read anew.
        people.retain(|one| !has_moved(one, &locked));
        let left: HashSet<SubjectId> = tx.former_addresses(&whose)?.iter().map(|left| left.subject_id).collect();
        if !tx.extend_lease(&task, lease)? {
            return Ok::<_, Error>(None);
        }
        let campaign = tx.campaign(scope, id)?;
        let now = house.clock.now();
        if !campaign.status.sends() || campaign.deadline <= now {
            return Ok(Some(Vec::new()));
        }
        refresh(&mut people, tx.round_entries_of(scope, id, &ids)?);
        let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
        let wanted: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
        let records = Records::read(tx, scope, id, &people, &wanted)?;
        let tracking: Vec<&Purpose> = purposes.iter().filter(|p| p.kind == PurposeKind::Tracking).collect();
        let (mut passed, mut turned) = (Vec::new(), Turned::default());
        for one in people {
            if one.entry.state == EntryState::Going && left.contains(&one.person.row.id) {
                // Perhaps there under an address that they have left: taken off under each of them.
                turned.perhaps_there(one);
                continue;
            }
            match records.judge(&one, &purposes, now, &house.rules) {
                Ok(allowed) => passed.push((one, allowed)),
                Err(reason) => {
                    let answered = records.has_answered(&one);
                    turned.add(one, reason, answered, now);
                }
            }
        }
        issue(tx, &house, &campaign, &mut passed, now)?;
        let notice = tx.notice(scope, campaign.notice_id)?;
        turned.write(tx, &house, &campaign, &notice, now)?;
        for (one, _) in &mut passed {
            one.entry.state = EntryState::Going;
        }
        tx.save_round_entries(&passed.iter().map(|(one, _)| one.entry.clone()).collect::<Vec<_>>())?;
        tx.enqueue(&turned.there.iter().map(|id| leaving(scope, *id, now)).collect::<Vec<_>>())?;
        let going = passed.into_iter().map(|(one, _)| {
            let tracked = records.consents_to(&one, &tracking, now);
            Going { one, tracked }
        });
        Ok(Some(going.collect()))
    };
    bench.services.store.write(id.uuid(), work).await
}

/// Whether somebody is reached at another address than the one that was read.
fn has_moved(one: &Somebody, locked: &[Subject]) -> bool {
    let row = locked.iter().find(|row| row.id == one.person.row.id);
    row.is_some_and(|row| row.erased_at.is_none() && row.email_key != one.person.row.email_key)
}

fn leaving(scope: ControllerScope, id: SubjectId, now: Timestamp) -> Task {
    Task::new(scope, TaskKind::Sync, id.uuid(), SYNC_LANE, now, now)
}

/// What came of the people of an import.
#[derive(Default)]
struct Arrived {
    there: Vec<Somebody>,
    stopped: Vec<Stopped>,
    /// Not written, and why they are not asked.
    out: Vec<(Somebody, Option<Reason>)>,
    open: usize,
    stuck: Option<String>,
}

impl Arrived {
    fn of<'a>(people: impl Iterator<Item = &'a Somebody>, outcome: &ImportOutcome) -> Self {
        let mut arrived = Self::default();
        for one in people {
            let result = outcome.result_of(&one.person.address.as_sent());
            let stopped = |reason, code: u32| Stopped {
                subject: one.person.row.id,
                reason,
                until: None,
                asked: one.entry.handed_at.is_some(),
                words: format!("refused with code {code}"),
            };
            match result.verdict() {
                Verdict::Done => arrived.there.push(one.clone()),
                Verdict::Retry { .. } => arrived.open += 1,
                // Taken off by the list's owner: left out of the round, and no word of theirs (campaign-monitor 15.1).
                Verdict::TheyStopped { code: 205 } => arrived.out.push((one.clone(), Some(Reason::OptedOut))),
                Verdict::TheyStopped { code: code @ (204 | 206) } => {
                    arrived.stopped.push(stopped(SuppressionReason::Withdrawn, code));
                    arrived.out.push((one.clone(), Some(Reason::OptedOut)));
                }
                Verdict::TheyStopped { code: code @ 207 } => {
                    arrived.stopped.push(stopped(SuppressionReason::HardBounce, code));
                    arrived.out.push((one.clone(), None));
                }
                Verdict::NeedsPerson(Fault::AddressRefused) => arrived.out.push((one.clone(), None)),
                Verdict::TheyStopped { code } => {
                    arrived.stuck = Some(format!("the round's list refuses people with code {code}"));
                }
                Verdict::NeedsPerson(reason) => {
                    arrived.stuck = Some(format!("the round's list refuses people: {reason:?}"));
                }
            }
        }
        arrived
    }
}

/// Notes who is there, and what the refusals mean. Whoever may not be asked any more by now is to leave at once.
async fn arrive(bench: &Bench<'_>, going: &[Going], outcome: &Arc<ImportOutcome>) -> Result<RoundStep, Error> {
    let (house, scope, id) = (bench.services.clone(), bench.scope, bench.campaign.id);
    let keys = house.keys.of(scope).await?;
    let told = Arrived::of(going.iter().map(|going| &going.one), outcome);
    let (open, stuck) = (told.open, told.stuck);
    // Whoever has taken the work over may have emptied the list since.
    if !bench.extend().await? {
        return Ok(RoundStep::NotOurs);
    }
    let (people, outcome): (Vec<Somebody>, _) =
        (going.iter().map(|going| going.one.clone()).collect(), outcome.clone());
    let work = move |tx: &mut WriteTx<'_>| {
        let ids: Vec<SubjectId> = people.iter().map(|one| one.person.row.id).collect();
        let locked = tx.lock_people(&ids.iter().map(|id| (scope.controller(), *id)).collect::<Vec<_>>())?;
        let now = house.clock.now();
        let campaign = tx.campaign(scope, id)?;
        let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
        let wanted: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
        // A download may have given out their links meanwhile.
        let mut people = people.clone();
        refresh(&mut people, tx.round_entries_of(scope, id, &ids)?);
        let Arrived { mut there, stopped, out: left, .. } = Arrived::of(people.iter(), &outcome);
        let records = Records::read(tx, scope, id, &there, &wanted)?;
        let leave: Vec<Task> = there
            .iter()
            .filter(|one| has_moved(one, &locked) || records.judge(one, &purposes, now, &house.rules).is_err())
            .map(|one| leaving(scope, one.person.row.id, now))
            .collect();
        let notice = tx.notice(scope, campaign.notice_id)?;
        let first: Vec<&Somebody> = there.iter().filter(|one| one.entry.handed_at.is_none()).collect();
        record::asked(tx, &house, &campaign, &notice, &first, now)?;
        for one in &mut there {
            // Who has moved meanwhile was handed the link before, under the address that they have left.
            let left = match has_moved(one, &locked) {
                true => tx.former_addresses(&[(scope.controller(), one.person.row.id)])?.pop(),
                false => None,
            };
            one.entry.handed_at.get_or_insert(left.map_or(now, |left| left.left_at));
            one.entry.state = EntryState::There;
        }
        let entries: Vec<RoundEntry> =
            there.iter().map(|one| one.entry.clone()).chain(left.iter().map(|(one, _)| left_out(one))).collect();
        tx.save_round_entries(&entries)?;
        stops::record(tx, &house, &keys, scope, id, &stopped)?;
        out(tx, &campaign, &left)?;
        Ok::<_, Error>(tx.enqueue(&leave)?)
    };
    bench.services.store.write(id.uuid(), work).await?;
    Ok(match (stuck, open) {
        (Some(why), _) => RoundStep::Stuck(why),
        (None, 0) => RoundStep::More,
        (None, open) => RoundStep::Later(None, format!("the provider's answers leave {open} people open")),
    })
}

fn out(
    tx: &mut WriteTx<'_>,
    campaign: &crate::store::campaigns::Campaign,
    people: &[(Somebody, Option<Reason>)],
) -> Result<(), Error> {
    let scope = crate::domain::ids::ControllerScope::granted(campaign.controller_id);
    // Who was handed a link by a download has been asked, whatever the list says.
    let fresh = || people.iter().filter(|(one, _)| one.entry.handed_at.is_none());
    let refused: Vec<(SubjectId, Reason)> =
        fresh().filter_map(|(one, reason)| Some((one.person.row.id, (*reason)?))).collect();
    record::excluded(tx, campaign, &refused)?;
    let bounced: Vec<SubjectId> =
        fresh().filter(|(_, reason)| reason.is_none()).map(|(one, _)| one.person.row.id).collect();
    Ok(tx.set_member_statuses(scope, campaign.id, &bounced, MemberStatus::Bounced, None)?)
}
