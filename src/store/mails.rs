//! Mails: one row a mail, from the wish to its end. Bytes are kept only while they may be sent again.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};

use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{
    CampaignId, ControllerId, ControllerScope, FormId, MailId, NoticeId, PurposeId, SenderId, SubjectId,
};
use crate::domain::mailing::MailState;
use crate::domain::time::Timestamp;

use super::among::among;
use super::bulk::{Bulk, bulk_row, column, insert_values};
use super::connection::{Conn, on};
use super::dialect::{first_locked, load_locked};
use super::error::StoreError;
use super::one_of::one_of;
use super::prepared::update;
use super::schema::mails;
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A mail.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = mails, treat_none_as_default_value = false)]
pub struct Mail {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: MailId,
    /// What kind.
    pub kind: MailKind,
    /// To whom.
    pub subject_id: SubjectId,
    /// In which round.
    pub campaign_id: Option<CampaignId>,
    /// Through which form.
    pub form_id: Option<FormId>,
    /// In whose name.
    pub sender_id: SenderId,
    /// With which wording the answer will be asked.
    pub notice_id: NoticeId,
    /// For which purposes, as a JSON list of ids.
    pub purposes: String,
    /// Where it stands.
    pub state: MailState,
    /// Answers lost after the final dot.
    pub lost: i32,
    /// The bytes, sealed under the person's key.
    pub frozen: Option<Vec<u8>>,
    /// Why it was cancelled.
    pub reason: Option<Reason>,
    /// The relay's code.
    pub reply: Option<String>,
    /// Keyed mark of the network and day that asked for it; none where no visitor did.
    pub origin_mark: Option<Vec<u8>>,
    /// Its place in the line of the throttles, while it waits for that.
    pub place_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
    /// Over since when.
    pub settled_at: Option<Timestamp>,
}

bulk_row!(Mail => "mails" {
    controller_id: Id,
    id: Id,
    kind: SmallInt,
    subject_id: Id,
    campaign_id: Nullable<Id>,
    form_id: Nullable<Id>,
    sender_id: Id,
    notice_id: Id,
    purposes: Text,
    state: SmallInt,
    lost: Integer,
    frozen: Nullable<Binary>,
    reason: Nullable<SmallInt>,
    reply: Nullable<Text>,
    origin_mark: Nullable<Binary>,
    place_at: Nullable<BigInt>,
    created_at: BigInt,
    settled_at: Nullable<BigInt>,
});

/// A mail that is handed over from here on.
#[derive(Debug, Clone)]
pub struct HandedOver {
    /// Whose.
    pub controller_id: ControllerId,
    /// Which.
    pub id: MailId,
    /// The bytes that every attempt sends, sealed.
    pub frozen: Vec<u8>,
    /// For which purposes, as a JSON list of ids.
    pub purposes: String,
    /// Answers lost so far.
    pub lost: i32,
}

/// How an attempt at a mail ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Whose.
    pub controller_id: ControllerId,
    /// Which.
    pub id: MailId,
    /// Where it now stands.
    pub state: MailState,
    /// Answers lost so far.
    pub lost: i32,
    /// The relay's code.
    pub reply: Option<String>,
    /// Over since when; its bytes go at once.
    pub over: Option<Timestamp>,
}

impl Mail {
    /// The purposes.
    pub fn purposes(&self) -> Result<Vec<PurposeId>, StoreError> {
        Ok(serde_json::from_str(&self.purposes)?)
    }
}

