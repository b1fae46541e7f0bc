//! Stops that a destination told, many at a time: one look-up and one lock for the batch, in the order of the people's
//! ids, and one statement where there would be one for each of them.

use std::collections::{HashMap, HashSet};

use crate::crypto::ControllerKeys;
use crate::domain::campaign::Answer;
use crate::domain::consent::Command;
use crate::domain::email::EmailAddress;
use crate::domain::event::Method;
use crate::domain::ids::{CampaignId, ControllerScope, PurposeId, SubjectId};
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::destinations::DestinationState;
use crate::store::former_lists::FormerList;
use crate::store::outbox::Task;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression};

use super::super::record::{Occasion, Person, entry};
use super::super::record_many::{Change, apply_batch};
use super::super::sync::{SYNC_LANE, stood_for};
use super::super::{Error, Services};

/// Entries of the "never mail" list in one statement.
const ENTRIES: usize = 1000;

/// The list that the news is about.
pub struct List {
    /// The controller.
    pub scope: ControllerScope,
    /// `destination:` and the id.
    pub source: String,
    /// Its id there.
    pub id: String,
    /// Kept on the list now.
    pub purposes: Vec<PurposeId>,
    /// Kept on it before: who has yet to leave it, or was mailed from there, may stop there.
    pub former: Vec<FormerList>,
    /// The round that it was made for, if it was: a stop there is a refusal in the round.
    pub campaign: Option<CampaignId>,
}

/// A stop as told.
#[derive(Clone)]
pub struct Stop {
    /// Under which the person is found.
    pub fingerprint: Vec<u8>,
    /// Of whom.
    pub address: EmailAddress,
    /// Under which the person is found by the address that it was changed to there, if it says that.
    pub moved_to: Option<Vec<u8>>,
    /// Why.
    pub reason: SuppressionReason,
    /// Removed by the list's owner, which may have been us.
    pub deleted: bool,
    /// The latest moment at which it can have happened there, if the event says.
    pub told_until: Option<Timestamp>,
}

impl Stop {
    /// Whether the one says all that the other does.
    fn is_like(&self, other: &Self) -> bool {
        (&self.fingerprint, &self.moved_to, self.reason, self.deleted)
            == (&other.fingerprint, &other.moved_to, other.reason, other.deleted)
    }
}

/// Puts the stops in batches of at most `most`, none with two about one person: what is said twice is taken once, and a
/// second word about the same person comes later, in the order told.
pub fn batches(stops: Vec<Stop>, most: usize) -> Vec<Vec<Stop>> {
    let mut rounds: Vec<Vec<Stop>> = Vec::new();
    let mut known: HashMap<Vec<u8>, Vec<(usize, usize)>> = HashMap::new();
    for stop in stops {
        let places = known.entry(stop.fingerprint.clone()).or_default();
        let same = places.iter().copied().find(|(round, at)| rounds[*round][*at].is_like(&stop));
        if let Some((round, at)) = same {
            let before = &mut rounds[round][at].told_until;
            // The later of the two; one without a date may be as late as now.
            *before = (*before).zip(stop.told_until).map(|(one, other)| one.max(other));
            continue;
        }
        let round = places.len();
        if rounds.len() == round {
            rounds.push(Vec::new());
        }
        places.push((round, rounds[round].len()));
        rounds[round].push(stop);
    }
    let pieces = rounds.iter().flat_map(|round| round.chunks(most.max(1)));
    pieces.map(<[Stop]>::to_vec).collect()
}

