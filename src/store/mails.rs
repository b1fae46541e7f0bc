//! Mails: one row a mail, from the wish to its end. Bytes are kept only while they may be sent again.

use diesel::prelude::*;

use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{
    CampaignId, ControllerId, ControllerScope, FormId, MailId, NoticeId, PurposeId, SenderId, SubjectId,
};
use crate::domain::mailing::MailState;
use crate::domain::time::Timestamp;

use super::connection::on;
use super::dialect::first_locked;
use super::error::StoreError;
use super::schema::mails;
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
    /// Since when.
    pub created_at: Timestamp,
    /// Over since when.
    pub settled_at: Option<Timestamp>,
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

    /// Mails of a kind to a person since a moment that were handed over or may have been.
    pub fn mails_handed_over_since(
        &mut self,
        scope: ControllerScope,
        subject: SubjectId,
        kind: MailKind,
        since: Timestamp,
    ) -> Result<Vec<Mail>, StoreError> {
        use mails::dsl as t;
        Ok(
            on!(self.conn, c => t::mails.filter(t::controller_id.eq(scope.controller())).filter(t::subject_id.eq(subject)).filter(t::kind.eq(kind))
            .filter(t::created_at.gt(since)).filter(t::state.eq_any([MailState::HandingOver, MailState::Accepted, MailState::Uncertain, MailState::Deferred]))
            .select(Mail::as_select()).limit(100).load(c))?,
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
        on!(self.writing(), c => diesel::insert_into(mails::table).values(rows).execute(c))?;
        Ok(())
    }

    /// Commits that from here on the mail may have been sent, with the bytes that every attempt sends.
    pub fn hand_over_mail(
        &mut self,
        scope: ControllerScope,
        id: MailId,
        frozen: &[u8],
        purposes: &str,
    ) -> Result<(), StoreError> {
        use mails::dsl as t;
        on!(self.writing(), c => diesel::update(t::mails.find((scope.controller(), id)))
            .set((t::state.eq(MailState::HandingOver), t::frozen.eq(frozen), t::purposes.eq(purposes))).execute(c))?;
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
            Some(now) => diesel::update(t::mails.find((scope.controller(), id)))
                .set((t::state.eq(state), t::lost.eq(lost), t::reply.eq(reply), t::settled_at.eq(now), t::frozen.eq(&nothing))).execute(c),
            None => diesel::update(t::mails.find((scope.controller(), id))).set((t::state.eq(state), t::lost.eq(lost), t::reply.eq(reply))).execute(c),
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
