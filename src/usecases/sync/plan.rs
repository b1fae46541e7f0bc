//! What is to be done at each list for one person, read from the record.

use std::collections::HashMap;

use crate::campaign_monitor::NewSubscriber;
use crate::crypto::ControllerKeys;
use crate::domain::consent::{ConsentState, Standing};
use crate::domain::destination::OnExpiry;
use crate::domain::ids::{ControllerScope, EventId, LinkId, PurposeId, SubjectId};
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::destinations::{Destination, DestinationState};
use crate::store::former_lists::FormerList;
use crate::store::{ReadTx, StoreError};

use super::super::address::stands_as;
use super::super::record::Person;
use super::super::{Error, Services};
use super::common::{Common, given};
use super::preferences::{add_token, mark};
use super::row::subscriber;

/// One person, and what is to be done at each list.
pub struct Plan {
    /// The controller.
    pub scope: ControllerScope,
    /// The person.
    pub subject: SubjectId,
    /// The address, as sent.
    pub address: String,
    /// Steps, one per list that is not in step.
    pub steps: Vec<Step>,
    /// The person was erased: once they are off every list, key and address go too.
    pub erased: bool,
    /// The person's preference link.
    pub link: PreferenceLink,
}

/// The link whose token stands in each row of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreferenceLink {
    /// Its id.
    pub id: LinkId,
    /// It is to be put on record before the first row with it is sent.
    pub is_new: bool,
}

impl Plan {
    /// Every address under which the person may stand on the list of a step, the one in force last.
    pub fn addresses<'a>(&'a self, step: &'a Step) -> Vec<&'a str> {
        step.elsewhere.iter().map(String::as_str).chain([self.address.as_str()]).collect()
    }
}

/// What is to be done at one list.
pub struct Step {
    /// The destination.
    pub destination: Destination,
    /// The list there.
    pub list_id: String,
    /// The purposes kept on it.
    pub purposes: Vec<PurposeId>,
    /// Active, with this row; or nothing: to be taken off.
    pub row: Option<NewSubscriber>,
    /// The row's fingerprint.
    pub mark: Option<Vec<u8>>,
    /// The newest event that this brings about.
    pub event: EventId,
    /// When the person last said yes to each purpose that holds them there, or that stands though they leave.
    pub given: Vec<(PurposeId, Timestamp)>,
    /// Purposes kept there, now or before, that the person has not stopped although they are to be taken off: a list given
    /// up, processing restricted, a consent that has run to its end. Taking them off is then no stop.
    pub standing: Vec<PurposeId>,
    /// Whether a purpose is kept on another list of the same client that the person has not stopped.
    pub stays: bool,
    /// Whether the person was erased.
    pub erased: bool,
    /// Whether we had brought about that the person is active there.
    pub was_active: bool,
    /// Whether we set the person aside there, or were about to, although their consent stood.
    pub set_aside: bool,
    /// Since when we know them to be off this list.
    pub left_at: Option<Timestamp>,
    /// Other addresses under which the person may stand there since the address changed.
    pub elsewhere: Vec<String>,
    /// The same as it is noted, to tell whether more were noted since.
    pub stands_as: Option<Vec<u8>>,
    /// When we last took the person off there, or by an unsubscribe off another list of the client, which may have
    /// reached this one: until then, a stop there was ours, or is on record here.
    pub stopped_by_us: Option<Timestamp>,
}

impl Step {
    /// Whether the person is moved to *deleted* rather than unsubscribed. An unsubscribe reads as a stop of theirs, and on
    /// a list whose setting says so it ends every list of the client and puts the address on the suppression list
    /// (sections 5.6, 15.4). So it is for who has stopped all that is kept at that client. Whoever stays on another list of
    /// it, or who has not stopped, is moved to *deleted*, which reaches this list alone and suppresses nothing (5.7). The
    /// list's setting is not asked for: it may be changed there between the look and the act.
    ///
    /// The drawback (15.2): a file that somebody imports there by hand may bring a deleted person back to this list.
    pub fn is_gentle(&self) -> bool {
        self.stays || !self.standing.is_empty()
    }
}

/// What stands on record where an old stop of the person, for something else, keeps a consent that stands from a list.
pub const HELD_BACK: &str = "off this list since before this consent; only a newer one brings them back there";

/// People whose plans are read in one go: a connection for reading is held for so long.
pub const AT_ONCE: usize = 100;

