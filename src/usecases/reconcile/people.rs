//! How many people stand here, read at once: a page of a thousand takes a dozen statements, not a thousand.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::campaign_monitor::NewSubscriber;
use crate::crypto::ControllerKeys;
use crate::domain::consent::{ConsentState, Standing};
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::purpose::Channel;
use crate::domain::reconcile::{Between, Here};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::destinations::{Destination, DestinationState};
use crate::store::subjects::Subject;
use crate::store::suppressions::{Suppression, reason_for};
use crate::store::{ReadTx, StoreError};

use super::super::Error;
use super::super::record::Person;
use super::super::sync::{HELD_BACK, Rows, Yes};

/// How far their clock may be ahead of ours.
const APART: Duration = Duration::from_secs(60);

/// What is on record about many people with regard to one list.
pub struct People {
    purposes: Vec<PurposeId>,
    rows: HashMap<SubjectId, Subject>,
    consents: HashMap<SubjectId, Vec<Consent>>,
    states: HashMap<SubjectId, DestinationState>,
    suppressions: HashMap<Vec<u8>, Vec<Suppression>>,
    given: HashMap<(SubjectId, PurposeId), Yes>,
    busy: HashSet<SubjectId>,
    /// When we last took a person off any list by an unsubscribe.
    left: HashMap<SubjectId, Timestamp>,
    now: Timestamp,
}

/// A person's address as it is matched, with the fingerprints under which it may be on record.
pub struct Marks {
    /// Under which the person is found.
    pub email: Vec<u8>,
    /// Under which the address may be on the "never mail" list.
    pub never: Vec<Vec<u8>>,
}

impl Marks {
    /// Those of an address in the form for matching.
    pub fn of(keys: &ControllerKeys, match_key: &str) -> Self {
        let never = keys.suppression_candidates(Channel::Email.name(), match_key);
        Self {
            email: keys.email_fingerprint(match_key).to_vec(),
            never: never.iter().map(|mark| mark.to_vec()).collect(),
        }
    }
}

impl People {
    /// Reads what is on record about these people, whose addresses have these marks, with regard to a list.
    pub fn read(
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        rows: Vec<Subject>,
        marks: &[Marks],
        list_id: &str,
        purposes: Vec<PurposeId>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let ids: Vec<SubjectId> = rows.iter().map(|row| row.id).collect();
        let people: Vec<_> = ids.iter().map(|id| (scope.controller(), *id)).collect();
        let mut consents: HashMap<SubjectId, Vec<Consent>> = HashMap::new();
        for consent in tx.consents_of_all(&people)? {
            consents.entry(consent.subject_id).or_default().push(consent);
        }
        let states = tx.destination_states_on(scope, &ids, list_id)?;
        let never: Vec<Vec<u8>> = marks.iter().flat_map(|marks| marks.never.iter().cloned()).collect();
        let mut suppressions: HashMap<Vec<u8>, Vec<Suppression>> = HashMap::new();
        for entry in tx.suppressions_among(scope, &never)? {
            suppressions.entry(entry.fingerprint.clone()).or_default().push(entry);
        }
        let mut given: HashMap<(SubjectId, PurposeId), Yes> = HashMap::new();
        for purpose in purposes.iter().copied() {
            for yes in tx.yeses(scope, &ids, purpose)? {
                let place = (yes.subject_id, purpose);
                if given.get(&place).is_none_or(|known| known.at < yes.at) {
                    given.insert(place, Yes { purpose, at: yes.at, method: Some(yes.method), source: yes.source });
                }
            }
        }
        let busy = tx.asked_among(scope, TaskKind::Sync, &ids)?;
        let mut left: HashMap<SubjectId, Timestamp> = HashMap::new();
        for state in tx.destination_states_among(scope, &ids)? {
            if !state.active && !state.set_aside && state.last_error.is_none() {
                let known = left.entry(state.subject_id).or_insert(state.synced_at);
                *known = (*known).max(state.synced_at);
            }
        }
        Ok(Self {
            purposes,
            consents,
            states: states.into_iter().map(|state| (state.subject_id, state)).collect(),
            suppressions,
            given,
            busy: busy.into_iter().collect(),
            left,
            rows: rows.into_iter().map(|row| (row.id, row)).collect(),
            now,
        })
    }

    /// The row of somebody who is to be active on the list.
    pub fn wanted_row(
        &self,
        tx: &mut ReadTx<'_>,
        rows: &mut Rows,
        keys: &ControllerKeys,
        destination: &Destination,
        id: SubjectId,
    ) -> Result<Option<NewSubscriber>, Error> {
        let (Some(row), Some(consents)) = (self.rows.get(&id), self.consents.get(&id)) else { return Ok(None) };
        let scope = ControllerScope::granted(row.controller_id);
        let person = Person::open(scope, keys, row.clone())?;
        let entries = self.entries(&Marks::of(keys, &person.address.match_key()));
        let valid: Vec<&Consent> = consents.iter().filter(|c| self.holds(c, &entries)).collect();
        let yes = valid.iter().filter_map(|c| self.given.get(&(id, c.purpose_id)));
        let Some(newest) = yes.max_by_key(|yes| yes.at) else { return Ok(None) };
        Ok(Some(rows.of(tx, &person, destination, consents, &valid, newest, self.now)?))
    }

    fn entries(&self, marks: &Marks) -> Vec<Suppression> {
        marks.never.iter().filter_map(|mark| self.suppressions.get(mark)).flatten().cloned().collect()
    }

