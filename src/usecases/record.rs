//! The one way a consent changes: ask the rules, write where the person now stands, append the event with its sealed
//! evidence and its commitment, and see to what must follow. All in the caller's transaction.

use serde_json::Value;

use crate::crypto::{ControllerKeys, SubjectKey, commitment, secret};
use crate::domain::basis::BasisKind;
use crate::domain::campaign::MemberStatus;
use crate::domain::clock::Ids;
use crate::domain::consent::{Command, Decision, Effect, Standing, decide};
use crate::domain::email::EmailAddress;
use crate::domain::event::{ConsentEvent, EventKind, Method, RECORD_VERSION};
use crate::domain::gate::Reason;
use crate::domain::ids::{ControllerScope, EventId, NoticeId, PolicyVersionId, PurposeId};
use crate::domain::mailing::MailState;
use crate::domain::name::DisplayName;
use crate::domain::purpose::Channel;
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::consents::{Consent, StoredEvent};
use crate::store::outbox::Task;
use crate::store::subjects::Subject;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression, reason_for};
use crate::store::{ReadTx, WriteTx};

use super::Error;

/// The lane of work for destinations.
const SYNC_LANE: i16 = 1;

/// A person on record, opened: their row, their key, their address.
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

    /// A row for somebody new.
    pub fn new_row(
        scope: ControllerScope,
        keys: &ControllerKeys,
        ids: &dyn Ids,
        address: &EmailAddress,
        name: Option<&DisplayName>,
        fields: Option<&Value>,
        now: Timestamp,
    ) -> Subject {
        let id = crate::domain::ids::SubjectId::from_uuid(ids.row());
        let (key, key_version, wrapped_key) = keys.new_subject_key(id.uuid());
        Subject {
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
        }
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

    /// Replaces the name.
    pub fn set_name(&mut self, tx: &mut WriteTx<'_>, name: &DisplayName) -> Result<(), Error> {
        let sealed = self.key.seal("subjects", "name", self.row.id.uuid(), name.as_str().as_bytes());
        tx.set_subject_details(self.scope, self.row.id, Some(&sealed), self.row.fields.as_deref())?;
        self.row.name = Some(sealed);
        Ok(())
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

/// Applies a command to a person and a purpose. The person's row must be locked by this transaction.
pub fn apply(
    tx: &mut WriteTx<'_>,
    ids: &dyn Ids,
    keys: &ControllerKeys,
    person: &Person,
    purpose: PurposeId,
    command: Command,
    occasion: &Occasion,
) -> Result<Decision, Error> {
    let stored = tx.lock_consent(person.scope, person.row.id, purpose)?;
    let standing = stored.as_ref().map_or(Standing::NONE, Consent::standing);
    let decision = decide(&standing, command, occasion.now)?;
    if decision.event.is_some() || decision.next != standing {
        let event_id = match decision.event {
            Some(kind) => {
                let event = seal_event(ids, person, purpose, kind, &decision.next, occasion);
                let id = event.id;
                tx.append_events(&[event])?;
                id
            }
            None => stored.as_ref().map_or_else(|| EventId::from_uuid(ids.row()), |consent| consent.event_id),
        };
        tx.save_consent(&changed(stored, person, purpose, &decision, event_id, occasion))?;
    }
    for effect in decision.effects {
        carry_out(tx, keys, person, purpose, *effect, occasion)?;
    }
    Ok(decision)
}

/// The row after a decision.
pub(super) fn changed(
    stored: Option<Consent>,
    person: &Person,
    purpose: PurposeId,
    decision: &Decision,
    event: EventId,
    occasion: &Occasion,
) -> Consent {
    let mut consent = stored.unwrap_or_else(|| blank(person, purpose, event, occasion.now));
    consent.set_standing(&decision.next);
    consent.event_id = event;
    consent.changed_at = occasion.now;
    consent.notice_id = occasion.notice.or(consent.notice_id);
    consent.policy_version_id = occasion.policy_version.or(consent.policy_version_id);
    consent
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
    };
    consent.set_standing(&Standing::NONE);
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
    let evidence = occasion.evidence.as_ref().map(|evidence| evidence.to_string().into_bytes());
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

pub(super) fn carry_out(
    tx: &mut WriteTx<'_>,
    keys: &ControllerKeys,
    person: &Person,
    purpose: PurposeId,
    effect: Effect,
    occasion: &Occasion,
) -> Result<(), Error> {
    match effect {
        // One mail may confirm several purposes: whoever applies the commands writes it.
        Effect::MailConfirmation => Ok(()),
        Effect::Sync => Ok(tx.enqueue(&[Task::new(
            person.scope,
            TaskKind::Sync,
            person.row.id.uuid(),
            SYNC_LANE,
            occasion.now,
            occasion.now,
        )])?),
        Effect::CancelMail => cancel_mails(tx, person, purpose, occasion.now),
        Effect::Suppress(reason) => suppress(tx, keys, person, purpose, reason, occasion),
        Effect::SuppressAll(reason) => suppress(tx, keys, person, EVERY_PURPOSE, reason, occasion),
        Effect::LiftSuppression => lift(tx, keys, person, purpose, occasion.now),
    }
}

/// Ends what is queued about this purpose alone; a mail about several is left to the gate, which asks about the rest.
fn cancel_mails(tx: &mut WriteTx<'_>, person: &Person, purpose: PurposeId, now: Timestamp) -> Result<(), Error> {
    for mail in tx.mails_of(person.scope, person.row.id, 50)? {
        let waiting = match mail.state {
            MailState::Queued | MailState::Claimed | MailState::Deferred => true,
            // What may have been sent is settled by who sends it.
            MailState::HandingOver | MailState::Uncertain => false,
            MailState::Accepted | MailState::Bounced | MailState::Parked | MailState::Cancelled => false,
        };
        if waiting && mail.purposes()? == [purpose] {
            tx.cancel_mail(person.scope, mail.id, Reason::OptedOut, now)?;
            tx.drop_task(person.scope, TaskKind::Mail, mail.id.uuid())?;
            if let Some(campaign) = mail.campaign_id {
                tx.set_member_status(
                    person.scope,
                    campaign,
                    person.row.id,
                    MemberStatus::Excluded,
                    Some(Reason::OptedOut),
                )?;
            }
        }
    }
    Ok(())
}

fn suppress(
    tx: &mut WriteTx<'_>,
    keys: &ControllerKeys,
    person: &Person,
    purpose: PurposeId,
    reason: SuppressionReason,
    occasion: &Occasion,
) -> Result<(), Error> {
    // What no sign-up lifts is not made liftable by a later, weaker reason.
    let held = person.suppression(tx, keys, purpose)?;
    if !(held.is_some_and(|held| !held.lifted_by_fresh_opt_in()) && reason.lifted_by_fresh_opt_in()) {
        tx.suppress(&[entry(keys, person.scope, &person.address, purpose, reason, occasion)])?;
    }
    if reason == SuppressionReason::HardBounce {
        tx.set_undeliverable(person.scope, person.row.id, true)?;
    }
    Ok(())
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

/// A fresh confirmed opt-in takes this purpose off the list, and shows that the mailbox lives (RP-04, SU-06).
fn lift(
    tx: &mut WriteTx<'_>,
    keys: &ControllerKeys,
    person: &Person,
    purpose: PurposeId,
    now: Timestamp,
) -> Result<(), Error> {
    if let Some(reason) = person.suppression(tx, keys, purpose)?
        && reason.lifted_by_fresh_opt_in()
    {
        let occasion = Occasion::plain(now, Method::ConfirmLink, None);
        let mut mark = entry(keys, person.scope, &person.address, purpose, reason, &occasion);
        mark.lifted_at = Some(now);
        tx.lift_suppression(&mark)?;
    }
    if person.row.undeliverable {
        tx.set_undeliverable(person.scope, person.row.id, false)?;
    }
    Ok(())
}