/// Reads what is to be done for each of these people, in their order; nothing where there is nobody, or nothing to do.
pub async fn read(
    services: &Services,
    scope: ControllerScope,
    people: &[SubjectId],
) -> Result<Vec<Result<Option<Plan>, Error>>, Error> {
    let (keys, signer) = (services.keys.of(scope).await?, services.keys.signer(scope).await?);
    let (now, most_former) = (services.clock.now(), services.rules.limits.former_lists);
    let mut plans = Vec::with_capacity(people.len());
    for some in people.chunks(AT_ONCE) {
        let (some, keys, ids) = (some.to_vec(), keys.clone(), services.ids.clone());
        let read = move |tx: &mut ReadTx<'_>| {
            let mut common = Common::read(tx, scope, most_former)?;
            let links: HashMap<SubjectId, LinkId> = tx.preference_links(scope, &some)?.into_iter().collect();
            let mut plans = Vec::with_capacity(some.len());
            for id in some {
                let known = links.get(&id).map(|id| PreferenceLink { id: *id, is_new: false });
                let fresh = || PreferenceLink { id: LinkId::from_uuid(ids.random()), is_new: true };
                plans.push(plan(tx, &mut common, &keys, scope, id, known.unwrap_or_else(fresh), now));
            }
            Ok::<_, Error>(plans)
        };
        let mut read = services.store.read(read).await?;
        for plan in read.iter_mut().filter_map(|plan| plan.as_mut().ok()?.as_mut()) {
            for row in plan.steps.iter_mut().filter_map(|step| step.row.as_mut()) {
                add_token(row, plan.link.id, &signer)?;
            }
        }
        plans.extend(read);
    }
    Ok(plans)
}

fn plan(
    tx: &mut ReadTx<'_>,
    common: &mut Common,
    keys: &ControllerKeys,
    scope: ControllerScope,
    subject: SubjectId,
    link: PreferenceLink,
    now: Timestamp,
) -> Result<Option<Plan>, Error> {
    let row = match tx.subject(scope, subject) {
        Ok(row) if row.erased_at.is_none() || !row.wrapped_key.is_empty() => row,
        Ok(_) | Err(StoreError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let person = Person::open(scope, keys, row)?;
    let states = tx.destination_states(scope, subject)?;
    let erased = person.row.erased_at.is_some();
    let mut places = places(common, &states)?;
    if erased {
        places.retain(|place| place.state.as_ref().is_some_and(DestinationState::is_open));
    }
    if places.is_empty() && !erased {
        return Ok(None);
    }
    let consents = tx.consents_of(scope, subject)?;
    // A stop on the list counts even where no consent was changed by it, as staff may enter one for an address.
    let mut suppressed = Vec::new();
    for consent in &consents {
        if person.suppression(tx, keys, consent.purpose_id)?.is_some() {
            suppressed.push(consent.purpose_id);
        }
    }
    let known =
        Known { person: &person, states: &states, consents: &consents, suppressed: &suppressed, link: link.id, now };
    // Which clients the person's consent stands at, by list.
    let stands: Vec<(String, String, String)> = places
        .iter()
        .filter(|place| consents.iter().any(|consent| known.spares(consent, place)))
        .map(|place| {
            let (base_url, client) = place.destination.client();
            (base_url.to_owned(), client.to_owned(), place.list_id.clone())
        })
        .collect();
    let mut steps = Vec::new();
    for place in places {
        let client = place.destination.client();
        let stays = stands
            .iter()
            .any(|(base_url, id, list)| (base_url.as_str(), id.as_str()) == client && *list != place.list_id);
        if let Some(step) = step(tx, common, &known, place, stays)? {
            steps.push(step);
        }
    }
    // Nobody is taken off a list before they were brought to the one in its place.
    steps.sort_by_key(|step| step.row.is_none());
    Ok(Some(Plan { scope, subject, address: person.address.as_sent(), steps, erased, link }))
}

/// What is known about one person.
struct Known<'a> {
    person: &'a Person,
    states: &'a [DestinationState],
    consents: &'a [Consent],
    suppressed: &'a [PurposeId],
    link: LinkId,
    now: Timestamp,
}

impl Known<'_> {
    /// Whether a consent is for what is kept at a place, now or before, and the person has not stopped it: to be taken off
    /// there in spite of it is no stop of theirs. See [`OnExpiry`] for a consent that has run to its end.
    fn spares(&self, consent: &Consent, place: &Place) -> bool {
        let concerns = place.purposes.contains(&consent.purpose_id) || place.before.contains(&consent.purpose_id);
        let spared = match Standing::effective(&consent.standing(), self.now) {
            ConsentState::Expired => place.destination.on_expiry == OnExpiry::Remove,
            // Ended by the controller, or by a flaw.
            ConsentState::Dormant | ConsentState::Terminated | ConsentState::Invalidated => true,
            other => other.is_valid(),
        };
        concerns && spared && self.person.row.erased_at.is_none() && !self.suppressed.contains(&consent.purpose_id)
    }

    /// Whether a consent is for one of these purposes, and holds.
    fn stands(&self, consent: &Consent, purposes: &[PurposeId]) -> bool {
        purposes.contains(&consent.purpose_id)
            && Standing::effective(&consent.standing(), self.now).is_valid()
            && !self.suppressed.contains(&consent.purpose_id)
    }
}

/// A list that the person may have to do with.
struct Place {
    destination: Destination,
    list_id: String,
    /// The purposes kept on it.
    purposes: Vec<PurposeId>,
    /// Those that were kept on it when the person was brought there.
    before: Vec<PurposeId>,
    /// When a custom field was last made there: what was sent for it before was dropped there.
    fields_at: Option<Timestamp>,
    state: Option<DestinationState>,
}