/// Records a batch of stops, each about somebody else; says how many of them called for something.
pub fn record(
    tx: &mut WriteTx<'_>,
    services: &Services,
    keys: &ControllerKeys,
    list: &List,
    stops: &[Stop],
) -> Result<usize, Error> {
    let occasion = Occasion::plain(services.clock.now(), Method::Destination, Some(list.source.clone()));
    let scope = list.scope;
    let named = stops.iter().flat_map(|stop| [Some(&stop.fingerprint), stop.moved_to.as_ref()]).flatten();
    let fingerprints: HashSet<Vec<u8>> = named.cloned().collect();
    let mut people: HashMap<Vec<u8>, Vec<Person>> = HashMap::new();
    for reached in tx.lock_people_told(scope, &fingerprints.into_iter().collect::<Vec<_>>())? {
        people.entry(reached.told).or_default().push(Person::open(scope, keys, reached.row)?);
    }
    let mut ids: Vec<SubjectId> = people.values().flatten().map(|person| person.row.id).collect();
    ids.sort_unstable();
    ids.dedup();
    // After the locks, so that what came in meanwhile is seen.
    let states = tx.destination_states_on(scope, &ids, &list.id)?;
    let states: HashMap<SubjectId, DestinationState> = states.into_iter().map(|s| (s.subject_id, s)).collect();
    let mut yes: HashMap<(SubjectId, PurposeId), Timestamp> = HashMap::new();
    for purpose in list.every_purpose() {
        yes.extend(tx.given_at(scope, &ids, purpose)?.into_iter().map(|(id, at)| ((id, purpose), at)));
    }
    let mut entries: Vec<Suppression> = Vec::new();
    let mut changes: Vec<Change<'_>> = Vec::new();
    let (mut acted, mut refused, mut leave) = (0, Vec::new(), Vec::new());
    for stop in stops {
        let listed = |purpose| entry(keys, scope, &stop.address, purpose, stop.reason, &occasion);
        let reached = people.get(&stop.fingerprint).map(Vec::as_slice).unwrap_or_default();
        if reached.is_empty() {
            // Removed by the list's owner, perhaps by us: no word of the person (campaign-monitor 15.1).
            if stop.deleted {
                continue;
            }
            // Nobody we know, but a stop all the same: a later import of the address is then refused (SU-05).
            entries.extend(list.meant(None).into_iter().map(listed));
            acted += 1;
            continue;
        }
        let before = acted;
        for person in reached {
            let id = person.row.id;
            let state = states.get(&id);
            let mut purposes = list.meant(state);
            // An address that the person has left: what the list's owner did with it, perhaps we, is no word of theirs; nor is
            // the change of it there to one that is theirs as well, which is our own doing come back (section 14.4).
            let is_former = person.row.email_key != stop.fingerprint;
            if is_former && (stop.deleted || stop.is_own_move(id, &people)) {
                continue;
            }
            // A complaint or a bounce is news all the same.
            if stop.reason == SuppressionReason::Withdrawn {
                purposes = stop.still_about(purposes, |purpose| yes.get(&(id, purpose)).copied());
                let echo = state.map_or(stop.deleted, |state| stop.is_echo(state));
                if purposes.is_empty() || echo {
                    continue;
                }
            }
            acted = before + 1;
            if is_former && stop.reason == SuppressionReason::HardBounce {
                // It says something of a mailbox that is not the person's any more.
                entries.push(listed(EVERY_PURPOSE));
                continue;
            }
            leave.push(id);
            if stop.reason == SuppressionReason::HardBounce {
                entries.push(listed(EVERY_PURPOSE));
                tx.set_undeliverable(scope, id, true)?;
                continue;
            }
            refused.push(id);
            let command = Command::Withdraw { reason: stop.reason };
            let change = |purpose| Change { person, purpose, command, occasion: occasion.clone() };
            changes.extend(purposes.into_iter().map(change));
        }
    }
    for piece in entries.chunks(ENTRIES) {
        tx.suppress(piece)?;
    }
    apply_batch(tx, &*services.ids, keys, &changes)?;
    if let Some(campaign) = list.campaign {
        let now = services.clock.now();
        // An answer of whoever has been asked in the round.
        let asked = tx.round_entries_of(scope, campaign, &refused)?.into_iter();
        let asked = asked.filter(|entry| entry.handed_at.is_some()).map(|entry| entry.subject_id);
        tx.set_member_answers(scope, campaign, &asked.collect::<Vec<_>>(), Answer::No, now)?;
        let task = |id: &SubjectId| Task::new(scope, TaskKind::Sync, id.uuid(), SYNC_LANE, now, now);
        tx.enqueue(&leave.iter().map(task).collect::<Vec<_>>())?;
    }
    Ok(acted)
}

