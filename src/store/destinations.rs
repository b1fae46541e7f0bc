//! Where confirmed subscribers are kept in step, which list belongs to which purpose, and what we last brought about
//! there. A webhook's secret finds the controller.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};
use diesel::upsert::excluded;

use crate::domain::destination::OnExpiry;
use crate::domain::ids::{ConnectionId, ControllerId, ControllerScope, DestinationId, EventId, PurposeId, SubjectId};
use crate::domain::time::Timestamp;

use super::among::among;
use super::bulk::{Bulk, bulk_row};
use super::connection::{Conn, on};
use super::dialect::load_locked;
use super::error::StoreError;
use super::schema::{destination_lists, destination_states, destinations};
use super::types::Id;
use super::{ReadTx, WriteTx};

/// Rows in one statement on SQLite.
const ROWS: usize = 500;

/// A destination.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = destinations, treat_none_as_default_value = false)]
pub struct Destination {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: DestinationId,
    /// Where its API is.
    pub base_url: String,
    /// The client there.
    pub client_id: String,
    /// IANA zone of that client.
    pub time_zone: String,
    /// Custom fields there beside the proof, as JSON.
    pub fields: String,
    /// What becomes of a person there whose consent has run to its end.
    pub on_expiry: OnExpiry,
    /// Version of the key that seals the secrets.
    pub key_version: i32,
    /// API key, sealed; none when it is spoken to by a connection.
    pub credentials: Option<Vec<u8>>,
    /// The connection by which it is spoken to, in place of an API key.
    pub connection_id: Option<ConnectionId>,
    /// Since when its API key is in use.
    pub keyed_at: Timestamp,
    /// SHA-256 of the webhook's secret.
    pub webhook_hash: Vec<u8>,
    /// The webhook's secret, sealed, to show it again to who may see it.
    pub webhook_secret: Vec<u8>,
    /// Since when.
    pub created_at: Timestamp,
}

impl Destination {
    /// The client, by where its API is and its id there.
    pub fn client(&self) -> (&str, &str) {
        (&self.base_url, &self.client_id)
    }
}

/// A list that a purpose is kept on. A list may serve several purposes, and a purpose be kept on several lists; a list
/// is at one destination.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = destination_lists, treat_none_as_default_value = false)]
pub struct DestinationList {
    /// Whose.
    pub controller_id: ControllerId,
    /// The purpose.
    pub purpose_id: PurposeId,
    /// The destination.
    pub destination_id: DestinationId,
    /// The list there.
    pub list_id: String,
    /// Confirmed people up to here have been asked to be brought there; none: all of them.
    pub walked: Option<SubjectId>,
    /// When a custom field was last made there; what was written before lacks it.
    pub fields_at: Option<Timestamp>,
}

/// What we last brought about for one person on one list.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = destination_states, treat_none_as_default_value = false)]
pub struct DestinationState {
    /// Whose.
    pub controller_id: ControllerId,
    /// Of whom.
    pub subject_id: SubjectId,
    /// On which list.
    pub list_id: String,
    /// Active there, or about to be.
    pub active: bool,
    /// Moved by us to the provider's *deleted*, or about to be: that is no word of the person, a stop in other words is.
    pub set_aside: bool,
    /// Up to which event it is in step.
    pub event_id: EventId,
    /// Since when.
    pub synced_at: Timestamp,
    /// A fingerprint of the row that was written there, under the person's key; none: not known.
    pub row_mark: Option<Vec<u8>>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// Other addresses under which the person may stand there since the address changed, sealed. Written by
    /// [`WriteTx::set_stands_as`] alone: whoever saves a state by an older plan leaves it as it is.
    #[diesel(skip_insertion)]
    pub stands_as: Option<Vec<u8>>,
}

impl DestinationState {
    /// Whether the person is there, or may be.
    pub fn is_open(&self) -> bool {
        self.active || self.last_error.is_some() || self.stands_as.is_some()
    }
}

bulk_row!(DestinationState => "destination_states" {
    controller_id: Id,
    subject_id: Id,
    list_id: Text,
    active: Bool,
    set_aside: Bool,
    event_id: Id,
    synced_at: BigInt,
    row_mark: Nullable<Binary>,
    last_error: Nullable<Text>,
});

