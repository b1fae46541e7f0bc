//! The record behind each signed link: to whom, for what, shown with which notice, and what became of it. A link's
//! use is one compare-and-set in the transaction of its effect.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, SmallInt, Text};

use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, FormId, LinkId, NoticeId, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;

use super::among::{MOST_KEPT, among};
use super::bulk::{Bulk, bulk_row, column, insert_values};
use super::connection::{Conn, on};
use super::dialect::load_locked;
use super::error::StoreError;
use super::prepared::update;
use super::schema::links;
use super::types::Id;
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

bulk_row!(Link => "links" {
    controller_id: Id,
    id: Id,
    action: SmallInt,
    subject_id: Id,
    purposes: Text,
    notice_id: Nullable<Id>,
    campaign_id: Nullable<Id>,
    form_id: Nullable<Id>,
    on_site: Bool,
    created_at: BigInt,
    expires_at: Nullable<BigInt>,
    superseded_at: Nullable<BigInt>,
    used_at: Nullable<BigInt>,
    answer: Nullable<Text>,
});

/// A link that was decided.
#[derive(Debug, Clone)]
pub struct Used {
    /// Whose.
    pub controller_id: ControllerId,
    /// Which.
    pub id: LinkId,
    /// When.
    pub at: Timestamp,
    /// What was decided, as JSON.
    pub answer: String,
}

impl Link {
    /// The purposes.
    pub fn purposes(&self) -> Result<Vec<PurposeId>, StoreError> {
        Ok(serde_json::from_str(&self.purposes)?)
    }

    /// Whether it can be answered: not yet decided, no newer one took its place, and in time.
    pub fn open_at(&self, now: Timestamp) -> bool {
        self.used_at.is_none() && self.superseded_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

impl ReadTx<'_> {
    /// A link's record.
    pub fn link(&mut self, scope: ControllerScope, id: LinkId) -> Result<Link, StoreError> {
        use links::dsl as t;
        Ok(on!(self.conn, c => t::links.find((scope.controller(), id)).select(Link::as_select()).first(c))?)
    }

    /// The preference links of these people, of those who have one; nobody has two.
    pub fn preference_links(
        &mut self,
        scope: ControllerScope,
        people: &[SubjectId],
    ) -> Result<Vec<(SubjectId, LinkId)>, StoreError> {
        use links::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let whose = people.iter().map(|person| (scope.controller(), *person));
        Ok(on!(self.conn, c => t::links.filter(among(t::controller_id, t::subject_id, whose))
            .filter(t::action.eq(LinkAction::Manage)).select((t::subject_id, t::id)).load(c))?)
    }
}

impl WriteTx<'_> {
    /// New links.
    pub fn insert_links(&mut self, rows: &[Link]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, rows, "")?,
            Conn::Postgres(c) => drop(Bulk::default().insert(rows, "").execute(c)?),
        }
        Ok(())
    }

    /// The people behind these links, of any controllers; whose a link is never changes.
    pub fn people_behind(
        &mut self,
        wanted: &[(ControllerId, LinkId)],
    ) -> Result<Vec<(ControllerId, SubjectId)>, StoreError> {
        use links::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let mut people: Vec<_> = on!(&mut *self.conn, c => t::links.filter(among(t::controller_id, t::id, wanted.iter().copied()))
            .select((t::controller_id, t::subject_id)).load(c))?;
        people.sort_unstable();
        people.dedup();
        Ok(people)
    }

    /// These links' records, of any controllers, locked until the commit.
    pub fn lock_links(&mut self, wanted: &[(ControllerId, LinkId)]) -> Result<Vec<Link>, StoreError> {
        use links::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(load_locked!(
            &mut *self.conn,
            t::links
                .filter(among(t::controller_id, t::id, wanted.iter().copied()))
                .order((t::controller_id, t::id))
                .select(Link::as_select())
        )?)
    }

    /// Marks links as decided; each was locked and found unused in this transaction.
    pub fn use_links(&mut self, used: &[Used]) -> Result<(), StoreError> {
        use links::dsl as t;
        if used.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => {
                for link in used {
                    let unused = t::links.find((link.controller_id, link.id)).filter(t::used_at.is_null());
                    update(unused).set((t::used_at.eq(link.at), t::answer.eq(&link.answer))).execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let columns = vec![
                    column::<Id, _>(used.iter().map(|link| &link.controller_id)),
                    column::<Id, _>(used.iter().map(|link| &link.id)),
                    column::<BigInt, _>(used.iter().map(|link| link.at)),
                    column::<Text, _>(used.iter().map(|link| &link.answer)),
                ];
                Bulk::statement(
                    "UPDATE links SET used_at = v.at, answer = v.answer FROM unnest(",
                    columns,
                    "AS v (controller_id, id, at, answer) \
                     WHERE links.controller_id = v.controller_id AND links.id = v.id AND links.used_at IS NULL",
                )
                .execute(c)?;
            }
        }
        Ok(())
    }

    /// Open links of these kinds to these people: `(controller, person)`.
    pub fn open_links(
        &mut self,
        people: &[(ControllerId, SubjectId)],
        actions: &[LinkAction],
    ) -> Result<Vec<Link>, StoreError> {
        use links::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(&mut *self.conn, c => t::links.filter(among(t::controller_id, t::subject_id, people.iter().copied()))
            .filter(t::action.eq_any(actions)).filter(t::used_at.is_null()).filter(t::superseded_at.is_null()).select(Link::as_select()).load(c))?)
    }

    /// Marks links as superseded by newer ones (LK-06).
    pub fn supersede(&mut self, links: &[(ControllerId, LinkId)], now: Timestamp) -> Result<(), StoreError> {
        use links::dsl as t;
        for piece in links.chunks(MOST_KEPT) {
            on!(self.writing(), c => update(t::links.filter(among(t::controller_id, t::id, piece.iter().copied())))
                .set(t::superseded_at.eq(now)).execute(c))?;
        }
        Ok(())
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
