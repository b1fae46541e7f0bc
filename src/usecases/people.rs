//! People as staff may see them: where they stand, and the history with its evidence opened. Whoever looks at whom is
//! logged here, so that no door forgets it (SE-03).

use serde_json::Value;
use uuid::Uuid;

use crate::crypto::ControllerKeys;
use crate::domain::address::ChangeOutcome;
use crate::domain::consent::ConsentState;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, EventId, MailId, NoticeId, PolicyVersionId, SubjectId};
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::store::addresses::AddressChange;
use crate::store::consents::Consent;
use crate::store::events::StoredEvent;
use crate::store::mails::Mail;
use crate::store::policies::PolicyVersion;
use crate::store::subjects::Subject;
use crate::store::suppressions::Suppression;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::address::{left_address, new_address};
use super::once::Asker;
use super::permission::fingerprints;
use super::record::Person;
use super::whereabouts::{Whereabouts, whereabouts};
use super::{Error, Services};

/// By what a person is named.
#[derive(Debug, Clone)]
pub enum Whom {
    /// By id.
    Subject(SubjectId),
    /// By address.
    Address(EmailAddress),
}

impl Whom {
    /// Calls about one person share a writer.
    pub(super) fn route(&self, keys: &ControllerKeys) -> Uuid {
        match self {
            Self::Subject(id) => id.uuid(),
            Self::Address(address) => {
                let mut bytes = [0; 16];
                bytes.copy_from_slice(&keys.email_fingerprint(&address.match_key())[..16]);
                Uuid::from_bytes(bytes)
            }
        }
    }

    /// The person's row, if there is one that was not erased.
    pub(super) fn find(
        &self,
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        keys: &ControllerKeys,
    ) -> Result<Option<Subject>, Error> {
        let found = match self {
            Self::Subject(id) => match tx.subject(scope, *id) {
                Ok(row) => Some(row),
                Err(StoreError::NotFound) => None,
                Err(error) => return Err(error.into()),
            },
            Self::Address(address) => {
                tx.subject_by_fingerprint(scope, &keys.email_fingerprint(&address.match_key()))?
            }
        };
        Ok(found.filter(|row| row.erased_at.is_none()))
    }

    /// [`Self::find`], with the row locked until the commit.
    pub(super) fn lock(
        &self,
        tx: &mut WriteTx<'_>,
        scope: ControllerScope,
        keys: &ControllerKeys,
    ) -> Result<Option<Subject>, Error> {
        let Some(found) = self.find(tx, scope, keys)? else { return Ok(None) };
        // Erased between the look and the lock: nobody is there.
        Ok(Some(tx.lock_subject(scope, found.id)?).filter(|row| row.erased_at.is_none()))
    }
}

impl Whom {
    /// Whom a stop reaches, locked until the commit: by address also whoever has left it (DR-05).
    pub(super) fn lock_told(
        &self,
        tx: &mut WriteTx<'_>,
        scope: ControllerScope,
        keys: &ControllerKeys,
    ) -> Result<Vec<Subject>, Error> {
        let Self::Address(address) = self else { return Ok(self.lock(tx, scope, keys)?.into_iter().collect()) };
        let told = tx.lock_people_told(scope, &[keys.email_fingerprint(&address.match_key()).to_vec()])?;
        Ok(told.into_iter().map(|reached| reached.row).filter(|row| row.erased_at.is_none()).collect())
    }
}

/// Where a person stands towards a purpose.
#[derive(Debug, Clone)]
pub struct Stance {
    /// The purpose.
    pub purpose: Purpose,
    /// What is on record.
    pub consent: Consent,
    /// The state with time taken into account.
    pub effective: ConsentState,
}

/// How a change of address stands.
#[derive(Debug, Clone)]
pub struct ChangeStanding {
    /// The new address, masked, while it is neither settled nor expired.
    pub masked: Option<String>,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Until when it can be, or could be, confirmed.
    pub ends_at: Timestamp,
    /// How it ended.
    pub outcome: Option<ChangeOutcome>,
    /// When.
    pub settled_at: Option<Timestamp>,
}

