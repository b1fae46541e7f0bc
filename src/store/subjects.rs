//! People, within one controller. Their details are sealed under a key of their own; they are found by a keyed
//! fingerprint.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable};

use crate::domain::gate::SubjectFlags;
use crate::domain::ids::{ControllerId, ControllerScope, SubjectId};
use crate::domain::time::Timestamp;

use super::among::among;
use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::dialect::{first_locked, load_locked};
use super::error::StoreError;
use super::schema::subjects;
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A person as stored: nothing here reads without the keys.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = subjects, treat_none_as_default_value = false)]
pub struct Subject {
    /// Whose.
    pub controller_id: ControllerId,
    /// Their id.
    pub id: SubjectId,
    /// Keyed fingerprint of the address.
    pub email_key: Vec<u8>,
    /// Version of the key that seals the person's own.
    pub key_version: i32,
    /// The person's key, sealed; empty once erased and gone from every destination.
    pub wrapped_key: Vec<u8>,
    /// The address, sealed.
    pub email: Vec<u8>,
    /// The name, sealed.
    pub name: Option<Vec<u8>>,
    /// Custom fields, sealed JSON.
    pub fields: Option<Vec<u8>>,
    /// Processing restricted (DR-10).
    pub restricted: bool,
    /// Hard bounced.
    pub undeliverable: bool,
    /// Erased when.
    pub erased_at: Option<Timestamp>,
    /// Known since.
    pub created_at: Timestamp,
}

bulk_row!(Subject => "subjects" {
    controller_id: Id,
    id: Id,
    email_key: Binary,
    key_version: Integer,
    wrapped_key: Binary,
    email: Binary,
    name: Nullable<Binary>,
    fields: Nullable<Binary>,
    restricted: Bool,
    undeliverable: Bool,
    erased_at: Nullable<BigInt>,
    created_at: BigInt,
});

impl Subject {
    /// What the gate wants to know.
    pub const fn flags(&self) -> SubjectFlags {
        SubjectFlags {
            erased: self.erased_at.is_some(),
            restricted: self.restricted,
            undeliverable: self.undeliverable,
        }
    }
}

impl ReadTx<'_> {
    /// The person with this id.
    pub fn subject(&mut self, scope: ControllerScope, id: SubjectId) -> Result<Subject, StoreError> {
        use subjects::dsl as t;
        Ok(on!(self.conn, c => t::subjects.find((scope.controller(), id)).select(Subject::as_select()).first(c))?)
    }

    /// These people, in the order of their ids.
    pub fn subjects_among(&mut self, scope: ControllerScope, ids: &[SubjectId]) -> Result<Vec<Subject>, StoreError> {
        use subjects::dsl as t;
        Ok(
            on!(self.conn, c => t::subjects.filter(t::controller_id.eq(scope.controller())).filter(t::id.eq_any(ids)).select(Subject::as_select()).order(t::id).load(c))?,
        )
    }

    /// These people, of any controllers.
    pub fn people_among(&mut self, wanted: &[(ControllerId, SubjectId)]) -> Result<Vec<Subject>, StoreError> {
        use subjects::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(
            on!(self.conn, c => t::subjects.filter(among(t::controller_id, t::id, wanted.iter().copied())).select(Subject::as_select()).load(c))?,
        )
    }

    /// The person with this address, if known.
    pub fn subject_by_fingerprint(
        &mut self,
        scope: ControllerScope,
        email_key: &[u8],
    ) -> Result<Option<Subject>, StoreError> {
        use subjects::dsl as t;
        Ok(
            on!(self.conn, c => t::subjects.filter(t::controller_id.eq(scope.controller())).filter(t::email_key.eq(email_key))
            .select(Subject::as_select()).first(c).optional())?,
        )
    }

    /// The people among these addresses that are known.
    pub fn subjects_by_fingerprints(
        &mut self,
        scope: ControllerScope,
        email_keys: &[Vec<u8>],
    ) -> Result<Vec<Subject>, StoreError> {
        use subjects::dsl as t;
        Ok(
            on!(self.conn, c => t::subjects.filter(t::controller_id.eq(scope.controller())).filter(t::email_key.eq_any(email_keys)).select(Subject::as_select()).load(c))?,
        )
    }

    /// Those of these addresses that are known.
    pub fn known_fingerprints(
        &mut self,
        scope: ControllerScope,
        email_keys: &[Vec<u8>],
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        use subjects::dsl as t;
        let wanted = email_keys.iter().map(|email_key| (scope.controller(), email_key.as_slice()));
        Ok(
            on!(self.conn, c => t::subjects.filter(among(t::controller_id, t::email_key, wanted)).select(t::email_key).load(c))?,
        )
    }
}

