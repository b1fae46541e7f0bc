//! Lists that a purpose was kept on before, and how far the people concerned by such a change have been walked through:
//! who is confirmed is to be brought to the new list, who is on record on the old one is to leave it.

use diesel::prelude::*;

use crate::domain::ids::{ControllerId, ControllerScope, DestinationId, PurposeId, SubjectId};
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;

use super::connection::on;
use super::destinations::DestinationList;
use super::error::StoreError;
use super::schema::{destination_lists, destination_states, former_lists, outbox};
use super::{ReadTx, WriteTx};

/// A list that a purpose was kept on.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = former_lists, treat_none_as_default_value = false)]
pub struct FormerList {
    /// Whose.
    pub controller_id: ControllerId,
    /// The list.
    pub list_id: String,
    /// The purpose that was kept there.
    pub purpose_id: PurposeId,
    /// The destination that the list is at.
    pub destination_id: DestinationId,
    /// Until when it was kept there.
    pub given_up_at: Timestamp,
    /// People on record there up to here have been asked to leave; none: all of them.
    pub walked: Option<SubjectId>,
}

impl ReadTx<'_> {
    /// The lists that the controller's purposes were kept on before, up to `limit`, the newest first.
    pub fn former_lists(&mut self, scope: ControllerScope, limit: i64) -> Result<Vec<FormerList>, StoreError> {
        use former_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::former_lists.filter(t::controller_id.eq(scope.controller())).select(FormerList::as_select())
            .order((t::given_up_at.desc(), t::list_id, t::purpose_id)).limit(limit).load(c))?,
        )
    }

    /// A list whose people have not all been asked to leave.
    pub fn former_list_to_walk(&mut self, scope: ControllerScope) -> Result<Option<FormerList>, StoreError> {
        use former_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::former_lists.filter(t::controller_id.eq(scope.controller())).filter(t::walked.is_not_null())
            .select(FormerList::as_select()).order((t::list_id, t::purpose_id)).first(c).optional())?,
        )
    }

    /// A purpose and a list of it that its confirmed people have not all been asked to be brought to.
    pub fn list_to_walk(&mut self, scope: ControllerScope) -> Result<Option<DestinationList>, StoreError> {
        use destination_lists::dsl as t;
        Ok(
            on!(self.conn, c => t::destination_lists.filter(t::controller_id.eq(scope.controller())).filter(t::walked.is_not_null())
            .select(DestinationList::as_select()).order((t::purpose_id, t::list_id)).first(c).optional())?,
        )
    }

    /// People who are on record as active on a list, or about whom something is open there, by id after `after`.
    pub fn people_on_list(
        &mut self,
        scope: ControllerScope,
        list_id: &str,
        after: SubjectId,
        limit: i64,
    ) -> Result<Vec<SubjectId>, StoreError> {
        use destination_states::dsl as t;
        Ok(
            on!(self.conn, c => t::destination_states.filter(t::controller_id.eq(scope.controller())).filter(t::list_id.eq(list_id))
            .filter(t::subject_id.gt(after)).filter(t::active.eq(true).or(t::last_error.is_not_null()).or(t::stands_as.is_not_null()))
            .select(t::subject_id).order(t::subject_id).limit(limit).load(c))?,
        )
    }

    /// How much work of a kind waits in a lane; counts no further than `most`.
    pub fn waiting_in_lane(
        &mut self,
        scope: ControllerScope,
        kind: TaskKind,
        lane: i16,
        most: i64,
    ) -> Result<i64, StoreError> {
        use outbox::dsl as t;
        let found: Vec<i16> = on!(self.conn, c => t::outbox.filter(t::state.eq(TaskState::Queued)).filter(t::kind.eq(kind))
            .filter(t::controller_id.eq(scope.controller())).filter(t::lane.eq(lane)).select(t::lane).limit(most).load(c))?;
        Ok(i64::try_from(found.len()).unwrap_or(most))
    }
}

impl WriteTx<'_> {
    /// Notes that a purpose is kept on a list no more; its people are walked through from the beginning.
    pub fn give_up_list(&mut self, former: &FormerList) -> Result<(), StoreError> {
        use former_lists::dsl as t;
        on!(self.writing(), c => diesel::insert_into(t::former_lists).values(former).on_conflict((t::controller_id, t::list_id, t::purpose_id)).do_update()
            .set((t::destination_id.eq(former.destination_id), t::given_up_at.eq(former.given_up_at), t::walked.eq(former.walked))).execute(c))?;
        Ok(())
    }

    /// The purpose is kept on that list again.
    pub fn take_list_up_again(
        &mut self,
        scope: ControllerScope,
        list_id: &str,
        purpose: PurposeId,
    ) -> Result<(), StoreError> {
        use former_lists::dsl as t;
        on!(self.writing(), c => diesel::delete(t::former_lists.find((scope.controller(), list_id, purpose))).execute(c))?;
        Ok(())
    }

    /// Forgets lists given up before `before` that nobody is on record on any more.
    pub fn forget_former_lists(&mut self, scope: ControllerScope, before: Timestamp) -> Result<usize, StoreError> {
        use former_lists::dsl as t;
        let people = destination_states::table
            .filter(destination_states::controller_id.eq(scope.controller()))
            .filter(destination_states::list_id.eq(t::list_id))
            .filter(
                destination_states::active
                    .eq(true)
                    .or(destination_states::last_error.is_not_null())
                    .or(destination_states::stands_as.is_not_null()),
            );
        Ok(
            on!(self.writing(), c => diesel::delete(t::former_lists.filter(t::controller_id.eq(scope.controller())).filter(t::given_up_at.lt(before))
            .filter(t::walked.is_null()).filter(diesel::dsl::not(diesel::dsl::exists(people)))).execute(c))?,
        )
    }

    /// Notes how far a purpose's confirmed people have been walked through for a list, as long as it is kept there.
    pub fn note_walk(&mut self, list: &DestinationList, walked: Option<SubjectId>) -> Result<(), StoreError> {
        use destination_lists::dsl as t;
        on!(self.writing(), c => diesel::update(t::destination_lists.find((list.controller_id, list.purpose_id, &list.list_id)))
            .set(t::walked.eq(walked)).execute(c))?;
        Ok(())
    }

    /// Has everybody confirmed for what is kept at a destination walked through again, from `beginning` on.
    pub fn walk_lists_again(
        &mut self,
        scope: ControllerScope,
        destination: DestinationId,
        beginning: SubjectId,
    ) -> Result<(), StoreError> {
        use destination_lists::dsl as t;
        on!(self.writing(), c => diesel::update(t::destination_lists.filter(t::controller_id.eq(scope.controller())).filter(t::destination_id.eq(destination)))
            .set(t::walked.eq(beginning)).execute(c))?;
        Ok(())
    }

    /// Notes how far the people of a former list have been walked through.
    pub fn note_former_walk(&mut self, former: &FormerList, walked: Option<SubjectId>) -> Result<(), StoreError> {
        use former_lists::dsl as t;
        on!(self.writing(), c => diesel::update(t::former_lists.find((former.controller_id, &former.list_id, former.purpose_id)))
            .set(t::walked.eq(walked)).execute(c))?;
        Ok(())
    }
}
