//! What goes on record: a person with their key, how a thing came about, the event with its sealed evidence and its
//! commitment. Where a person stands is changed by a [`Docket`] alone.

use serde_json::Value;
use uuid::Uuid;

use crate::crypto::{ControllerKeys, SubjectKey, commitment, secret};
use crate::domain::basis::BasisKind;
use crate::domain::clock::Ids;
use crate::domain::consent::{Command, Decision, Standing};
use crate::domain::email::EmailAddress;
use crate::domain::event::{ConsentEvent, EventKind, Method, RECORD_VERSION};
use crate::domain::ids::{ControllerScope, EventId, NoticeId, PolicyVersionId, PurposeId, SubjectId};
use crate::domain::name::DisplayName;
use crate::domain::purpose::Channel;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::events::StoredEvent;
use crate::store::subjects::Subject;
use crate::store::suppressions::{Suppression, reason_for};
use crate::store::{ReadTx, WriteTx};

use super::Error;
use super::docket::Docket;

/// A person on record, opened: their row, their key, their address.
#[derive(Clone)]
pub struct Person {
    /// The controller.
    pub scope: ControllerScope,
    /// The row.
    pub row: Subject,
    /// The person's key.
    pub key: SubjectKey,
    /// The address.
    pub address: EmailAddress,
}

impl Person {
    /// Opens a person's row.
    pub fn open(scope: ControllerScope, keys: &ControllerKeys, row: Subject) -> Result<Self, Error> {
        let key = keys.subject_key(row.id.uuid(), row.key_version, &row.wrapped_key)?;
        let bytes = key.open("subjects", "email", row.id.uuid(), &row.email)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Internal("a stored address is not UTF-8".into()))?;
        let address =
            EmailAddress::parse(text).map_err(|_| Error::Internal("a stored address does not read".into()))?;
        Ok(Self { scope, row, key, address })
    }

    /// Somebody new, with a key of their own.
    pub fn newcomer(
        scope: ControllerScope,
        keys: &ControllerKeys,
        ids: &dyn Ids,
        address: &EmailAddress,
        name: Option<&DisplayName>,
        fields: Option<&Value>,
        now: Timestamp,
    ) -> Self {
        let id = SubjectId::from_uuid(ids.row());
        let (key, key_version, wrapped_key) = keys.new_subject_key(id.uuid());
        let row = Subject {
            controller_id: scope.controller(),
            id,
            email_key: keys.email_fingerprint(&address.match_key()).to_vec(),
            key_version,
            wrapped_key,
            email: key.seal("subjects", "email", id.uuid(), address.as_sent().as_bytes()),
            name: name.map(|name| key.seal("subjects", "name", id.uuid(), name.as_str().as_bytes())),
            fields: fields.map(|fields| key.seal("subjects", "fields", id.uuid(), fields.to_string().as_bytes())),
            restricted: false,
            undeliverable: false,
            erased_at: None,
            created_at: now,
        };
        Self { scope, row, key, address: address.clone() }
    }

    /// What a writing call about this person is routed by, however the person was found: calls about one person share
    /// a writer.
    pub fn route(&self) -> Uuid {
        route_of(&self.row)
    }

    /// The name, if one is on record.
    pub fn name(&self) -> Result<Option<DisplayName>, Error> {
        let Some(sealed) = &self.row.name else { return Ok(None) };
        let bytes = self.key.open("subjects", "name", self.row.id.uuid(), sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::Internal("a stored name is not UTF-8".into()))?;
        DisplayName::parse(text).map_err(|_| Error::Internal("a stored name does not read".into()))
    }

    /// The custom fields, if some are on record.
    pub fn fields(&self) -> Result<Option<Value>, Error> {
        let Some(sealed) = &self.row.fields else { return Ok(None) };
        let bytes = self.key.open("subjects", "fields", self.row.id.uuid(), sealed)?;
        Ok(Some(serde_json::from_slice(&bytes)?))
    }

    /// Replaces the name on record.
    pub fn set_name(&self, tx: &mut WriteTx<'_>, name: &DisplayName) -> Result<(), Error> {
        let sealed = self.key.seal("subjects", "name", self.row.id.uuid(), name.as_str().as_bytes());
        Ok(tx.set_subject_details(self.scope, self.row.id, Some(&sealed), self.row.fields.as_deref())?)
    }

    /// Why the address is on the "never mail" list for a purpose, if it is.
    pub fn suppression(
        &self,
        tx: &mut ReadTx<'_>,
        keys: &ControllerKeys,
        purpose: PurposeId,
    ) -> Result<Option<SuppressionReason>, Error> {
        let candidates: Vec<Vec<u8>> = keys
            .suppression_candidates(Channel::Email.name(), &self.address.match_key())
            .iter()
            .map(|f| f.to_vec())
            .collect();
        Ok(reason_for(&tx.suppressions_among(self.scope, &candidates)?, purpose))
    }
}

/// See [`Person::route`].
pub fn route_of(row: &Subject) -> Uuid {
    route_of_key(&row.email_key)
}

