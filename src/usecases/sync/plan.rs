//! What is to be done at each list for one person, read from the record.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::campaign_monitor::{ConsentToTrack, FieldType, FieldValue, NewSubscriber, Zone};
use crate::crypto::ControllerKeys;
use crate::domain::consent::Standing;
use crate::domain::ids::{ControllerScope, EventId, PolicyVersionId, PurposeId, SubjectId};
use crate::domain::purpose::{Purpose, PurposeKind};
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::destinations::{Destination, DestinationList, DestinationState};
use crate::store::former_lists::FormerList;
use crate::store::{ReadTx, StoreError};

use super::super::record::Person;
use super::super::{Error, Services};

/// Custom fields that a list has for proof; keys that a list lacks are dropped there without a word (section 4.4).
pub const CONSENT_DATE: &str = "ConsentDate";
/// The policy version's label.
pub const POLICY_VERSION: &str = "PolicyVersion";
/// The purposes, by name.
pub const PURPOSES: &str = "Purposes";
/// The basis (PE-04).
pub const BASIS: &str = "Basis";

/// The fields that every list is to have, and their types.
pub const FIELDS: [(&str, FieldType); 4] = [
    (CONSENT_DATE, FieldType::Date),
    (POLICY_VERSION, FieldType::Text),
    (PURPOSES, FieldType::Text),
    (BASIS, FieldType::Text),
];

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
    /// The newest event that this brings about.
    pub event: EventId,
    /// When the newest valid consent was given.
    pub given_at: Option<Timestamp>,
    /// Purposes kept there, now or before, for which the person's consent stands although they are to be taken off: a
    /// list given up, processing restricted. Taking them off is then no stop.
    pub standing: Vec<PurposeId>,
    /// Whether we had brought about that the person is active there.
    pub was_active: bool,
    /// Whether we set the person aside there, or were about to, although their consent stood.
    pub set_aside: bool,
    /// When we last took the person off there, if the stop there was ours.
    pub stopped_by_us: Option<Timestamp>,
}

/// What all people of a controller have in common, read once for many.
struct Common {
    lists: Vec<DestinationList>,
    former: Vec<FormerList>,
    destinations: Vec<Destination>,
    purposes: Vec<Purpose>,
    policies: HashMap<PolicyVersionId, String>,
}

impl Common {
    fn read(tx: &mut ReadTx<'_>, scope: ControllerScope, most_former: i64) -> Result<Self, StoreError> {
        Ok(Self {
            lists: tx.destination_lists(scope)?,
            former: tx.former_lists(scope, most_former)?,
            destinations: tx.destinations(scope)?,
            purposes: tx.purposes(scope)?,
            policies: HashMap::new(),
        })
    }

    /// Whether these consents let a person be tracked.
    fn tracks(&self, consents: &[Consent], now: Timestamp) -> bool {
        let mut tracking = self.purposes.iter().filter(|purpose| purpose.kind == PurposeKind::Tracking);
        tracking.any(|purpose| {
            consents.iter().any(|c| c.purpose_id == purpose.id && c.standing().effective(now).is_valid())
        })
    }

    /// A policy version's label.
    fn label(&mut self, tx: &mut ReadTx<'_>, scope: ControllerScope, id: PolicyVersionId) -> Result<&str, StoreError> {
        match self.policies.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(tx.policy_version(scope, id)?.label)),
        }
    }
}

/// People whose plans are read in one go: a connection for reading is held for so long.
const AT_ONCE: usize = 100;

/// Reads what is to be done for each of these people, in their order; nothing where there is nobody, or nothing to do.
pub async fn read(
    services: &Services,
    scope: ControllerScope,
    people: &[SubjectId],
) -> Result<Vec<Result<Option<Plan>, Error>>, Error> {
    let keys = services.keys.of(scope).await?;
    let (now, most_former) = (services.clock.now(), services.rules.limits.former_lists);
    let mut plans = Vec::with_capacity(people.len());
    for some in people.chunks(AT_ONCE) {
        let (some, keys) = (some.to_vec(), keys.clone());
        let read = move |tx: &mut ReadTx<'_>| {
            let mut common = Common::read(tx, scope, most_former)?;
            Ok::<_, Error>(some.into_iter().map(|id| plan(tx, &mut common, &keys, scope, id, now)).collect::<Vec<_>>())
        };
        plans.extend(services.store.read(read).await?);
    }
    Ok(plans)
}

