//! The person moves: the address, what is kept of the one left, the "never mail" list, mails that were written for the
//! mailbox left, the history, and the destinations, all in the caller's transaction with the person locked.

use serde_json::{Value, json};

use crate::crypto::ControllerKeys;
use crate::domain::campaign::MemberStatus;
use crate::domain::clock::Ids;
use crate::domain::consent::Standing;
use crate::domain::email::EmailAddress;
use crate::domain::event::{EventKind, Method};
use crate::domain::gate::Reason;
use crate::domain::ids::MailId;
use crate::domain::purpose::Channel;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::addresses::FormerAddress;
use crate::store::destinations::DestinationState;
use crate::store::links::Link;
use crate::store::outbox::{Reference, Task};
use crate::store::suppressions::{EVERY_PURPOSE, Suppression, reason_for};

use super::super::Error;
use super::super::record::{Occasion, Person, entry, route_of_key, seal_event};
use super::super::sync::SYNC_LANE;
use super::{seal_stands_as, stands_as};

/// With what it is done.
pub(super) struct House<'a> {
    pub ids: &'a dyn Ids,
    pub keys: &'a ControllerKeys,
    pub now: Timestamp,
}

/// Puts the person under the new address, and sees to all that follows.
pub(super) fn relocate(
    tx: &mut WriteTx<'_>,
    house: &House<'_>,
    person: &Person,
    address: &EmailAddress,
    link: &Link,
    evidence: &Value,
) -> Result<(), Error> {
    let (scope, id, now) = (person.scope, person.row.id, house.now);
    let email_key = house.keys.email_fingerprint(&address.match_key());
    carry_stops_over(tx, house, person, address)?;
    let left = person.address.as_sent();
    tx.leave_address(&FormerAddress {
        controller_id: scope.controller(),
        email_key: person.row.email_key.clone(),
        subject_id: id,
        email: person.key.seal("former_addresses", "email", route_of_key(&person.row.email_key), left.as_bytes()),
        left_at: now,
    })?;
    tx.return_to_address(scope, id, &email_key)?;
    let sealed = person.key.seal("subjects", "email", id.uuid(), address.as_sent().as_bytes());
    tx.set_address(scope, id, &email_key, &sealed)?;
    // Nobody who had left this address before is reached by it any more: its mailbox has spoken.
    tx.forget_who_left(&[(scope.controller(), email_key.to_vec())])?;
    note_where_they_stand(tx, person, address)?;
    end_written_mails(tx, person, now)?;
    record(tx, house, person, address, link, evidence)?;
    Ok(tx.enqueue(&[Task::new(scope, TaskKind::Sync, id.uuid(), SYNC_LANE, now, now)])?)
}

/// What the person stopped under the old address stays stopped under the new one. What says something of the old mailbox
/// alone stays with that; and what is on the list for the new address counts as it is.
fn carry_stops_over(
    tx: &mut WriteTx<'_>,
    house: &House<'_>,
    person: &Person,
    address: &EmailAddress,
) -> Result<(), Error> {
    let mut entries_of = |address: &EmailAddress| -> Result<Vec<Suppression>, Error> {
        let marks = house.keys.suppression_candidates(Channel::Email.name(), &address.match_key());
        let marks: Vec<Vec<u8>> = marks.iter().map(|mark| mark.to_vec()).collect();
        Ok(tx.suppressions_among(person.scope, &marks)?)
    };
    let (old, new) = (entries_of(&person.address)?, entries_of(address)?);
    let old: Vec<Suppression> = old.into_iter().filter(|entry| !entry.reason.is_about_mailbox()).collect();
    let purposes = tx.purposes(person.scope)?;
    let occasion = Occasion::plain(house.now, Method::AddressLink, None);
    let mut carried = Vec::new();
    let everything = reason_for(&old, EVERY_PURPOSE);
    for purpose in std::iter::once(EVERY_PURPOSE).chain(purposes.iter().map(|purpose| purpose.id)) {
        let (before, there) = (reason_for(&old, purpose), reason_for(&new, purpose));
        let carry = |reason| entry(house.keys, person.scope, address, purpose, reason, &occasion);
        match (before, there) {
            (Some(reason), None) => carried.push(carry(reason)),
            // The person took this purpose off the list again, and is to find it so.
            (None, None) if purpose != EVERY_PURPOSE && everything.is_some() => {
                let reason = everything.unwrap_or(crate::domain::suppression::SuppressionReason::Withdrawn);
                carried.push(Suppression { lifted_at: Some(house.now), ..carry(reason) });
            }
            _ => {}
        }
    }
    Ok(tx.suppress(&carried)?)
}

/// Wherever the person is, or may be, on a list, they are under the address they leave.
fn note_where_they_stand(tx: &mut WriteTx<'_>, person: &Person, address: &EmailAddress) -> Result<(), Error> {
    for state in tx.destination_states(person.scope, person.row.id)?.iter().filter(|state| state.is_open()) {
        let mut others = stands_as(person, state)?;
        others.push(person.address.as_sent());
        let mut known = std::collections::HashSet::from([address.match_key()]);
        others.retain(|other| EmailAddress::parse(other).map_or(true, |other| known.insert(other.match_key())));
        let DestinationState { list_id, .. } = state;
        tx.set_stands_as(person.scope, person.row.id, list_id, &seal_stands_as(person, list_id, &others)?)?;
    }
    Ok(())
}

/// Mails whose bytes are for the mailbox left are over; what is only queued is written for the new one.
fn end_written_mails(tx: &mut WriteTx<'_>, person: &Person, now: Timestamp) -> Result<(), Error> {
    let written = tx.written_mails(person.scope, person.row.id)?;
    let mails: Vec<(_, MailId)> = written.iter().map(|mail| (mail.controller_id, mail.id)).collect();
    tx.cancel_mails(&mails, Reason::AddressLeft, now)?;
    let tasks: Vec<_> = mails.iter().map(|(c, mail)| (*c, Reference::from_uuid(mail.uuid()))).collect();
    tx.drop_tasks(TaskKind::Mail, &tasks)?;
    for campaign in written.iter().filter_map(|mail| mail.campaign_id) {
        let (status, reason) = (MemberStatus::Excluded, Some(Reason::AddressLeft));
        tx.set_member_status(person.scope, campaign, person.row.id, status, reason)?;
    }
    Ok(())
}

/// A fact in the history of each purpose that something is on record about. It is the newest event of each, so that
/// whoever plans for the person at a destination plans anew.
fn record(
    tx: &mut WriteTx<'_>,
    house: &House<'_>,
    person: &Person,
    address: &EmailAddress,
    link: &Link,
    evidence: &Value,
) -> Result<(), Error> {
    let mut evidence = evidence.clone();
    if let Some(object) = evidence.as_object_mut() {
        object.insert("from".to_owned(), json!(person.address.as_sent()));
        object.insert("to".to_owned(), json!(address.as_sent()));
    }
    let mut occasion = Occasion::plain(house.now, Method::AddressLink, Some(format!("link:{}", link.id)));
    occasion.notice = link.notice_id;
    occasion.evidence = Some(evidence);
    let mut consents = tx.consents_of(person.scope, person.row.id)?;
    let mut events = Vec::with_capacity(consents.len());
    for consent in &mut consents {
        let kind = EventKind::AddressChanged;
        let event = seal_event(house.ids, person, consent.purpose_id, kind, &Standing::NONE, &occasion);
        consent.event_id = event.id;
        events.push(event);
    }
    tx.append_events(&events)?;
    Ok(tx.save_consents(&consents)?)
}