/// The beginning of a fingerprint, where something has to be named by an id.
pub(super) fn route_of_key(email_key: &[u8]) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, of_key) in bytes.iter_mut().zip(email_key) {
        *byte = *of_key;
    }
    Uuid::from_bytes(bytes)
}

/// How, through what and with which words something came about.
#[derive(Debug, Clone)]
pub struct Occasion {
    /// When.
    pub now: Timestamp,
    /// By which way.
    pub method: Method,
    /// `kind:id` of the form, round, import or token.
    pub source: Option<String>,
    /// The wording shown.
    pub notice: Option<NoticeId>,
    /// The policy version shown.
    pub policy_version: Option<PolicyVersionId>,
    /// What proves it; sealed beside the event.
    pub evidence: Option<Value>,
}

impl Occasion {
    /// Something that happened without anything being shown.
    pub fn plain(now: Timestamp, method: Method, source: Option<String>) -> Self {
        Self { now, method, source, notice: None, policy_version: None, evidence: None }
    }
}

/// Applies one command to one person and purpose; see [`Docket`] for several. The person's row must be locked by this
/// transaction.
pub fn apply(
    tx: &mut WriteTx<'_>,
    ids: &dyn Ids,
    keys: &ControllerKeys,
    person: &Person,
    purpose: PurposeId,
    command: Command,
    occasion: &Occasion,
) -> Result<Decision, Error> {
    let mut docket = Docket::read(tx, [person])?;
    let decision = docket.apply(ids, keys, person, purpose, command, occasion)?;
    docket.write(tx)?;
    Ok(decision)
}

/// A consent row with nothing on it yet.
pub(super) fn blank(person: &Person, purpose: PurposeId, event: EventId, now: Timestamp) -> Consent {
    let mut consent = Consent {
        controller_id: person.scope.controller(),
        subject_id: person.row.id,
        purpose_id: purpose,
        state: Standing::NONE.state,
        fallback: Standing::NONE.fallback,
        request_until: None,
        basis_kind: None,
        basis_evidenced: false,
        basis_collected_at: None,
        basis_valid_until: None,
        valid_until: None,
        refresh_from: None,
        needs_refresh: false,
        asked_at: None,
        notice_id: None,
        policy_version_id: None,
        event_id: event,
        changed_at: now,
        unconfirmed_since: None,
    };
    consent.set_standing(&Standing::NONE, now);
    consent
}

/// An event with its evidence and salt sealed and its commitment made (TE-05).
pub(super) fn seal_event(
    ids: &dyn Ids,
    person: &Person,
    purpose: PurposeId,
    kind: EventKind,
    next: &Standing,
    occasion: &Occasion,
) -> StoredEvent {
    let id = EventId::from_uuid(ids.row());
    let evidence = occasion
        .evidence
        .as_ref()
        .map(|evidence| serde_json::to_vec(evidence).expect("a JSON value is written into memory"));
    let basis = match kind {
        EventKind::Given | EventKind::Renewed | EventKind::Reaffirmed => Some(BasisKind::Consent),
        _ => next.basis.map(|basis| basis.kind),
    };
    let valid_until = match kind {
        EventKind::Given | EventKind::Renewed => next.terms.map(|terms| terms.valid_until),
        EventKind::BasisRecorded => next.basis.and_then(|basis| basis.valid_until),
        EventKind::Requested => next.request_until,
        _ => None,
    };
    let event = ConsentEvent {
        id,
        controller: person.scope.controller(),
        subject: person.row.id,
        purpose,
        kind,
        at: occasion.now,
        method: occasion.method,
        source: occasion.source.clone(),
        notice: occasion.notice,
        policy_version: occasion.policy_version,
        basis,
        valid_until,
        evidence_sha256: evidence.as_deref().map(secret::sha256),
    };
    let mut salt = [0; 32];
    secret::fill_random(&mut salt);
    StoredEvent {
        controller_id: event.controller,
        id,
        subject_id: event.subject,
        purpose_id: event.purpose,
        kind,
        at: event.at,
        method: event.method,
        source: event.source.clone(),
        notice_id: event.notice,
        policy_version_id: event.policy_version,
        basis,
        valid_until,
        evidence_sha256: event.evidence_sha256.map(|digest| digest.to_vec()),
        evidence: evidence.map(|bytes| person.key.seal("consent_events", "evidence", id.uuid(), &bytes)),
        record_version: RECORD_VERSION,
        salt: person.key.seal("consent_events", "salt", id.uuid(), &salt),
        commitment: commitment::commit(&salt, &event.canonical()).to_vec(),
    }
}

/// An entry of the "never mail" list for an address.
pub(super) fn entry(
    keys: &ControllerKeys,
    scope: ControllerScope,
    address: &EmailAddress,
    purpose: PurposeId,
    reason: SuppressionReason,
    occasion: &Occasion,
) -> Suppression {
    let (key_version, fingerprint) = keys.suppression_fingerprint(Channel::Email.name(), &address.match_key());
    Suppression {
        controller_id: scope.controller(),
        fingerprint: fingerprint.to_vec(),
        purpose_id: purpose,
        key_version,
        channel: Channel::Email,
        reason,
        source: occasion.source.clone(),
        created_at: occasion.now,
        lifted_at: None,
    }
}