/// The lists that purposes are kept on, and those given up on which the person is on record.
fn places(common: &Common, states: &[DestinationState]) -> Result<Vec<Place>, Error> {
    let Common { lists, destinations, .. } = common;
    let former: &[FormerList] = if states.is_empty() { &[] } else { &common.former };
    let mut places: Vec<Place> = Vec::new();
    let known = lists.iter().map(|list| (list.destination_id, &list.list_id));
    for (destination, list_id) in known.chain(former.iter().map(|list| (list.destination_id, &list.list_id))) {
        let state = states.iter().find(|state| state.list_id == *list_id).cloned();
        let here = lists.iter().filter(|list| list.list_id == *list_id);
        let purposes: Vec<PurposeId> = here.clone().map(|list| list.purpose_id).collect();
        let fields_at = here.filter_map(|list| list.fields_at).max();
        let concerned = !purposes.is_empty() || state.as_ref().is_some_and(DestinationState::is_open);
        if !concerned || places.iter().any(|place| place.list_id == *list_id) {
            continue;
        }
        let before = former.iter().filter(|f| f.list_id == *list_id && state.as_ref().is_some_and(|s| stood_for(s, f)));
        let before = before.map(|f| f.purpose_id).collect();
        let destination = destinations.iter().find(|d| d.id == destination).ok_or(StoreError::NotFound)?.clone();
        places.push(Place { destination, list_id: list_id.clone(), purposes, before, fields_at, state });
    }
    Ok(places)
}

/// Whether the person was brought to a list while this purpose was kept there; a removal that has begun has made the
/// state younger.
pub fn stood_for(state: &DestinationState, former: &FormerList) -> bool {
    state.synced_at <= former.given_up_at || (state.set_aside && state.last_error.is_some())
}

fn step(
    tx: &mut ReadTx<'_>,
    common: &mut Common,
    known: &Known<'_>,
    place: Place,
    stays: bool,
) -> Result<Option<Step>, Error> {
    let Known { person, consents, now, .. } = *known;
    let valid: Vec<&Consent> = consents.iter().filter(|consent| known.stands(consent, &place.purposes)).collect();
    let erased = person.row.erased_at.is_some();
    let wanted = !valid.is_empty() && !person.row.undeliverable && !person.row.restricted && !erased;
    let Some(event) = consents.iter().map(|consent| consent.event_id).max() else { return Ok(None) };
    let state = place.state.as_ref();
    let was_active = state.is_some_and(|state| state.active);
    // Nobody who was never brought there is taken off there.
    if !wanted && !was_active && state.is_none_or(|state| !state.is_open()) {
        return Ok(None);
    }
    let standing: Vec<&Consent> =
        if wanted { Vec::new() } else { consents.iter().filter(|consent| known.spares(consent, &place)).collect() };
    let mut yes = Vec::new();
    for consent in valid.iter().chain(&standing) {
        yes.push(given(tx, person, consent)?);
    }
    let newest = yes.iter().max_by_key(|yes| yes.at).filter(|_| wanted);
    let row = newest.map(|newest| {
        let tracked = common.tracks(consents, now);
        subscriber(tx, common, person, &place.destination, &valid, tracked, newest)
    });
    let row = row.transpose()?;
    let mark = row.as_ref().map(|row| mark(person, row, known.link)).transpose()?;
    // One more purpose on the list, or one less, changes what is to be written there, and no event of the person tells.
    let is_in_step = |state: &DestinationState| {
        state.active == wanted
            && state.event_id >= event
            && state.last_error.is_none()
            && state.row_mark == mark
            && (!wanted || place.fields_at.is_none_or(|made| state.synced_at >= made))
            && state.stands_as.is_none()
    };
    if state.is_some_and(is_in_step) {
        return Ok(None);
    }
    let left = |state: &DestinationState| !state.active && state.last_error.as_deref().is_none_or(|e| e == HELD_BACK);
    let reaches = |other: &DestinationState| {
        let client = Some(place.destination.client());
        other.list_id == place.list_id || (!other.set_aside && common.client_of(&other.list_id) == client)
    };
    let stopped_by_us = known.states.iter().filter(|s| left(s) && reaches(s)).map(|s| s.synced_at).max();
    Ok(Some(Step {
        row,
        mark,
        event,
        given: yes.iter().map(|yes| (yes.purpose, yes.at)).collect(),
        standing: standing.iter().map(|consent| consent.purpose_id).collect(),
        stays,
        erased,
        was_active,
        set_aside: state.is_some_and(|state| state.set_aside),
        elsewhere: state.map(|state| stands_as(person, state)).transpose()?.unwrap_or_default(),
        stands_as: state.and_then(|state| state.stands_as.clone()),
        left_at: state.filter(|state| left(state)).map(|state| state.synced_at),
        stopped_by_us,
        destination: place.destination,
        list_id: place.list_id,
        purposes: place.purposes,
    }))
}
