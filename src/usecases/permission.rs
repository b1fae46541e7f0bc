//! The send gate with what is on record. One judgement for all who ask: the dry run and the freezing of a round, which
//! look at many people at once, and the hand-over of a single mail (RP-01, RP-05). What may be mailed is decided in
//! `domain::gate`; here stands how several purposes in one mail go together.

use crate::crypto::ControllerKeys;
use crate::domain::consent::{ConsentState, Standing};
use crate::domain::email::EmailAddress;
use crate::domain::gate::{GateInput, MailKind, Reason, SubjectFlags, gate};
use crate::domain::ids::PurposeId;
use crate::domain::purpose::{Channel, Purpose, PurposeKind};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::ReadTx;
use crate::store::consents::Consent;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression, reason_for};

use super::record::Person;
use super::{Error, Rules};

/// What the gate looks at, as read from the store.
#[derive(Debug, Clone, Copy)]
pub struct OnRecord<'a> {
    /// The person's flags.
    pub flags: SubjectFlags,
    /// Where the person stands, by purpose.
    pub consents: &'a [Consent],
    /// Entries of the "never mail" list under the person's address.
    pub suppressions: &'a [Suppression],
}

/// The purposes that this person may be mailed about now, of those the mail is about; or the reason of the first.
///
/// In a re-permission mail the marketing purposes decide. A tracking purpose is never a ground for a mail by itself: it
/// is asked along with one that is (TR-01). In a confirmation mail each purpose was requested, and counts for itself.
pub fn judge(
    kind: MailKind,
    purposes: &[Purpose],
    record: &OnRecord<'_>,
    now: Timestamp,
    rules: &Rules,
) -> Result<Vec<PurposeId>, Reason> {
    let mut first = None;
    let mut passed = Vec::with_capacity(purposes.len());
    for purpose in purposes.iter().filter(|purpose| decides(kind, purpose)) {
        let consent = record.consents.iter().find(|consent| consent.purpose_id == purpose.id);
        let standing = consent.map_or(Standing::NONE, Consent::standing);
        let asked_at = consent.and_then(|consent| consent.asked_at);
        let input = GateInput {
            standing: &standing,
            flags: record.flags,
            suppression: match kind {
                MailKind::AddressChange => covers_everything(record.suppressions),
                MailKind::Confirmation | MailKind::Repermission => reason_for(record.suppressions, purpose.id),
            },
            mail_corporate: purpose.mail_corporate,
            asked_recently: asked_at.is_some_and(|at| at.plus(rules.ask_cooldown) > now),
        };
        match gate(kind, &input, now) {
            Ok(()) => passed.push(purpose.id),
            Err(reason) => {
                first.get_or_insert(reason);
            }
        }
    }
    if passed.is_empty() {
        // A mail about nothing that could be asked is not sent: deny by default.
        return Err(first.unwrap_or(Reason::NoEvidence));
    }
    let asked = purposes.iter().map(|purpose| (purpose.id, !decides(kind, purpose) && rides_along(purpose, record)));
    Ok(asked.filter(|(id, along)| *along || passed.contains(id)).map(|(id, _)| id).collect())
}

/// Whether the purpose is a ground for this kind of mail.
fn decides(kind: MailKind, purpose: &Purpose) -> bool {
    match kind {
        MailKind::Confirmation | MailKind::AddressChange => true,
        MailKind::Repermission => purpose.kind == PurposeKind::Marketing,
    }
}

/// Whether a purpose that is no ground for a mail may be asked in one that has a ground: the person has not said no to
/// it, and a yes would still mean something.
fn rides_along(purpose: &Purpose, record: &OnRecord<'_>) -> bool {
    let consent = record.consents.iter().find(|consent| consent.purpose_id == purpose.id);
    let standing = consent.map_or(Standing::NONE, Consent::standing);
    !standing.is_never()
        && standing.state != ConsentState::Terminated
        && reason_for(record.suppressions, purpose.id).is_none()
}

/// [`judge`] for one person, with what is on record in this transaction. At hand-over the purposes are those that the
/// mail was queued for, so that their number can only shrink.
pub fn permitted(
    tx: &mut ReadTx<'_>,
    keys: &ControllerKeys,
    person: &Person,
    kind: MailKind,
    purposes: &[Purpose],
    now: Timestamp,
    rules: &Rules,
) -> Result<Result<Vec<PurposeId>, Reason>, Error> {
    let ids: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
    let consents = tx.consents_among(person.scope, &[person.row.id], &ids)?;
    let suppressions = tx.suppressions_among(person.scope, &fingerprints(keys, person))?;
    let record = OnRecord { flags: person.row.flags(), consents: &consents, suppressions: &suppressions };
    Ok(judge(kind, purposes, &record, now, rules))
}

/// Whether a new mailbox may be asked whether it is the person's, as of this transaction.
pub fn may_ask_address(
    tx: &mut ReadTx<'_>,
    keys: &ControllerKeys,
    person: &Person,
    address: &EmailAddress,
    now: Timestamp,
    rules: &Rules,
) -> Result<Result<(), Reason>, Error> {
    let own = tx.suppressions_among(person.scope, &fingerprints(keys, person))?;
    let new = tx.suppressions_among(person.scope, &fingerprints_of(keys, address))?;
    let suppressions = on_either(own, new);
    let record = OnRecord { flags: person.row.flags(), consents: &[], suppressions: &suppressions };
    // The gate looks at no purpose of its own here; any one stands for them all.
    let purposes: Vec<Purpose> = tx.purposes(person.scope)?.into_iter().take(1).collect();
    Ok(judge(MailKind::AddressChange, &purposes, &record, now, rules).map(|_| ()))
}

/// What the "never mail" list holds against a change of address: what is there for the new one, and for the one in force
/// but for what says something of that mailbox alone.
pub(super) fn on_either(own: Vec<Suppression>, new: Vec<Suppression>) -> Vec<Suppression> {
    own.into_iter().filter(|entry| !entry.reason.is_about_mailbox()).chain(new).collect()
}

/// Why nothing at all may be mailed to an address: an entry for every purpose, none of which the person has taken off the
/// list again, or one that no sign-up of theirs would lift.
fn covers_everything(entries: &[Suppression]) -> Option<SuppressionReason> {
    let freed = |all: &Suppression| {
        entries.iter().any(|own| own.fingerprint == all.fingerprint && own.lifted_at >= Some(all.created_at))
    };
    let covers = |entry: &&Suppression| {
        let for_all = entry.purpose_id == EVERY_PURPOSE && !freed(entry);
        entry.lifted_at.is_none() && (for_all || !entry.reason.lifted_by_fresh_opt_in())
    };
    entries.iter().find(covers).map(|entry| entry.reason)
}

/// Every fingerprint under which the person's address may be on the "never mail" list.
pub(super) fn fingerprints(keys: &ControllerKeys, person: &Person) -> Vec<Vec<u8>> {
    fingerprints_of(keys, &person.address)
}

/// Every fingerprint under which an address may be on the "never mail" list.
pub(super) fn fingerprints_of(keys: &ControllerKeys, address: &EmailAddress) -> Vec<Vec<u8>> {
    let candidates = keys.suppression_candidates(Channel::Email.name(), &address.match_key());
    candidates.iter().map(|fingerprint| fingerprint.to_vec()).collect()
}