/// A person with all that is on record about them, opened. Holds personal data and does not print.
pub struct KnownPerson {
    /// The row.
    pub row: Subject,
    /// The address; none once erased.
    pub address: Option<EmailAddress>,
    /// The name.
    pub name: Option<DisplayName>,
    /// Custom fields.
    pub fields: Option<Value>,
    /// The newest change of address that was asked for.
    pub change: Option<ChangeStanding>,
    /// Addresses that they have left, the oldest first, with when.
    pub former: Vec<(EmailAddress, Timestamp)>,
    /// Where they stand, by purpose.
    pub stances: Vec<Stance>,
    /// Entries of the "never mail" list under the address.
    pub suppressions: Vec<Suppression>,
    /// All purposes of the controller, to name those of suppressions.
    pub purposes: Vec<Purpose>,
    /// Where they stand at the destinations.
    pub destinations: Whereabouts,
}

/// A fact of the history with what belongs to it. Holds personal data and does not print.
pub struct Fact {
    /// The event.
    pub event: StoredEvent,
    /// The purpose's short name.
    pub purpose: Option<String>,
    /// Its evidence, opened; none once erased.
    pub evidence: Option<Value>,
    /// SHA-256 of the notice shown.
    pub notice_sha256: Option<Vec<u8>>,
    /// The policy version shown.
    pub policy: Option<PolicyVersion>,
}

pub(super) fn log(reader: Asker, subject: Option<SubjectId>, what: &'static str) {
    let subject = subject.map_or_else(|| "nobody".to_owned(), |id| id.to_string());
    tracing::info!(target: "audit", token = %reader.token, subject, what, "a person's record was read");
}

/// The person with this address, if known.
pub async fn search_person(
    services: &Services,
    reader: Asker,
    address: EmailAddress,
) -> Result<Option<KnownPerson>, Error> {
    let scope = reader.scope.ok_or(Error::UnknownCredential)?;
    let (keys, now) = (services.keys.of(scope).await?, services.clock.now());
    let found = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let row = Whom::Address(address).find(tx, scope, &keys)?;
            row.map(|row| known(tx, scope, &keys, row, now)).transpose()
        })
        .await?;
    log(reader, found.as_ref().map(|person| person.row.id), "search");
    Ok(found)
}

/// The person with this id; one who was erased is still named, with nothing but marks.
pub async fn show_person(services: &Services, reader: Asker, id: SubjectId) -> Result<KnownPerson, Error> {
    let scope = reader.scope.ok_or(Error::UnknownCredential)?;
    let (keys, now) = (services.keys.of(scope).await?, services.clock.now());
    let found = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let row = tx.subject(scope, id)?;
            known(tx, scope, &keys, row, now)
        })
        .await?;
    log(reader, Some(id), "record");
    Ok(found)
}

fn known(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    keys: &ControllerKeys,
    row: Subject,
    now: Timestamp,
) -> Result<KnownPerson, Error> {
    let purposes = tx.purposes(scope)?;
    let consents = tx.consents_of(scope, row.id)?;
    let stances = consents
        .iter()
        .cloned()
        .filter_map(|consent| {
            let purpose = purposes.iter().find(|purpose| purpose.id == consent.purpose_id)?.clone();
            let effective = consent.standing().effective(now);
            Some(Stance { purpose, consent, effective })
        })
        .collect();
    let mut person = KnownPerson {
        row,
        address: None,
        name: None,
        fields: None,
        change: None,
        former: Vec::new(),
        stances,
        suppressions: Vec::new(),
        purposes,
        destinations: Whereabouts::default(),
    };
    if person.row.erased_at.is_none() {
        let opened = Person::open(scope, keys, person.row.clone())?;
        person.suppressions = tx.suppressions_among(scope, &fingerprints(keys, &opened))?;
        person.name = opened.name()?;
        person.fields = opened.fields()?;
        person.change = tx.latest_change(scope, opened.row.id)?.map(|one| change(&opened, &one, now)).transpose()?;
        for left in tx.former_addresses(&[(scope.controller(), opened.row.id)])? {
            person.former.push((left_address(&opened, &left)?, left.left_at));
        }
        person.address = Some(opened.address);
    }
    person.destinations = whereabouts(tx, scope, &person.row, &consents, &person.suppressions, now)?;
    Ok(person)
}

