//! The record behind each signed link: to whom, for what, shown with which notice, and what became of it. A link's
//! use is one compare-and-set in the transaction of its effect.

use diesel::prelude::*;

use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, FormId, LinkId, NoticeId, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;

use super::connection::on;
use super::dialect::first_locked;
use super::error::StoreError;
use super::schema::links;
use super::{ReadTx, WriteTx};

/// A link's record.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = links, treat_none_as_default_value = false)]
pub struct Link {
    /// Whose.
    pub controller_id: ControllerId,
    /// `jti`.
    pub id: LinkId,
    /// What it asks.
    pub action: LinkAction,
    /// Of whom.
    pub subject_id: SubjectId,
    /// For which purposes, as a JSON list of ids.
    pub purposes: String,
    /// With which wording.
    pub notice_id: Option<NoticeId>,
    /// In which round.
    pub campaign_id: Option<CampaignId>,
    /// Through which form.
    pub form_id: Option<FormId>,
    /// Shown by the site, never mailed.
    pub on_site: bool,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when; a withdrawal has no end.
    pub expires_at: Option<Timestamp>,
    /// A newer link took its place.
    pub superseded_at: Option<Timestamp>,
    /// Decided when.
    pub used_at: Option<Timestamp>,
    /// What was decided, as JSON.
    pub answer: Option<String>,
}

impl Link {
    /// The purposes.
    pub fn purposes(&self) -> Result<Vec<PurposeId>, StoreError> {
        Ok(serde_json::from_str(&self.purposes)?)
    }
}

impl ReadTx<'_> {
    /// A link's record.
    pub fn link(&mut self, scope: ControllerScope, id: LinkId) -> Result<Link, StoreError> {
        use links::dsl as t;
        Ok(on!(self.conn, c => t::links.find((scope.controller(), id)).select(Link::as_select()).first(c))?)
    }
}

impl WriteTx<'_> {
    /// A link's record, locked until the commit.
    pub fn lock_link(&mut self, scope: ControllerScope, id: LinkId) -> Result<Link, StoreError> {
        use links::dsl as t;
        Ok(first_locked!(&mut *self.conn, t::links.find((scope.controller(), id)).select(Link::as_select()))?)
    }

    /// New links.
    pub fn insert_links(&mut self, rows: &[Link]) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(links::table).values(rows).execute(c))?;
        Ok(())
    }

    /// Marks a link as decided, once; says whether this was the once.
    pub fn use_link(
        &mut self,
        scope: ControllerScope,
        id: LinkId,
        answer: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        use links::dsl as t;
        let changed = on!(self.writing(), c => diesel::update(t::links.find((scope.controller(), id)).filter(t::used_at.is_null()))
            .set((t::used_at.eq(now), t::answer.eq(answer))).execute(c))?;
        Ok(changed == 1)
    }

    /// Open links of a kind to a person that a newer one takes the place of, where a purpose is shared (LK-06).
    pub fn supersede_links(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        action: LinkAction,
        purposes: &[PurposeId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use links::dsl as t;
        let open: Vec<Link> = on!(&mut *self.conn, c => t::links.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .filter(t::action.eq(action)).filter(t::used_at.is_null()).filter(t::superseded_at.is_null()).select(Link::as_select()).limit(100).load(c))?;
        for link in open {
            if link.purposes()?.iter().any(|purpose| purposes.contains(purpose)) {
                on!(self.writing(), c => diesel::update(t::links.find((scope.controller(), link.id))).set(t::superseded_at.eq(now)).execute(c))?;
            }
        }
        Ok(())
    }
}
