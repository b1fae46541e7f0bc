//! Addresses beside the one in force: a change that a new mailbox has yet to confirm, those that a person has left, and
//! under which a person may still stand on a list of a destination (DR-05). A stop told for a former address finds its
//! person by [`WriteTx::lock_people_told`]; nothing that starts anybody asks for it.

use std::collections::HashMap;

use diesel::prelude::*;

use crate::domain::address::ChangeOutcome;
use crate::domain::ids::{ControllerId, ControllerScope, LinkId, MailId, SubjectId};
use crate::domain::time::Timestamp;

use super::among::among;
use super::connection::on;
use super::error::StoreError;
use super::schema::{address_changes, destination_states, former_addresses};
use super::subjects::Subject;
use super::{ReadTx, WriteTx};

/// A change of address that was asked for.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = address_changes, treat_none_as_default_value = false)]
pub struct AddressChange {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id, which is that of the link that the new mailbox gets.
    pub id: LinkId,
    /// Of whom.
    pub subject_id: SubjectId,
    /// The mail that brings the link.
    pub mail_id: MailId,
    /// The new address, sealed under the person's key; empty once it is settled.
    pub email: Vec<u8>,
    /// Asked for when.
    pub created_at: Timestamp,
    /// Until when it can be confirmed.
    pub expires_at: Timestamp,
    /// Over since when.
    pub settled_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<ChangeOutcome>,
}

impl AddressChange {
    /// Whether the new mailbox can still decide.
    pub fn open_at(&self, now: Timestamp) -> bool {
        self.settled_at.is_none() && self.expires_at > now
    }
}

/// An address that a person has left.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = former_addresses, treat_none_as_default_value = false)]
pub struct FormerAddress {
    /// Whose.
    pub controller_id: ControllerId,
    /// Keyed fingerprint of it.
    pub email_key: Vec<u8>,
    /// Of whom.
    pub subject_id: SubjectId,
    /// The address, sealed under the person's key.
    pub email: Vec<u8>,
    /// When it was left.
    pub left_at: Timestamp,
}

/// Somebody whom word of an address reaches.
#[derive(Debug, Clone)]
pub struct Reached {
    /// Fingerprint of the address that the word was about.
    pub told: Vec<u8>,
    /// The person.
    pub row: Subject,
}

impl Reached {
    /// Whether the person has left the address.
    pub fn is_former(&self) -> bool {
        self.told != self.row.email_key
    }
}

/// Those of these people whom word of these addresses reaches.
fn reached(rows: Vec<Subject>, left: Vec<FormerAddress>, email_keys: &[Vec<u8>]) -> Vec<Reached> {
    let by_id: HashMap<SubjectId, &Subject> = rows.iter().map(|row| (row.id, row)).collect();
    let current = rows.iter().filter(|row| email_keys.contains(&row.email_key));
    let mut all: Vec<Reached> = current.map(|row| Reached { told: row.email_key.clone(), row: row.clone() }).collect();
    for former in left {
        if let Some(row) = by_id.get(&former.subject_id).filter(|row| row.erased_at.is_none()) {
            all.push(Reached { told: former.email_key, row: (*row).clone() });
        }
    }
    all
}

impl ReadTx<'_> {
    /// A change of address.
    pub fn address_change(&mut self, scope: ControllerScope, id: LinkId) -> Result<AddressChange, StoreError> {
        use address_changes::dsl as t;
        Ok(
            on!(self.conn, c => t::address_changes.find((scope.controller(), id)).select(AddressChange::as_select()).first(c))?,
        )
    }

    /// The changes of these people that nothing has settled.
    pub fn unsettled_changes(
        &mut self,
        people: &[(ControllerId, SubjectId)],
    ) -> Result<Vec<AddressChange>, StoreError> {
        use address_changes::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        Ok(
            on!(self.conn, c => t::address_changes.filter(among(t::controller_id, t::subject_id, people.iter().copied()))
            .filter(t::settled_at.is_null()).select(AddressChange::as_select()).load(c))?,
        )
    }

    /// The newest change of a person, however it ended.
    pub fn latest_change(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
    ) -> Result<Option<AddressChange>, StoreError> {
        use address_changes::dsl as t;
        Ok(
            on!(self.conn, c => t::address_changes.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .order((t::created_at.desc(), t::id)).select(AddressChange::as_select()).first(c).optional())?,
        )
    }

    /// The addresses that these people have left, the oldest first.
    pub fn former_addresses(&mut self, people: &[(ControllerId, SubjectId)]) -> Result<Vec<FormerAddress>, StoreError> {
        use former_addresses::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let mut left: Vec<FormerAddress> = on!(self.conn, c => t::former_addresses
            .filter(among(t::controller_id, t::subject_id, people.iter().copied())).select(FormerAddress::as_select()).load(c))?;
        left.sort_by(|a, b| (a.left_at, &a.email_key).cmp(&(b.left_at, &b.email_key)));
        Ok(left)
    }

    fn left_addresses(
        &mut self,
        scope: ControllerScope,
        email_keys: &[Vec<u8>],
    ) -> Result<Vec<FormerAddress>, StoreError> {
        use former_addresses::dsl as t;
        if email_keys.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = email_keys.iter().map(|email_key| (scope.controller(), email_key.as_slice()));
        Ok(on!(self.conn, c => t::former_addresses.filter(among(t::controller_id, t::email_key, wanted))
            .select(FormerAddress::as_select()).load(c))?)
    }

    /// Whom word of these addresses reaches: who is on record under one, and who has left one.
    pub fn people_told(&mut self, scope: ControllerScope, email_keys: &[Vec<u8>]) -> Result<Vec<Reached>, StoreError> {
        let left = self.left_addresses(scope, email_keys)?;
        let mut rows = self.subjects_by_fingerprints(scope, email_keys)?;
        let more: Vec<SubjectId> =
            left.iter().map(|one| one.subject_id).filter(|id| rows.iter().all(|row| row.id != *id)).collect();
        if !more.is_empty() {
            rows.extend(self.subjects_among(scope, &more)?);
        }
        Ok(reached(rows, left, email_keys))
    }
}