fn change(person: &Person, change: &AddressChange, now: Timestamp) -> Result<ChangeStanding, Error> {
    let masked = change.open_at(now).then(|| new_address(person, change).map(|address| address.masked()));
    Ok(ChangeStanding {
        masked: masked.transpose()?,
        asked_at: change.created_at,
        ends_at: change.expires_at,
        outcome: change.outcome,
        settled_at: change.settled_at,
    })
}

/// A person's history in order, after `after`, up to `limit` facts.
pub async fn history(
    services: &Services,
    reader: Asker,
    id: SubjectId,
    after: Option<EventId>,
    limit: i64,
) -> Result<Vec<Fact>, Error> {
    let scope = reader.scope.ok_or(Error::UnknownCredential)?;
    let keys = services.keys.of(scope).await?;
    let facts = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let row = tx.subject(scope, id)?;
            let events = tx.events_of(scope, id, after, limit)?;
            facts(tx, scope, &keys, row, events)
        })
        .await?;
    log(reader, Some(id), "evidence");
    Ok(facts)
}

fn facts(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    keys: &ControllerKeys,
    row: Subject,
    events: Vec<StoredEvent>,
) -> Result<Vec<Fact>, Error> {
    let person = if row.erased_at.is_none() { Some(Person::open(scope, keys, row)?) } else { None };
    let purposes = tx.purposes(scope)?;
    let mut notices: Vec<NoticeId> = events.iter().filter_map(|event| event.notice_id).collect();
    notices.sort_unstable();
    notices.dedup();
    let notices = tx.notice_hashes(scope, &notices)?;
    let mut versions: Vec<PolicyVersionId> = events.iter().filter_map(|event| event.policy_version_id).collect();
    versions.sort_unstable();
    versions.dedup();
    let versions = tx.policy_versions_among(scope, &versions)?;
    let open = |event: StoredEvent| {
        let evidence = match (&person, &event.evidence) {
            (Some(person), Some(sealed)) => {
                let plain = person.key.open("consent_events", "evidence", event.id.uuid(), sealed)?;
                Some(serde_json::from_slice(&plain)?)
            }
            _ => None,
        };
        let purpose = purposes.iter().find(|purpose| purpose.id == event.purpose_id);
        let notice = notices.iter().find(|(id, _)| event.notice_id == Some(*id));
        let policy = versions.iter().find(|version| event.policy_version_id == Some(version.id));
        Ok(Fact {
            purpose: purpose.map(|purpose| purpose.slug.to_string()),
            evidence,
            notice_sha256: notice.map(|(_, hash)| hash.clone()),
            policy: policy.cloned(),
            event,
        })
    };
    events.into_iter().map(open).collect()
}

/// A person's mails, newest first, before `before`, up to `limit`; with the controller's purposes, to name theirs.
pub async fn mails(
    services: &Services,
    reader: Asker,
    id: SubjectId,
    before: Option<MailId>,
    limit: i64,
) -> Result<(Vec<Mail>, Vec<Purpose>), Error> {
    let scope = reader.scope.ok_or(Error::UnknownCredential)?;
    let found = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            tx.subject(scope, id)?;
            Ok::<_, Error>((tx.mails_page(scope, id, before, limit)?, tx.purposes(scope)?))
        })
        .await?;
    log(reader, Some(id), "mails");
    Ok(found)
}
