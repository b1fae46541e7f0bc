//! Where a person stands at the destinations: list by list what is wanted, what was last brought about, and what went
//! wrong; so that whoever asks about one person need not ask the provider.

use crate::domain::consent::Standing;
use crate::domain::ids::{ControllerScope, DestinationId, PurposeId, SubjectId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::destinations::DestinationState;
use crate::store::events::StoredEvent;
use crate::store::outbox::Task;
use crate::store::sightings::Sighting;
use crate::store::subjects::Subject;
use crate::store::suppressions::{Suppression, reason_for};
use crate::store::{ReadTx, StoreError};

/// Lists given up that are looked at, to name a destination.
const FORMER: i64 = 1000;

/// A person on one list.
#[derive(Debug, Clone)]
pub struct OnList {
    /// The destination; none when it is not known any more.
    pub destination: Option<DestinationId>,
    /// The list there.
    pub list_id: String,
    /// The purposes kept on it that hold for the person.
    pub purposes: Vec<PurposeId>,
    /// Whether the person is to be active there.
    pub wanted: bool,
    /// What was last brought about; none: nothing yet.
    pub state: Option<DestinationState>,
    /// The newest event that this brought about.
    pub event: Option<StoredEvent>,
    /// How the provider last told of the person there, when both sides were compared.
    pub seen: Option<Sighting>,
}

/// A person at all destinations.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// By list, in the order of their ids.
    pub lists: Vec<OnList>,
    /// The work that waits for this person, if any does.
    pub work: Option<Task>,
}

/// Reads it: each list that the person is to be on, and each that they are on record at.
pub fn whereabouts(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    row: &Subject,
    consents: &[Consent],
    suppressions: &[Suppression],
    now: Timestamp,
) -> Result<Whereabouts, StoreError> {
    let states = tx.destination_states(scope, row.id)?;
    let kept = tx.destination_lists(scope)?;
    let former = if states.is_empty() { Vec::new() } else { tx.former_lists(scope, FORMER)? };
    let mut ids: Vec<&str> = kept.iter().map(|list| list.list_id.as_str()).collect();
    ids.extend(states.iter().map(|state| state.list_id.as_str()));
    ids.sort_unstable();
    ids.dedup();
    let holds = |purpose: PurposeId| {
        let mut valid = consents.iter().filter(|consent| consent.purpose_id == purpose);
        valid.any(|consent| Standing::effective(&consent.standing(), now).is_valid())
            && reason_for(suppressions, purpose).is_none()
    };
    let named: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    let seen = tx.sightings_of(scope, row.id, &named)?;
    let mut lists = Vec::new();
    for list_id in ids {
        let here = kept.iter().filter(|list| list.list_id == list_id);
        let purposes: Vec<PurposeId> = here.clone().map(|list| list.purpose_id).filter(|id| holds(*id)).collect();
        let state = states.iter().find(|state| state.list_id == list_id).cloned();
        if purposes.is_empty() && state.is_none() {
            continue;
        }
        let before = former.iter().filter(|list| list.list_id == list_id).map(|list| list.destination_id);
        let event = state.as_ref().map(|state| tx.event(scope, row.id, state.event_id)).transpose()?.flatten();
        lists.push(OnList {
            destination: here.map(|list| list.destination_id).chain(before).next(),
            list_id: list_id.to_owned(),
            wanted: !purposes.is_empty() && !row.restricted && !row.undeliverable && row.erased_at.is_none(),
            purposes,
            state,
            event,
            seen: seen.iter().find(|seen| seen.list_id == list_id).cloned(),
        });
    }
    Ok(Whereabouts { lists, work: waiting(tx, scope, row.id)? })
}

fn waiting(tx: &mut ReadTx<'_>, scope: ControllerScope, subject: SubjectId) -> Result<Option<Task>, StoreError> {
    tx.task(scope, TaskKind::Sync, subject.uuid())
}