    /// Whether a consent is to what is kept on the list, and holds.
    fn holds(&self, consent: &Consent, entries: &[Suppression]) -> bool {
        self.purposes.contains(&consent.purpose_id)
            && reason_for(entries, consent.purpose_id).is_none()
            && Standing::effective(&consent.standing(), self.now).is_valid()
    }

    /// How a person stood on the list when we last brought something about.
    pub fn state(&self, id: SubjectId) -> Option<&DestinationState> {
        self.states.get(&id)
    }

    /// The newest event about a person.
    pub fn newest_event(&self, id: SubjectId) -> Option<crate::domain::ids::EventId> {
        self.consents.get(&id)?.iter().map(|consent| consent.event_id).max()
    }

    /// Whether something is about to be brought about for a person, or was since this moment: what was read there then says
    /// nothing. Nor does it about somebody who is held back.
    pub fn is_moving(&self, id: SubjectId, since: Timestamp) -> bool {
        let consents = self.consents.get(&id);
        // Whoever an old stop for something else keeps off the list stands there as we know it.
        let held_back = |state: &DestinationState| state.last_error.as_deref() == Some(HELD_BACK);
        self.busy.contains(&id)
            || self.states.get(&id).is_some_and(|state| state.synced_at > since || held_back(state))
            || consents.is_some_and(|all| all.iter().any(|consent| consent.changed_at > since))
    }

    /// Whether the state there says nothing about somebody who was never asked for what is kept on the list: their request,
    /// newer than that state, waits for its confirmation; or it was us who took them off a list there, and an unsubscribe
    /// may reach every list of the client (campaign-monitor 15.4).
    pub fn is_no_word(&self, id: SubjectId, here: Here, since: Option<Between>) -> bool {
        let consents = self.consents.get(&id).map(Vec::as_slice).unwrap_or_default();
        let pending = |c: &Consent| {
            self.purposes.contains(&c.purpose_id)
                && Standing::effective(&c.standing(), self.now) == ConsentState::Pending
                && since.is_none_or(|since| c.changed_at > since.latest)
        };
        let ours = || {
            let left = self.left.get(&id).copied();
            left.zip(since).is_some_and(|(left, since)| since.earliest <= left.plus(APART))
        };
        here == Here::Unasked && (consents.iter().any(pending) || ours())
    }

    /// How somebody stands here.
    pub fn here(&self, id: Option<SubjectId>, marks: &Marks) -> Here {
        let entries = self.entries(marks);
        let stopped = |purpose: &PurposeId| reason_for(&entries, *purpose).is_some();
        let Some((id, row)) = id.and_then(|id| Some((id, self.rows.get(&id)?))) else {
            return Here::Nobody { suppressed: !self.purposes.is_empty() && self.purposes.iter().all(stopped) };
        };
        let consents = self.consents.get(&id).map(Vec::as_slice).unwrap_or_default();
        let of = |purpose: &PurposeId| consents.iter().find(|consent| consent.purpose_id == *purpose);
        if row.undeliverable || row.restricted || row.erased_at.is_some() {
            return Here::Stopped;
        }
        let valid: Vec<&Consent> = consents.iter().filter(|consent| self.holds(consent, &entries)).collect();
        if !valid.is_empty() {
            let given_at = valid.iter().filter_map(|c| self.given.get(&(id, c.purpose_id))).map(|yes| yes.at).max();
            let ours = self.states.get(&id).filter(|state| !state.active && state.last_error.is_none());
            return Here::Wanted { given_at, taken_off_at: ours.map(|state| state.synced_at) };
        }
        let open = |purpose: &PurposeId| {
            let state = of(purpose).map(|c| Standing::effective(&c.standing(), self.now));
            !stopped(purpose) && matches!(state, None | Some(ConsentState::Unknown | ConsentState::Pending))
        };
        if self.purposes.iter().any(open) { Here::Unasked } else { Here::Stopped }
    }
}

/// People on record whose addresses were told.
pub struct Found {
    /// Each once.
    pub rows: Vec<Subject>,
    /// Who they are, by fingerprint of the address told.
    pub known: HashMap<Vec<u8>, SubjectId>,
}

/// The people of these addresses that are on record. Whoever has moved and stands on this list under the address they left
/// is known by that as well, until it is changed there (DR-05).
pub fn found(tx: &mut ReadTx<'_>, scope: ControllerScope, marks: &[Marks], list_id: &str) -> Result<Found, Error> {
    let emails: Vec<Vec<u8>> = marks.iter().map(|marks| marks.email.clone()).collect();
    let (former, current): (Vec<_>, Vec<_>) =
        tx.people_told(scope, &emails)?.into_iter().partition(|reached| reached.is_former());
    let ids: Vec<SubjectId> = former.iter().map(|reached| reached.row.id).collect();
    let states = if ids.is_empty() { Vec::new() } else { tx.destination_states_on(scope, &ids, list_id)? };
    let moving: HashSet<SubjectId> =
        states.into_iter().filter(|state| state.stands_as.is_some()).map(|state| state.subject_id).collect();
    let mut found = Found { rows: Vec::new(), known: HashMap::new() };
    let (mut seen, former) = (HashSet::new(), former.into_iter().filter(|one| moving.contains(&one.row.id)));
    for reached in current.into_iter().chain(former) {
        found.known.entry(reached.told).or_insert(reached.row.id);
        if seen.insert(reached.row.id) {
            found.rows.push(reached.row);
        }
    }
    Ok(found)
}