impl ReadTx<'_> {
    /// A mail.
    pub fn mail(&mut self, scope: ControllerScope, id: MailId) -> Result<Mail, StoreError> {
        use mails::dsl as t;
        Ok(on!(self.conn, c => t::mails.find((scope.controller(), id)).select(Mail::as_select()).first(c))?)
    }

    /// These mails, of any controllers.
    pub fn mails_among(&mut self, wanted: &[(ControllerId, MailId)]) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(
            on!(self.conn, c => t::mails.filter(among(t::controller_id, t::id, wanted.iter().copied())).select(Mail::as_select()).load(c))?,
        )
    }

    /// A person's mails, newest first.
    pub fn mails_of(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        limit: i64,
    ) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        Ok(
            on!(self.conn, c => t::mails.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .select(Mail::as_select()).order(t::created_at.desc()).limit(limit).load(c))?,
        )
    }

    /// Mails to a person whose bytes are written, and that are not over.
    pub fn written_mails(&mut self, scope: ControllerScope, subject: SubjectId) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        Ok(
            on!(self.conn, c => t::mails.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
            .filter(t::frozen.is_not_null()).select(Mail::as_select()).load(c))?,
        )
    }

    /// A person's mails, newest first, before `before`.
    pub fn mails_page(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        before: Option<MailId>,
        limit: i64,
    ) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::mails.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject))
                .select(Mail::as_select()).order(t::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(t::id.lt(before));
            }
            query.load(c)
        })?)
    }

    /// Mails of a kind to these people since a moment that were handed over or may have been.
    pub fn mails_handed_over_to(
        &mut self,
        people: &[(ControllerId, SubjectId)],
        kind: MailKind,
        since: Timestamp,
    ) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        Ok(
            on!(self.conn, c => t::mails.filter(among(t::controller_id, t::subject_id, people.iter().copied())).filter(t::kind.eq(kind))
            .filter(t::created_at.gt(since)).filter(one_of(t::state, [MailState::HandingOver, MailState::Accepted, MailState::Uncertain, MailState::Deferred]))
            .select(Mail::as_select()).load(c))?,
        )
    }
}

