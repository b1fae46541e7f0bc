//! What the plans of all people of a controller have in common, read once for many: lists, destinations, purposes, and
//! the names of what their consents came through.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::domain::event::{EventKind, Method};
use crate::domain::ids::{CampaignId, ControllerScope, DestinationId, FormId, NoticeId, PolicyVersionId, PurposeId};
use crate::domain::purpose::{Purpose, PurposeKind};
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::destinations::{Destination, DestinationList};
use crate::store::former_lists::FormerList;
use crate::store::{ReadTx, StoreError};

use super::super::Error;
use super::super::destination_fields::{FieldMap, maps_of};
use super::super::record::Person;

/// What all people of a controller have in common, read once for many.
pub struct Common {
    /// Which purposes are kept on which lists.
    pub lists: Vec<DestinationList>,
    /// Where they were kept before.
    pub former: Vec<FormerList>,
    /// The destinations.
    pub destinations: Vec<Destination>,
    /// All purposes of the controller.
    pub purposes: Vec<Purpose>,
    /// The custom fields beside the proof, by destination.
    pub fields: HashMap<DestinationId, Vec<FieldMap>>,
    policies: HashMap<PolicyVersionId, String>,
    languages: HashMap<NoticeId, String>,
    sources: HashMap<String, String>,
}

impl Common {
    /// Reads it.
    pub fn read(tx: &mut ReadTx<'_>, scope: ControllerScope, most_former: i64) -> Result<Self, Error> {
        let destinations = tx.destinations(scope)?;
        let fields = destinations.iter().map(|one| Ok((one.id, maps_of(one)?))).collect::<Result<_, Error>>()?;
        Ok(Self {
            lists: tx.destination_lists(scope)?,
            former: tx.former_lists(scope, most_former)?,
            destinations,
            fields,
            purposes: tx.purposes(scope)?,
            policies: HashMap::new(),
            languages: HashMap::new(),
            sources: HashMap::new(),
        })
    }

    /// Whether these consents let a person be tracked.
    pub fn tracks(&self, consents: &[Consent], now: Timestamp) -> bool {
        let mut tracking = self.purposes.iter().filter(|purpose| purpose.kind == PurposeKind::Tracking);
        tracking.any(|purpose| {
            consents.iter().any(|c| c.purpose_id == purpose.id && c.standing().effective(now).is_valid())
        })
    }

    /// The client that a list belongs to, by where its API is and its id there.
    pub fn client_of(&self, list_id: &str) -> Option<(&str, &str)> {
        let kept = self.lists.iter().map(|list| (&list.list_id, list.destination_id));
        let mut known = kept.chain(self.former.iter().map(|list| (&list.list_id, list.destination_id)));
        let (_, destination) = known.find(|(known, _)| *known == list_id)?;
        self.destinations.iter().find(|d| d.id == destination).map(Destination::client)
    }

    /// A policy version's label.
    pub fn label(
        &mut self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        id: PolicyVersionId,
    ) -> Result<&str, StoreError> {
        match self.policies.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(tx.policy_version(scope, id)?.label)),
        }
    }
}

impl Common {
    /// The language of a notice.
    pub fn language(&mut self, tx: &mut ReadTx<'_>, scope: ControllerScope, id: NoticeId) -> Result<&str, StoreError> {
        match self.languages.entry(id) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(tx.notice(scope, id)?.wording.language)),
        }
    }

    /// Where a yes came from, in words that name a form or a round and nobody: `form: footer`.
    pub fn source(&mut self, tx: &mut ReadTx<'_>, scope: ControllerScope, yes: &Yes) -> Result<String, StoreError> {
        let method = yes.method.map_or("", Method::name);
        let Some(source) = &yes.source else { return Ok(method.to_owned()) };
        if let Some(known) = self.sources.get(source) {
            return Ok(known.clone());
        }
        let name = match source.split_once(':') {
            Some(("form", id)) => id.parse::<FormId>().ok().map(|id| tx.form(scope, id).map(|form| form.name)),
            Some(("campaign", id)) => {
                id.parse::<CampaignId>().ok().map(|id| tx.campaign(scope, id).map(|one| one.name))
            }
            // A token's id is no news to anybody.
            _ => None,
        };
        let words = match (name, source.split_once(':')) {
            (Some(Ok(name)), Some((kind, _))) => format!("{kind}: {name}"),
            (Some(Err(StoreError::NotFound)) | None, _) | (_, None) => method.to_owned(),
            (Some(Err(error)), _) => return Err(error),
        };
        self.sources.insert(source.clone(), words.clone());
        Ok(words)
    }
}

/// When and where a person last said yes.
pub struct Yes {
    /// To what.
    pub purpose: PurposeId,
    /// When.
    pub at: Timestamp,
    /// By which way.
    pub method: Option<Method>,
    /// Through what, as kind and id.
    pub source: Option<String>,
}

/// When the person last said yes.
pub fn given(tx: &mut ReadTx<'_>, person: &Person, consent: &Consent) -> Result<Yes, Error> {
    let purpose = consent.purpose_id;
    let mut newest = Yes { purpose, at: Timestamp::from_micros(0), method: None, source: None };
    for kind in [EventKind::Given, EventKind::Renewed] {
        if let Some(event) = tx.latest_event(person.scope, person.row.id, purpose, kind)?
            && event.at >= newest.at
        {
            newest = Yes { purpose, at: event.at, method: Some(event.method), source: event.source };
        }
    }
    Ok(newest)
}
