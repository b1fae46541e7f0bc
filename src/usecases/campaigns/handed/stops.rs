//! Stops that are found on a round's list, or told by it: they are withdrawals here, and refusals in the round. A yes that
//! was given here later outweighs them.

use std::collections::HashSet;

use serde_json::json;

use crate::crypto::ControllerKeys;
use crate::domain::campaign::Answer;
use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::ids::{CampaignId, ControllerScope, PurposeId, SubjectId};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::suppressions::EVERY_PURPOSE;
use crate::store::{StoreError, WriteTx};

use super::super::super::docket::Docket;
use super::super::super::record::{Occasion, Person, entry};
use super::super::super::{Error, Services};

/// A stop at the provider.
#[derive(Debug, Clone)]
pub(in crate::usecases) struct Stopped {
    /// Who.
    pub subject: SubjectId,
    /// Why.
    pub reason: SuppressionReason,
    /// The latest moment at which it can have happened there; none: now.
    pub until: Option<Timestamp>,
    /// Whether the person has been asked in the round, so that it is an answer.
    pub asked: bool,
    /// How the provider put it, for the record: a code or a state, never a person.
    pub words: String,
}

/// Records stops of people of one round.
pub(in crate::usecases) fn record(
    tx: &mut WriteTx<'_>,
    services: &Services,
    keys: &ControllerKeys,
    scope: ControllerScope,
    campaign: CampaignId,
    stops: &[Stopped],
) -> Result<(), Error> {
    let now = services.clock.now();
    let purposes = tx.campaign(scope, campaign)?.purposes()?;
    let mut ids: Vec<SubjectId> = stops.iter().map(|stop| stop.subject).collect();
    ids.sort_unstable();
    ids.dedup();
    let locked = tx.lock_people(&ids.iter().map(|id| (scope.controller(), *id)).collect::<Vec<_>>())?;
    let people: Vec<Person> = locked
        .into_iter()
        .filter(|row| row.erased_at.is_none())
        .map(|row| Person::open(scope, keys, row))
        .collect::<Result<_, _>>()?;
    let newer = newer_yes(tx, scope, &ids, &purposes, stops)?;
    let source = Some(format!("campaign:{campaign}"));
    let mut docket = Docket::read(tx, people.iter())?;
    let (mut entries, mut dead, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    for stop in stops {
        let Some(person) = people.iter().find(|person| person.row.id == stop.subject) else { continue };
        // A later yes to one purpose says nothing about the others.
        let open = || purposes.iter().filter(|purpose| !newer.contains(&(stop.subject, **purpose)));
        if open().next().is_none() {
            continue;
        }
        let plain = Occasion::plain(now, Method::Destination, source.clone());
        if stop.reason == SuppressionReason::HardBounce {
            entries.push(entry(keys, scope, &person.address, EVERY_PURPOSE, stop.reason, &plain));
            dead.push(stop.subject);
            continue;
        }
        let occasion = Occasion { evidence: Some(json!({ "told": { "words": stop.words } })), ..plain };
        for purpose in open() {
            let command = Command::Withdraw { reason: stop.reason };
            // A purpose that has ended, say, needs no stop.
            let _ = docket.apply(&*services.ids, keys, person, *purpose, command, &occasion);
        }
        if stop.asked {
            refused.push(stop.subject);
        }
    }
    docket.write(tx)?;
    tx.suppress(&entries)?;
    for subject in dead {
        tx.set_undeliverable(scope, subject, true)?;
    }
    Ok(tx.set_member_answers(scope, campaign, &refused, Answer::No, now)?)
}

/// Who has said yes to which of the round's purposes after the stop.
fn newer_yes(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    ids: &[SubjectId],
    purposes: &[PurposeId],
    stops: &[Stopped],
) -> Result<HashSet<(SubjectId, PurposeId)>, StoreError> {
    let mut newer = HashSet::new();
    for purpose in purposes {
        for (subject, given) in tx.given_at(scope, ids, *purpose)? {
            let stop = stops.iter().find(|stop| stop.subject == subject);
            if stop.and_then(|stop| stop.until).is_some_and(|until| given > until) {
                newer.insert((subject, *purpose));
            }
        }
    }
    Ok(newer)
}