impl WriteTx<'_> {
    /// A mail, locked until the commit.
    pub fn lock_mail(&mut self, scope: ControllerScope, id: MailId) -> Result<Mail, StoreError> {
        use mails::dsl as t;
        Ok(first_locked!(&mut *self.conn, t::mails.find((scope.controller(), id)).select(Mail::as_select()))?)
    }

    /// New mails.
    pub fn insert_mails(&mut self, rows: &[Mail]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(c) => insert_values(c, rows, "")?,
            Conn::Postgres(c) => drop(Bulk::default().insert(rows, "").execute(c)?),
        }
        Ok(())
    }

    /// These mails, of any controllers, locked until the commit.
    pub fn lock_mails(&mut self, wanted: &[(ControllerId, MailId)]) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(load_locked!(
            &mut *self.conn,
            t::mails
                .filter(among(t::controller_id, t::id, wanted.iter().copied()))
                .order((t::controller_id, t::id))
                .select(Mail::as_select())
        )?)
    }

    /// Mails to these people that wait, and that nobody is sending.
    pub fn waiting_mails(&mut self, people: &[(ControllerId, SubjectId)]) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        if people.is_empty() {
            return Ok(Vec::new());
        }
        let waiting = t::mails
            .filter(among(t::controller_id, t::subject_id, people.iter().copied()))
            .filter(one_of(t::state, [MailState::Queued, MailState::Claimed, MailState::Deferred]));
        Ok(match &mut *self.conn {
            // Asked for an order, it would rather walk in it through all mails of the controller; the lock is the single
            // writer.
            Conn::Sqlite(c) => waiting.select(Mail::as_select()).load(&mut **c)?,
            Conn::Postgres(c) => {
                waiting.order((t::controller_id, t::id)).select(Mail::as_select()).for_update().load(&mut **c)?
            }
        })
    }

    /// Commits that from here on these mails may have been sent; their places in line are used.
    pub fn hand_over_mails(&mut self, handed: &[HandedOver]) -> Result<(), StoreError> {
        use mails::dsl as t;
        if handed.is_empty() {
            return Ok(());
        }
        let nowhere: Option<Timestamp> = None;
        match self.writing() {
            Conn::Sqlite(c) => {
                for mail in handed {
                    let handed_over = update(t::mails.find((mail.controller_id, mail.id))).set((
                        t::state.eq(MailState::HandingOver),
                        t::frozen.eq(&mail.frozen),
                        t::purposes.eq(&mail.purposes),
                        t::lost.eq(mail.lost),
                        t::place_at.eq(nowhere),
                    ));
                    handed_over.execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let columns = vec![
                    column::<Id, _>(handed.iter().map(|mail| &mail.controller_id)),
                    column::<Id, _>(handed.iter().map(|mail| &mail.id)),
                    column::<SmallInt, _>(handed.iter().map(|_| MailState::HandingOver)),
                    column::<Binary, _>(handed.iter().map(|mail| &mail.frozen)),
                    column::<Text, _>(handed.iter().map(|mail| &mail.purposes)),
                    column::<Integer, _>(handed.iter().map(|mail| mail.lost)),
                ];
                Bulk::statement(
                    "UPDATE mails SET state = v.state, frozen = v.frozen, purposes = v.purposes, lost = v.lost, \
                     place_at = NULL FROM unnest(",
                    columns,
                    "AS v (controller_id, id, state, frozen, purposes, lost) \
                     WHERE mails.controller_id = v.controller_id AND mails.id = v.id",
                )
                .execute(c)?;
            }
        }
        Ok(())
    }

    /// Notes how attempts ended.
    pub fn settle_mails(&mut self, ended: &[Ended]) -> Result<(), StoreError> {
        if ended.is_empty() {
            return Ok(());
        }
        match self.writing() {
            Conn::Sqlite(_) => {
                for mail in ended {
                    let scope = ControllerScope::granted(mail.controller_id);
                    self.settle_mail(scope, mail.id, mail.state, mail.lost, mail.reply.as_deref(), mail.over)?;
                }
            }
            Conn::Postgres(c) => {
                let columns = vec![
                    column::<Id, _>(ended.iter().map(|mail| &mail.controller_id)),
                    column::<Id, _>(ended.iter().map(|mail| &mail.id)),
                    column::<SmallInt, _>(ended.iter().map(|mail| mail.state)),
                    column::<Integer, _>(ended.iter().map(|mail| mail.lost)),
                    column::<Nullable<Text>, _>(ended.iter().map(|mail| &mail.reply)),
                    column::<Nullable<BigInt>, _>(ended.iter().map(|mail| mail.over)),
                ];
                Bulk::statement(
                    "UPDATE mails SET state = v.state, lost = v.lost, reply = v.reply, \
                     settled_at = coalesce(v.over, mails.settled_at), \
                     frozen = CASE WHEN v.over IS NULL THEN mails.frozen END FROM unnest(",
                    columns,
                    "AS v (controller_id, id, state, lost, reply, over) \
                     WHERE mails.controller_id = v.controller_id AND mails.id = v.id",
                )
                .execute(c)?;
            }
        }
        Ok(())
    }

    /// Ends mails that their people stopped, with the reason.
    pub fn cancel_mails(
        &mut self,
        stopped: &[(ControllerId, MailId)],
        reason: Reason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use mails::dsl as t;
        if stopped.is_empty() {
            return Ok(());
        }
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::mails.filter(among(t::controller_id, t::id, stopped.iter().copied())))
            .set((t::state.eq(MailState::Cancelled), t::reason.eq(reason), t::settled_at.eq(now), t::frozen.eq(&nothing))).execute(c))?;
        Ok(())
    }

    /// Notes how an attempt ended. When the mail is over its bytes go at once.
    pub fn settle_mail(
        &mut self,
        scope: ControllerScope,
        id: MailId,
        state: MailState,
        lost: i32,
        reply: Option<&str>,
        over: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        use mails::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => match over {
            Some(now) => update(t::mails.find((scope.controller(), id)))
                .set((t::state.eq(state), t::lost.eq(lost), t::reply.eq(reply), t::settled_at.eq(now), t::frozen.eq(&nothing))).execute(c),
            None => update(t::mails.find((scope.controller(), id)))
                .set((t::state.eq(state), t::lost.eq(lost), t::reply.eq(reply))).execute(c),
        })?;
        Ok(())
    }

    /// Forgets the bytes of a person's mails.
    pub fn forget_mail_bytes(&mut self, scope: ControllerScope, subject: SubjectId) -> Result<(), StoreError> {
        use mails::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::mails.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject)))
            .set(t::frozen.eq(&nothing)).execute(c))?;
        Ok(())
    }

    /// Ends a mail that the gate refused or the person stopped, with the reason.
    pub fn cancel_mail(
        &mut self,
        scope: ControllerScope,
        id: MailId,
        reason: Reason,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use mails::dsl as t;
        let nothing: Option<Vec<u8>> = None;
        on!(self.writing(), c => diesel::update(t::mails.find((scope.controller(), id)))
            .set((t::state.eq(MailState::Cancelled), t::reason.eq(reason), t::settled_at.eq(now), t::frozen.eq(&nothing))).execute(c))?;
        Ok(())
    }
}
