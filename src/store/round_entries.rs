//! Rounds whose links others hand over: the list made for the round at the provider, and where each person stands.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};

use crate::domain::campaign::EntryState;
use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, DestinationId, LinkId, SubjectId};
use crate::domain::time::Timestamp;

use super::bulk::{Bulk, bulk_row, insert_values};
use super::connection::{Conn, on};
use super::error::StoreError;
use super::schema::{round_entries, round_lists};
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A list made for a round.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = round_lists, treat_none_as_default_value = false)]
pub struct RoundList {
    /// Whose.
    pub controller_id: ControllerId,
    /// For which round.
    pub campaign_id: CampaignId,
    /// At which destination.
    pub destination_id: DestinationId,
    /// Its id there; none until it is made.
    pub list_id: Option<String>,
    /// The page of the client's suppression list that is read next, before anybody is written; none: all of it was.
    pub suppressed_page: Option<i32>,
    /// The round is over, and the stops that it holds are on record.
    pub heard_at: Option<Timestamp>,
    /// The round is over, and everybody has left it.
    pub emptied_at: Option<Timestamp>,
}

/// Somebody whose link others hand over.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = round_entries, treat_none_as_default_value = false)]
pub struct RoundEntry {
    /// Whose.
    pub controller_id: ControllerId,
    /// In which round.
    pub campaign_id: CampaignId,
    /// Who.
    pub subject_id: SubjectId,
    /// Where they stand.
    pub state: EntryState,
    /// What they may be asked about, as a JSON list of ids; what the link asks about, once it is issued.
    pub purposes: String,
    /// The link, once it is issued.
    pub link_id: Option<LinkId>,
    /// Until when the link works.
    pub expires_at: Option<Timestamp>,
    /// When the link first left the house.
    pub handed_at: Option<Timestamp>,
}

bulk_row!(RoundEntry => "round_entries" {
    controller_id: Id,
    campaign_id: Id,
    subject_id: Id,
    state: SmallInt,
    purposes: Text,
    link_id: Nullable<Id>,
    expires_at: Nullable<BigInt>,
    handed_at: Nullable<BigInt>,
});

/// What stands now takes the place of what stood.
const INSTEAD: &str = "ON CONFLICT (controller_id, campaign_id, subject_id) DO UPDATE SET state = excluded.state, \
     purposes = excluded.purposes, link_id = excluded.link_id, expires_at = excluded.expires_at, \
     handed_at = excluded.handed_at";

impl ReadTx<'_> {
    /// The list made for a round, if its links go to one.
    pub fn round_list(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
    ) -> Result<Option<RoundList>, StoreError> {
        use round_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::round_lists.find((scope.controller(), campaign)).select(RoundList::as_select()).first(c).optional())?,
        )
    }

    /// Lists at a destination that were made for rounds whose stops are not all on record yet.
    pub fn round_lists_unheard(
        &mut self,
        scope: ControllerScope,
        destination: DestinationId,
    ) -> Result<Vec<String>, StoreError> {
        use round_lists::dsl as t;
        let found: Vec<Option<String>> = on!(self.conn, c => t::round_lists.filter(t::controller_id.eq(scope.controller()))
            .filter(t::destination_id.eq(destination)).filter(t::heard_at.is_null()).filter(t::list_id.is_not_null())
            .select(t::list_id).order(t::campaign_id.desc()).limit(100).load(c))?;
        Ok(found.into_iter().flatten().collect())
    }

    /// The destinations with such a list.
    pub fn destinations_of_rounds(&mut self, scope: ControllerScope) -> Result<Vec<DestinationId>, StoreError> {
        use round_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::round_lists.filter(t::controller_id.eq(scope.controller())).filter(t::heard_at.is_null())
            .filter(t::list_id.is_not_null()).select(t::destination_id).distinct().limit(100).load(c))?,
        )
    }

    /// The round that a list at the provider was made for, if it was made for one.
    pub fn round_of_list(&mut self, scope: ControllerScope, list_id: &str) -> Result<Option<RoundList>, StoreError> {
        use round_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::round_lists.filter(t::controller_id.eq(scope.controller())).filter(t::list_id.eq(list_id))
            .select(RoundList::as_select()).first(c).optional())?,
        )
    }

    /// People of a round who stand so, in the order of their ids, after `after`.
    pub fn round_entries(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        state: EntryState,
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<RoundEntry>, StoreError> {
        use round_entries::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::round_entries.filter(t::controller_id.eq(scope.controller())).filter(t::campaign_id.eq(campaign))
                .filter(t::state.eq(state)).select(RoundEntry::as_select()).order(t::subject_id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::subject_id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// All people of a round whose link others hand over, in the order of their ids, after `after`.
    pub fn round_entries_page(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<RoundEntry>, StoreError> {
        use round_entries::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::round_entries.filter(t::controller_id.eq(scope.controller())).filter(t::campaign_id.eq(campaign))
                .select(RoundEntry::as_select()).order(t::subject_id).limit(limit).into_boxed();
            if let Some(after) = after {
                query = query.filter(t::subject_id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// Where these people stand on the lists of rounds, as far as they are there or on the way.
    pub fn on_round_lists(
        &mut self,
        scope: ControllerScope,
        people: &[SubjectId],
    ) -> Result<Vec<RoundEntry>, StoreError> {
        use round_entries::dsl as t;
        Ok(
            on!(self.conn, c => t::round_entries.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq_any(people))
            .filter(t::state.eq_any([EntryState::Going, EntryState::There])).select(RoundEntry::as_select()).order((t::subject_id, t::campaign_id)).load(c))?,
        )
    }
}

impl WriteTx<'_> {
    /// A list is to be made for a round.
    pub fn insert_round_list(&mut self, list: &RoundList) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(round_lists::table).values(list).execute(c))?;
        Ok(())
    }

    /// Notes which list was made, and how far its emptying is.
    pub fn save_round_list(&mut self, list: &RoundList) -> Result<(), StoreError> {
        use round_lists::dsl as t;
        on!(self.writing(), c => diesel::update(t::round_lists.find((list.controller_id, list.campaign_id)))
            .set((t::list_id.eq(&list.list_id), t::suppressed_page.eq(list.suppressed_page), t::heard_at.eq(list.heard_at),
                t::emptied_at.eq(list.emptied_at))).execute(c))?;
        Ok(())
    }

    /// Writes where people of a round stand, each once.
    pub fn save_round_entries(&mut self, entries: &[RoundEntry]) -> Result<(), StoreError> {
        for piece in entries.chunks(500) {
            match self.writing() {
                Conn::Sqlite(c) => insert_values(c, piece, INSTEAD)?,
                Conn::Postgres(c) => drop(Bulk::default().insert(piece, INSTEAD).execute(c)?),
            }
        }
        Ok(())
    }

    /// These people of a round as they stand, read in the transaction that changes them; their own rows are locked.
    pub fn round_entries_of(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        people: &[SubjectId],
    ) -> Result<Vec<RoundEntry>, StoreError> {
        use round_entries::dsl as t;
        Ok(
            on!(&mut *self.conn, c => t::round_entries.filter(t::controller_id.eq(scope.controller())).filter(t::campaign_id.eq(campaign))
            .filter(t::subject_id.eq_any(people)).select(RoundEntry::as_select()).order(t::subject_id).load(c))?,
        )
    }
}