impl WriteTx<'_> {
    /// The person, locked until the commit.
    pub fn lock_subject(&mut self, scope: ControllerScope, id: SubjectId) -> Result<Subject, StoreError> {
        use subjects::dsl as t;
        Ok(first_locked!(&mut *self.conn, t::subjects.find((scope.controller(), id)).select(Subject::as_select()))?)
    }

    /// These people, of any controllers, locked until the commit, in the order of their ids.
    pub fn lock_people(&mut self, wanted: &[(ControllerId, SubjectId)]) -> Result<Vec<Subject>, StoreError> {
        use subjects::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(load_locked!(
            &mut *self.conn,
            t::subjects
                .filter(among(t::controller_id, t::id, wanted.iter().copied()))
                .order((t::controller_id, t::id))
                .select(Subject::as_select())
        )?)
    }

    /// Those of these addresses that are known, of any controllers, locked until the commit, in the order of their ids.
    pub fn lock_people_by_address(&mut self, wanted: &[(ControllerId, &[u8])]) -> Result<Vec<Subject>, StoreError> {
        use subjects::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(load_locked!(
            &mut *self.conn,
            t::subjects
                .filter(among(t::controller_id, t::email_key, wanted.iter().copied()))
                .order((t::controller_id, t::id))
                .select(Subject::as_select())
        )?)
    }

    /// The people among these addresses that are known, locked until the commit, in the order of their ids so that two
    /// lists do not wait for each other.
    pub fn lock_subjects_by_fingerprints(
        &mut self,
        scope: ControllerScope,
        email_keys: &[Vec<u8>],
    ) -> Result<Vec<Subject>, StoreError> {
        // Named by controller and address together: with the controller apart, SQLite may rather walk through all of its
        // people in the order wanted than look each address up and sort.
        let wanted: Vec<(ControllerId, &[u8])> =
            email_keys.iter().map(|email_key| (scope.controller(), email_key.as_slice())).collect();
        self.lock_people_by_address(&wanted)
    }

    /// Adds people; those whose address is known are left as they are.
    pub fn add_subjects(&mut self, people: &[Subject]) -> Result<(), StoreError> {
        match self.writing() {
            Conn::Sqlite(c) => {
                diesel::insert_into(subjects::table).values(people).on_conflict_do_nothing().execute(&mut **c)?
            }
            Conn::Postgres(c) => Bulk::default().insert(people, "ON CONFLICT DO NOTHING").execute(c)?,
        };
        Ok(())
    }

    /// Adds people who must not be known yet.
    pub(super) fn insert_people(&mut self, people: &[Subject]) -> Result<(), StoreError> {
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, people, "")?,
            Conn::Postgres(c) => drop(Bulk::default().insert(people, "").execute(c)?),
        }
        Ok(())
    }

    /// Replaces the sealed name and fields.
    pub fn set_subject_details(
        &mut self,
        scope: ControllerScope,
        id: SubjectId,
        name: Option<&[u8]>,
        fields: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        use subjects::dsl as t;
        on!(self.writing(), c => diesel::update(t::subjects.find((scope.controller(), id))).set((t::name.eq(name), t::fields.eq(fields))).execute(c))?;
        Ok(())
    }

    /// Marks the mailbox as dead or alive.
    pub fn set_undeliverable(
        &mut self,
        scope: ControllerScope,
        id: SubjectId,
        undeliverable: bool,
    ) -> Result<(), StoreError> {
        use subjects::dsl as t;
        on!(self.writing(), c => diesel::update(t::subjects.find((scope.controller(), id))).set(t::undeliverable.eq(undeliverable)).execute(c))?;
        Ok(())
    }

    /// Empties a person's row but for key and address, which are needed to take them off where they stand; nobody finds
    /// them by it any more, see [`Self::erase_subject`]. [`Self::forget_address`] destroys the rest.
    pub fn erase_subject_but_address(
        &mut self,
        scope: ControllerScope,
        id: SubjectId,
        mark: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use subjects::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::subjects.find((scope.controller(), id)))
            .set((t::email_key.eq(mark), t::name.eq(&nothing), t::fields.eq(&nothing), t::erased_at.eq(now))).execute(c))?;
        Ok(())
    }

    /// Destroys key and address of somebody who was erased.
    pub fn forget_address(&mut self, scope: ControllerScope, id: SubjectId) -> Result<(), StoreError> {
        use subjects::dsl as t;
        on!(self.writing(), c => diesel::update(t::subjects.find((scope.controller(), id)).filter(t::erased_at.is_not_null()))
            .set((t::wrapped_key.eq(Vec::<u8>::new()), t::email.eq(Vec::<u8>::new()))).execute(c))?;
        Ok(())
    }

    /// Empties a person's row: key and details are destroyed, the fingerprint becomes `mark`, so that the address can
    /// come back as somebody new (R-104, DR-06).
    pub fn erase_subject(
        &mut self,
        scope: ControllerScope,
        id: SubjectId,
        mark: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use subjects::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::subjects.find((scope.controller(), id))).set((
            t::email_key.eq(mark),
            t::wrapped_key.eq(Vec::<u8>::new()),
            t::email.eq(Vec::<u8>::new()),
            t::name.eq(&nothing),
            t::fields.eq(&nothing),
            t::erased_at.eq(now),
        )).execute(c))?;
        Ok(())
    }
}