impl Stop {
    /// Whether the address was changed there to one that is this person's too, now or before.
    fn is_own_move(&self, id: SubjectId, people: &HashMap<Vec<u8>, Vec<Person>>) -> bool {
        let to = self.moved_to.as_ref().and_then(|to| people.get(to));
        to.is_some_and(|people| people.iter().any(|person| person.row.id == id))
    }

    /// Late news of a stop that the person has since undone here, by a newer act of her own, is none for the purpose of
    /// that act. What else is kept on the list and was consented to before is stopped; `yes` tells when that was.
    fn still_about(&self, purposes: Vec<PurposeId>, yes: impl Fn(PurposeId) -> Option<Timestamp>) -> Vec<PurposeId> {
        let Some(told_until) = self.told_until else { return purposes };
        let undone = |purpose: &PurposeId| yes(*purpose).is_some_and(|given| given > told_until);
        if !purposes.iter().any(undone) {
            return purposes;
        }
        purposes.into_iter().filter(|purpose| yes(*purpose).is_some_and(|given| given <= told_until)).collect()
    }

    /// Our own doing comes back as an echo (section 14.4). Whoever we set aside was removed by the list's owner, in the
    /// provider's words; a stop in any other words is the person's own.
    fn is_echo(&self, state: &DestinationState) -> bool {
        if state.set_aside {
            return self.deleted;
        }
        let late = self.told_until.is_some_and(|told_until| told_until < state.synced_at);
        !state.active || (self.deleted && late)
    }
}

impl List {
    /// Whether it serves a purpose, or did.
    pub fn is_ours(&self) -> bool {
        !(self.purposes.is_empty() && self.former.is_empty())
    }

    /// The purposes that a stop of somebody who stands so is about: those kept on the list now, and those for which the
    /// person was brought to it, or may have been.
    fn meant(&self, state: Option<&DestinationState>) -> Vec<PurposeId> {
        let concerned =
            |former: &&FormerList| self.purposes.is_empty() || state.is_some_and(|state| stood_for(state, former));
        let before = self.former.iter().filter(concerned).map(|former| former.purpose_id);
        let meant: HashSet<PurposeId> = self.purposes.iter().copied().chain(before).collect();
        let mut meant: Vec<PurposeId> = meant.into_iter().collect();
        meant.sort_unstable();
        meant
    }

    fn every_purpose(&self) -> HashSet<PurposeId> {
        self.purposes.iter().copied().chain(self.former.iter().map(|former| former.purpose_id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(who: u8, reason: SuppressionReason, told_until: Option<i64>) -> Stop {
        Stop {
            fingerprint: vec![who],
            moved_to: None,
            address: EmailAddress::parse("ana@example.org").expect("an address"),
            reason,
            deleted: false,
            told_until: told_until.map(Timestamp::from_micros),
        }
    }

    #[test]
    fn a_batch_has_nobody_twice_and_what_is_said_twice_is_taken_once() {
        use SuppressionReason::{Complained, Withdrawn};
        let told = vec![
            stop(1, Withdrawn, Some(5)),
            stop(2, Withdrawn, Some(5)),
            stop(1, Complained, Some(5)),
            stop(1, Withdrawn, Some(9)),
            stop(2, Withdrawn, None),
            stop(3, Withdrawn, Some(5)),
        ];
        let batches = batches(told, 2);
        let seen: Vec<Vec<(u8, Option<i64>)>> = batches
            .iter()
            .map(|batch| batch.iter().map(|s| (s.fingerprint[0], s.told_until.map(Timestamp::micros))).collect())
            .collect();
        assert_eq!(seen, [vec![(1, Some(9)), (2, None)], vec![(3, Some(5))], vec![(1, Some(5))]]);
        assert!(super::batches(Vec::new(), 100).is_empty());
    }
}
