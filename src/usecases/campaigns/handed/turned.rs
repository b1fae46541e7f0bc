//! People of a round who may not be asked any more when it is their turn: who has not set out stays out, and who may have
//! arrived by a call whose answer was lost is taken off like anybody who is there.

use crate::domain::campaign::EntryState;
use crate::domain::gate::Reason;
use crate::domain::ids::{CampaignId, ControllerScope, PurposeId, SubjectId};
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::campaigns::Campaign;
use crate::store::policies::Notice;
use crate::store::round_entries::RoundEntry;

use super::super::super::{Error, Services};
use super::download::refresh;
use super::{Records, Somebody, left_out, open_people, record};

/// Those who are turned away, and what is noted of them.
#[derive(Default)]
pub(super) struct Turned {
    refused: Vec<(SubjectId, Reason)>,
    /// The link had come there before a crash, and on to the person.
    reached: Vec<Somebody>,
    entries: Vec<RoundEntry>,
    /// Perhaps there since a lost answer.
    pub there: Vec<SubjectId>,
}

impl Turned {
    /// Turns somebody away.
    pub fn add(&mut self, mut one: Somebody, reason: Reason, has_answered: bool, now: Timestamp) {
        if has_answered && one.entry.handed_at.is_none() {
            one.entry.handed_at = Some(now);
            self.reached.push(one.clone());
        } else if one.entry.handed_at.is_none() {
            self.refused.push((one.person.row.id, reason));
        }
        if one.entry.state == EntryState::Going {
            self.perhaps_there(one);
        } else {
            self.entries.push(left_out(&one));
        }
    }

    /// Has somebody taken off who may have arrived, whatever they may be asked.
    pub fn perhaps_there(&mut self, one: Somebody) {
        self.there.push(one.person.row.id);
        self.entries.push(RoundEntry { state: EntryState::There, ..one.entry });
    }

    /// Notes it.
    pub fn write(
        &self,
        tx: &mut WriteTx<'_>,
        services: &Services,
        campaign: &Campaign,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(), Error> {
        record::excluded(tx, campaign, &self.refused)?;
        record::asked(tx, services, campaign, notice, &self.reached.iter().collect::<Vec<_>>(), now)?;
        Ok(tx.save_round_entries(&self.entries)?)
    }
}

/// How it stands with somebody who was on the way to a round's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::usecases) enum OnTheWay {
    /// The round's own work is under way, and knows more in a moment.
    Unsettled,
    /// To be taken off.
    Perhaps,
    /// Not to be taken off.
    Stays,
}

/// Settles what becomes of somebody who was on the way to a round's list when its work was paused, parked or cut off. No
/// call is under way then that could bring them there afterwards, and whoever takes the work up asks the gate again.
pub(in crate::usecases) async fn turn_back(
    services: &Services,
    scope: ControllerScope,
    id: CampaignId,
    person: SubjectId,
) -> Result<OnTheWay, Error> {
    let (keys, house) = (services.keys.of(scope).await?, services.clone());
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_people(&[(scope.controller(), person)])?;
        let claimed = tx.task(scope, TaskKind::Round, id.uuid())?.is_some_and(|task| task.state == TaskState::Claimed);
        if claimed {
            return Ok(OnTheWay::Unsettled);
        }
        let entries = tx.round_entries_of(scope, id, &[person])?;
        let mut people = open_people(tx, &keys, scope, entries.clone())?;
        refresh(&mut people, entries);
        let Some(one) = people.pop() else { return Ok(OnTheWay::Stays) };
        if one.entry.state != EntryState::Going {
            return Ok(if one.entry.state == EntryState::There { OnTheWay::Perhaps } else { OnTheWay::Stays });
        }
        let (campaign, now) = (tx.campaign(scope, id)?, house.clock.now());
        let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
        let wanted: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
        let records = Records::read(tx, scope, id, std::slice::from_ref(&one), &wanted)?;
        let Err(reason) = records.judge(&one, &purposes, now, &house.rules) else { return Ok(OnTheWay::Stays) };
        let (mut turned, answered) = (Turned::default(), records.has_answered(&one));
        turned.add(one, reason, answered, now);
        let notice = tx.notice(scope, campaign.notice_id)?;
        turned.write(tx, &house, &campaign, &notice, now)?;
        Ok::<_, Error>(OnTheWay::Perhaps)
    };
    services.store.write(person.uuid(), work).await
}