/// What stands now takes the place of what stood.
const INSTEAD: &str = "ON CONFLICT (controller_id, subject_id, list_id) DO UPDATE SET active = excluded.active, \
     set_aside = excluded.set_aside, event_id = excluded.event_id, synced_at = excluded.synced_at, row_mark = excluded.row_mark, \
     last_error = excluded.last_error";

impl ReadTx<'_> {
    /// A controller's destinations; at most 100.
    pub fn destinations(&mut self, scope: ControllerScope) -> Result<Vec<Destination>, StoreError> {
        use destinations::dsl as t;
        Ok(
            on!(self.conn, c => t::destinations.filter(t::controller_id.eq(scope.controller())).select(Destination::as_select()).order(t::id).limit(100).load(c))?,
        )
    }

    /// One destination.
    pub fn destination(&mut self, scope: ControllerScope, id: DestinationId) -> Result<Destination, StoreError> {
        use destinations::dsl as t;
        Ok(
            on!(self.conn, c => t::destinations.find((scope.controller(), id)).select(Destination::as_select()).first(c))?,
        )
    }

    /// Finds a destination, and with it the controller, by the hash of its webhook's secret.
    pub fn destination_by_webhook(&mut self, webhook_hash: &[u8]) -> Result<Destination, StoreError> {
        use destinations::dsl as t;
        Ok(
            on!(self.conn, c => t::destinations.filter(t::webhook_hash.eq(webhook_hash)).select(Destination::as_select()).first(c))?,
        )
    }

    /// Which lists the controller's purposes are kept on.
    pub fn destination_lists(&mut self, scope: ControllerScope) -> Result<Vec<DestinationList>, StoreError> {
        use destination_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::destination_lists.filter(t::controller_id.eq(scope.controller())).select(DestinationList::as_select()).order((t::purpose_id, t::list_id)).load(c))?,
        )
    }

    /// What we last brought about for a person.
    pub fn destination_states(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
    ) -> Result<Vec<DestinationState>, StoreError> {
        use destination_states::dsl as t;
        Ok(
            on!(self.conn, c => t::destination_states.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .select(DestinationState::as_select()).order(t::list_id).load(c))?,
        )
    }
}

impl ReadTx<'_> {
    /// What we last brought about for these people, on all lists.
    pub fn destination_states_among(
        &mut self,
        scope: ControllerScope,
        subjects: &[SubjectId],
    ) -> Result<Vec<DestinationState>, StoreError> {
        use destination_states::dsl as t;
        Ok(on!(self.conn, c => t::destination_states.filter(t::controller_id.eq(scope.controller()))
            .filter(t::subject_id.eq_any(subjects)).select(DestinationState::as_select()).load(c))?)
    }

    /// What we last brought about for these people on one list.
    pub fn destination_states_on(
        &mut self,
        scope: ControllerScope,
        subjects: &[SubjectId],
        list_id: &str,
    ) -> Result<Vec<DestinationState>, StoreError> {
        use destination_states::dsl as t;
        Ok(
            on!(self.conn, c => t::destination_states.filter(t::controller_id.eq(scope.controller())).filter(t::list_id.eq(list_id))
            .filter(t::subject_id.eq_any(subjects)).select(DestinationState::as_select()).load(c))?,
        )
    }
}

impl ReadTx<'_> {
    /// Those of these people who are on record as active on any list.
    pub fn people_on_lists(
        &mut self,
        scope: ControllerScope,
        people: &[SubjectId],
    ) -> Result<Vec<SubjectId>, StoreError> {
        use destination_states::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = people.iter().map(|person| (scope.controller(), *person));
        Ok(
            on!(self.conn, c => t::destination_states.filter(among(t::controller_id, t::subject_id, wanted)).filter(t::active.eq(true))
            .select(t::subject_id).distinct().order(t::subject_id).load(c))?,
        )
    }
}

