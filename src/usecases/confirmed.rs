//! The people who said yes to a purpose, page by page, for a download. Only who may be written to today is on it: a
//! stop that came by a list, a dead mailbox or a restriction leaves a person out (SU-05, DR-10).

use std::collections::HashMap;

use crate::crypto::ControllerKeys;
use crate::domain::ids::{ControllerScope, NoticeId, PolicyVersionId, PurposeId, SubjectId};
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::suppressions::{Suppression, reason_for};
use crate::store::{ReadTx, StoreError};

use super::once::Asker;
use super::permission::fingerprints;
use super::record::Person;
use super::shape::purpose_named;
use super::{Error, Services};

/// A person on the list. Holds personal data and does not print.
pub struct ConfirmedPerson {
    /// The address, as sent.
    pub address: String,
    /// The name, if one is on record.
    pub name: Option<String>,
    /// When the person last said yes.
    pub given_at: Option<Timestamp>,
    /// Until when it holds.
    pub valid_until: Option<Timestamp>,
    /// The label of the policy version shown.
    pub policy_version: Option<String>,
    /// The notice shown.
    pub notice: Option<NoticeId>,
}

/// A page of the list, and after whom the next one begins.
pub struct ConfirmedPage {
    /// The people.
    pub people: Vec<ConfirmedPerson>,
    /// Where to go on; none on the last page.
    pub next: Option<SubjectId>,
}

/// The purpose that a download is for; the download is logged (SE-03).
pub async fn begin_download(services: &Services, asker: Asker, purpose: &str) -> Result<Purpose, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let all = services.store.read(move |tx: &mut ReadTx<'_>| tx.purposes(scope)).await?;
    let found = purpose_named(&all, purpose)
        .ok_or_else(|| Error::field("purpose", "there is no purpose of this id or short name"))?;
    tracing::info!(target: "audit", token = %asker.token, purpose = %found.id, "confirmed people are being downloaded");
    Ok(found.clone())
}

/// The people confirmed at `now`, after `after`, in the order of their ids.
pub async fn confirmed_page(
    services: &Services,
    scope: ControllerScope,
    purpose: PurposeId,
    after: Option<SubjectId>,
    now: Timestamp,
) -> Result<ConfirmedPage, Error> {
    let (keys, most) = (services.keys.of(scope).await?, services.rules.pieces.confirmed);
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let consents = tx.confirmed_page(scope, purpose, now, after, most)?;
            let whole = i64::try_from(consents.len()).unwrap_or(most) == most;
            let next = consents.last().map(|consent| consent.subject_id).filter(|_| whole);
            Ok(ConfirmedPage { people: people(tx, scope, &keys, purpose, &consents)?, next })
        })
        .await
}

fn people(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    keys: &ControllerKeys,
    purpose: PurposeId,
    consents: &[Consent],
) -> Result<Vec<ConfirmedPerson>, Error> {
    let ids: Vec<SubjectId> = consents.iter().map(|consent| consent.subject_id).collect();
    let mut persons = HashMap::with_capacity(ids.len());
    for row in tx.subjects_among(scope, &ids)? {
        let reachable = row.erased_at.is_none() && !row.restricted && !row.undeliverable;
        if reachable {
            let person = Person::open(scope, keys, row)?;
            let marks = fingerprints(keys, &person);
            persons.insert(person.row.id, (person, marks));
        }
    }
    let marks: Vec<Vec<u8>> = persons.values().flat_map(|(_, marks)| marks.iter().cloned()).collect();
    let mut entries: HashMap<Vec<u8>, Vec<Suppression>> = HashMap::new();
    for entry in tx.suppressions_among(scope, &marks)? {
        entries.entry(entry.fingerprint.clone()).or_default().push(entry);
    }
    let given: HashMap<SubjectId, Timestamp> = tx.given_at(scope, &ids, purpose)?.into_iter().collect();
    let labels = labels(tx, scope, consents)?;
    let mut found = Vec::with_capacity(consents.len());
    for consent in consents {
        let Some((person, marks)) = persons.get(&consent.subject_id) else { continue };
        let own: Vec<Suppression> = marks.iter().filter_map(|mark| entries.get(mark)).flatten().cloned().collect();
        if reason_for(&own, purpose).is_some() {
            continue;
        }
        found.push(ConfirmedPerson {
            address: person.address.as_sent(),
            name: person.name()?.map(|name| name.as_str().to_owned()),
            given_at: given.get(&consent.subject_id).copied(),
            valid_until: consent.valid_until,
            policy_version: consent.policy_version_id.and_then(|id| labels.get(&id).cloned()),
            notice: consent.notice_id,
        });
    }
    Ok(found)
}

fn labels(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    consents: &[Consent],
) -> Result<HashMap<PolicyVersionId, String>, StoreError> {
    let mut ids: Vec<PolicyVersionId> = consents.iter().filter_map(|consent| consent.policy_version_id).collect();
    ids.sort_unstable();
    ids.dedup();
    Ok(tx.policy_versions_among(scope, &ids)?.into_iter().map(|version| (version.id, version.label)).collect())
}