fn plan(
    tx: &mut ReadTx<'_>,
    common: &mut Common,
    keys: &ControllerKeys,
    scope: ControllerScope,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Option<Plan>, Error> {
    let row = match tx.subject(scope, subject) {
        Ok(row) if row.erased_at.is_none() => row,
        Ok(_) | Err(StoreError::NotFound) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let person = Person::open(scope, keys, row)?;
    let states = tx.destination_states(scope, subject)?;
    let places = places(common, &states)?;
    if places.is_empty() {
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
    let mut steps = Vec::new();
    for place in places {
        if let Some(step) = step(tx, common, &person, place, &consents, &suppressed, now)? {
            steps.push(step);
        }
    }
    // Nobody is taken off a list before they were brought to the one in its place.
    steps.sort_by_key(|step| step.row.is_none());
    Ok(Some(Plan { scope, subject, address: person.address.as_sent(), steps }))
}

/// A list that the person may have to do with.
struct Place {
    destination: Destination,
    list_id: String,
    /// The purposes kept on it.
    purposes: Vec<PurposeId>,
    /// Those that were kept on it when the person was brought there.
    before: Vec<PurposeId>,
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
        let purposes: Vec<PurposeId> = lists.iter().filter(|l| l.list_id == *list_id).map(|l| l.purpose_id).collect();
        let concerned = !purposes.is_empty() || state.as_ref().is_some_and(|s| s.active || s.last_error.is_some());
        if !concerned || places.iter().any(|place| place.list_id == *list_id) {
            continue;
        }
        let before = former.iter().filter(|f| f.list_id == *list_id && state.as_ref().is_some_and(|s| stood_for(s, f)));
        let before = before.map(|f| f.purpose_id).collect();
        let destination = destinations.iter().find(|d| d.id == destination).ok_or(StoreError::NotFound)?.clone();
        places.push(Place { destination, list_id: list_id.clone(), purposes, before, state });
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
    person: &Person,
    place: Place,
    consents: &[Consent],
    suppressed: &[PurposeId],
    now: Timestamp,
) -> Result<Option<Step>, Error> {
    let Place { destination, list_id, purposes, before, state } = place;
    let stands = |consent: &Consent, purposes: &[PurposeId]| {
        purposes.contains(&consent.purpose_id)
            && Standing::effective(&consent.standing(), now).is_valid()
            && !suppressed.contains(&consent.purpose_id)
    };
    let valid: Vec<&Consent> = consents.iter().filter(|consent| stands(consent, &purposes)).collect();
    let wanted = !valid.is_empty() && !person.row.undeliverable && !person.row.restricted;
    let Some(event) = consents.iter().map(|consent| consent.event_id).max() else { return Ok(None) };
    let state = state.as_ref();
    let was_active = state.is_some_and(|state| state.active);
    let in_step =
        state.is_some_and(|state| state.active == wanted && state.event_id >= event && state.last_error.is_none());
    // Nobody who was never brought there is taken off there.
    if in_step || (!wanted && !was_active && state.is_none_or(|state| state.last_error.is_none())) {
        return Ok(None);
    }
    let standing: Vec<&Consent> = if wanted {
        Vec::new()
    } else {
        consents.iter().filter(|c| stands(c, &purposes) || stands(c, &before)).collect()
    };
    let given_at = valid.iter().chain(&standing).map(|consent| given(tx, person, consent));
    let given_at = given_at.collect::<Result<Vec<_>, Error>>()?.into_iter().max();
    let row = if wanted {
        let tracked = common.tracks(consents, now);
        Some(subscriber(tx, common, person, &destination, &valid, tracked, given_at.unwrap_or(now))?)
    } else {
        None
    };
    let stopped_by_us = state.filter(|state| !state.active && state.last_error.is_none()).map(|state| state.synced_at);
    Ok(Some(Step {
        destination,
        list_id,
        purposes,
        row,
        event,
        given_at,
        standing: standing.iter().map(|consent| consent.purpose_id).collect(),
        was_active,
        set_aside: state.is_some_and(|state| state.set_aside),
        stopped_by_us,
    }))
}

/// When the person last said yes.
fn given(tx: &mut ReadTx<'_>, person: &Person, consent: &Consent) -> Result<Timestamp, Error> {
    use crate::domain::event::EventKind;
    let mut newest = Timestamp::from_micros(0);
    for kind in [EventKind::Given, EventKind::Renewed] {
        if let Some(event) = tx.latest_event(person.scope, person.row.id, consent.purpose_id, kind)? {
            newest = newest.max(event.at);
        }
    }
    Ok(newest)
}

/// The row that makes the person active there, with the proof in custom fields.
fn subscriber(
    tx: &mut ReadTx<'_>,
    common: &mut Common,
    person: &Person,
    destination: &Destination,
    valid: &[&Consent],
    tracked: bool,
    given_at: Timestamp,
) -> Result<NewSubscriber, Error> {
    let policy = valid.iter().filter_map(|consent| consent.policy_version_id).max();
    let policy = policy.map(|id| common.label(tx, person.scope, id).map(short)).transpose()?;
    let known = &common.purposes;
    let names: Vec<&str> = known
        .iter()
        .filter(|purpose| valid.iter().any(|c| c.purpose_id == purpose.id))
        .map(|p| p.slug.as_str())
        .collect();
    let unfit = |error: &dyn std::fmt::Display| Error::Internal(format!("a custom field does not fit: {error}"));
    let zone = Zone::named(&destination.time_zone).map_err(|e| unfit(&e))?;
    let day = zone.day_of(given_at.micros()).map_err(|e| unfit(&e))?;
    let mut fields = vec![
        FieldValue::date(CONSENT_DATE, day).map_err(|e| unfit(&e))?,
        FieldValue::text(PURPOSES, &short(&names.join(", "))).map_err(|e| unfit(&e))?,
        FieldValue::text(BASIS, "consent").map_err(|e| unfit(&e))?,
    ];
    if let Some(policy) = policy {
        fields.push(FieldValue::text(POLICY_VERSION, &policy).map_err(|e| unfit(&e))?);
    }
    Ok(NewSubscriber {
        email_address: person.address.as_sent(),
        name: person.name()?.map(|name| name.as_str().to_owned()),
        custom_fields: fields,
        // Always said (TR-01, PR-08): consent to mail is not consent to be tracked in it.
        consent_to_track: if tracked { ConsentToTrack::Yes } else { ConsentToTrack::No },
    })
}

/// A custom field there holds 250 characters.
fn short(text: &str) -> String {
    text.chars().take(250).collect()
}