impl WriteTx<'_> {
    /// A new destination.
    pub fn insert_destination(&mut self, destination: &Destination) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(destinations::table).values(destination).execute(c))?;
        Ok(())
    }

    /// Replaces the custom fields that are written beside the proof.
    pub fn set_destination_fields(
        &mut self,
        scope: ControllerScope,
        id: DestinationId,
        fields: &str,
    ) -> Result<(), StoreError> {
        use destinations::dsl as t;
        on!(self.writing(), c => diesel::update(t::destinations.find((scope.controller(), id))).set(t::fields.eq(fields)).execute(c))?;
        Ok(())
    }

    /// Says what becomes of people there whose consent has run to its end.
    pub fn set_on_expiry(
        &mut self,
        scope: ControllerScope,
        id: DestinationId,
        on_expiry: OnExpiry,
    ) -> Result<(), StoreError> {
        use destinations::dsl as t;
        on!(self.writing(), c => diesel::update(t::destinations.find((scope.controller(), id))).set(t::on_expiry.eq(on_expiry)).execute(c))?;
        Ok(())
    }

    /// Has a destination spoken to with the API key that it is given here, whatever it was spoken to with before.
    pub fn save_api_key(&mut self, destination: &Destination) -> Result<(), StoreError> {
        use destinations::dsl as t;
        on!(self.writing(), c => diesel::update(t::destinations.find((destination.controller_id, destination.id))).set((
            t::key_version.eq(destination.key_version),
            t::credentials.eq(&destination.credentials),
            t::connection_id.eq(destination.connection_id),
            t::keyed_at.eq(destination.keyed_at),
            t::webhook_secret.eq(&destination.webhook_secret),
        )).execute(c))?;
        Ok(())
    }

    /// Keeps a purpose on a list, from now on that of this destination.
    pub fn set_destination_list(&mut self, list: &DestinationList) -> Result<(), StoreError> {
        use destination_lists::dsl as t;
        on!(self.writing(), c => diesel::insert_into(t::destination_lists).values(list).on_conflict((t::controller_id, t::purpose_id, t::list_id)).do_update()
            .set((t::destination_id.eq(list.destination_id), t::walked.eq(list.walked), t::fields_at.eq(list.fields_at))).execute(c))?;
        Ok(())
    }

    /// The controller's destinations, locked until the commit: two calls that say what is kept where take turns.
    pub fn lock_destinations(&mut self, scope: ControllerScope) -> Result<(), StoreError> {
        use destinations::dsl as t;
        let _: Vec<Destination> = load_locked!(
            &mut *self.conn,
            t::destinations
                .filter(t::controller_id.eq(scope.controller()))
                .select(Destination::as_select())
                .order(t::id)
                .limit(100)
        )?;
        Ok(())
    }

    /// Keeps no purpose on a list of this destination.
    pub fn drop_destination_lists(
        &mut self,
        scope: ControllerScope,
        destination: DestinationId,
    ) -> Result<(), StoreError> {
        use destination_lists::dsl as t;
        on!(self.writing(), c => diesel::delete(t::destination_lists.filter(t::controller_id.eq(scope.controller()))
            .filter(t::destination_id.eq(destination))).execute(c))?;
        Ok(())
    }

    /// [`Self::save_destination_state`] of many, each person and list once.
    pub fn save_destination_states(&mut self, states: &[DestinationState]) -> Result<(), StoreError> {
        use destination_states::dsl as t;
        match self.writing() {
            Conn::Sqlite(c) => {
                for piece in states.chunks(ROWS) {
                    diesel::insert_into(t::destination_states)
                        .values(piece)
                        .on_conflict((t::controller_id, t::subject_id, t::list_id))
                        .do_update()
                        .set((
                            t::active.eq(excluded(t::active)),
                            t::set_aside.eq(excluded(t::set_aside)),
                            t::event_id.eq(excluded(t::event_id)),
                            t::synced_at.eq(excluded(t::synced_at)),
                            t::row_mark.eq(excluded(t::row_mark)),
                            t::last_error.eq(excluded(t::last_error)),
                        ))
                        .execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                Bulk::default().insert(states, INSTEAD).execute(c)?;
            }
        }
        Ok(())
    }

    /// Notes what we are about to bring about, or have.
    pub fn save_destination_state(&mut self, state: &DestinationState) -> Result<(), StoreError> {
        self.save_destination_states(std::slice::from_ref(state))
    }
}