impl WriteTx<'_> {
    /// [`ReadTx::people_told`], each person locked until the commit, in the order of their ids.
    pub fn lock_people_told(
        &mut self,
        scope: ControllerScope,
        email_keys: &[Vec<u8>],
    ) -> Result<Vec<Reached>, StoreError> {
        let left = self.left_addresses(scope, email_keys)?;
        let rows = self.subjects_by_fingerprints(scope, email_keys)?;
        let known = rows.iter().map(|row| row.id).chain(left.iter().map(|one| one.subject_id));
        let mut wanted: Vec<(ControllerId, SubjectId)> = known.map(|id| (scope.controller(), id)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let rows = self.lock_people(&wanted)?;
        // Whoever moved between the look and the lock has left an address by now.
        let left = self.left_addresses(scope, email_keys)?;
        Ok(reached(rows, left, email_keys))
    }

    /// A new change of address.
    pub fn insert_address_change(&mut self, change: &AddressChange) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(address_changes::table).values(change).execute(c))?;
        Ok(())
    }

    /// Ends a change of address, if nothing has yet; the new address is forgotten with it.
    pub fn settle_address_change(
        &mut self,
        scope: ControllerScope,
        id: LinkId,
        outcome: ChangeOutcome,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use address_changes::dsl as t;
        on!(self.writing(), c => diesel::update(t::address_changes.find((scope.controller(), id)).filter(t::settled_at.is_null()))
            .set((t::settled_at.eq(now), t::outcome.eq(outcome), t::email.eq(Vec::<u8>::new()))).execute(c))?;
        Ok(())
    }

    /// Puts a person under another address, whose mailbox lives.
    pub fn set_address(
        &mut self,
        scope: ControllerScope,
        id: SubjectId,
        email_key: &[u8],
        email: &[u8],
    ) -> Result<(), StoreError> {
        use super::schema::subjects::dsl as t;
        on!(self.writing(), c => diesel::update(t::subjects.find((scope.controller(), id)))
            .set((t::email_key.eq(email_key), t::email.eq(email), t::undeliverable.eq(false))).execute(c))?;
        Ok(())
    }

    /// Notes an address that a person has left.
    pub fn leave_address(&mut self, former: &FormerAddress) -> Result<(), StoreError> {
        use former_addresses::dsl as t;
        on!(self.writing(), c => diesel::insert_into(t::former_addresses).values(former)
            .on_conflict((t::controller_id, t::email_key, t::subject_id)).do_update()
            .set((t::email.eq(&former.email), t::left_at.eq(former.left_at))).execute(c))?;
        Ok(())
    }

    /// A person is back at an address.
    pub fn return_to_address(
        &mut self,
        scope: ControllerScope,
        id: SubjectId,
        email_key: &[u8],
    ) -> Result<(), StoreError> {
        use former_addresses::dsl as t;
        on!(self.writing(), c => diesel::delete(t::former_addresses.find((scope.controller(), email_key, id))).execute(c))?;
        Ok(())
    }

    /// These addresses are somebody else's now, as their mailboxes have confirmed: what is told of them reaches nobody
    /// who has left them.
    pub fn forget_who_left(&mut self, addresses: &[(ControllerId, Vec<u8>)]) -> Result<(), StoreError> {
        use former_addresses::dsl as t;
        if addresses.is_empty() {
            return Ok(());
        }
        let taken = addresses.iter().map(|(controller, email_key)| (*controller, email_key.as_slice()));
        on!(self.writing(), c => diesel::delete(t::former_addresses.filter(among(t::controller_id, t::email_key, taken))).execute(c))?;
        Ok(())
    }

    /// Forgets all addresses of a person beside the one in force.
    pub fn forget_addresses(&mut self, scope: ControllerScope, subject: SubjectId) -> Result<(), StoreError> {
        on!(self.writing(), c => {
            use former_addresses::dsl as t;
            diesel::delete(t::former_addresses.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))).execute(c)
        })?;
        on!(self.writing(), c => {
            use address_changes::dsl as t;
            diesel::delete(t::address_changes.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))).execute(c)
        })?;
        Ok(())
    }

    /// Notes under which other addresses a person may stand on a list.
    pub fn set_stands_as(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        list_id: &str,
        stands_as: &[u8],
    ) -> Result<(), StoreError> {
        use destination_states::dsl as t;
        on!(self.writing(), c => diesel::update(t::destination_states.find((scope.controller(), subject, list_id)))
            .set(t::stands_as.eq(stands_as)).execute(c))?;
        Ok(())
    }

    /// The person stands on a list under no other address any more, unless more were noted since `known` was read.
    pub fn clear_stands_as(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        list_id: &str,
        known: &[u8],
    ) -> Result<(), StoreError> {
        use destination_states::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::destination_states.find((scope.controller(), subject, list_id)).filter(t::stands_as.eq(known)))
            .set(t::stands_as.eq(&nothing)).execute(c))?;
        Ok(())
    }
}
