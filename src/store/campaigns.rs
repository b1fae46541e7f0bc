//! Re-permission rounds, and where each person in them stands.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, SmallInt};

use crate::domain::campaign::{Answer, CampaignStatus, Delivery, MemberStatus};
use crate::domain::gate::Reason;
use crate::domain::ids::{
    CampaignId, ControllerId, ControllerScope, ImportId, MailId, NoticeId, PurposeId, SenderId, SubjectId,
};
use crate::domain::time::Timestamp;

use super::connection::{Conn, on};
use super::dialect::first_locked;
use super::error::StoreError;
use super::prepared::update;
use super::schema::{campaign_members, campaigns};
use super::types::Id;
use super::{ReadTx, WriteTx};

/// A round.
#[derive(Debug, Clone, Queryable, Selectable, Insertable)]
#[diesel(table_name = campaigns, treat_none_as_default_value = false)]
pub struct Campaign {
    /// Whose.
    pub controller_id: ControllerId,
    /// Its id.
    pub id: CampaignId,
    /// What people call it.
    pub name: String,
    /// Where it stands.
    pub status: CampaignStatus,
    /// Purposes, as a JSON list of ids.
    pub purposes: String,
    /// Uploads that make the audience, as a JSON list of ids.
    pub imports: String,
    /// The wording on the answer page.
    pub notice_id: NoticeId,
    /// In whose name.
    pub sender_id: SenderId,
    /// The mail's subject.
    pub subject_line: String,
    /// The line that mail programs show beside the subject.
    pub preheader: String,
    /// The mail's text, Markdown.
    pub body: String,
    /// Who hands the links over.
    pub delivery: Delivery,
    /// Not before.
    pub scheduled_at: Option<Timestamp>,
    /// Answers count until then.
    pub deadline: Timestamp,
    /// Launched when.
    pub launched_at: Option<Timestamp>,
    /// Audience frozen when.
    pub frozen_at: Option<Timestamp>,
    /// Subjects up to here are frozen.
    pub freeze_cursor: Option<SubjectId>,
    /// SHA-256 over the frozen members (RP-02).
    pub audience_sha256: Option<Vec<u8>>,
    /// Suppressed rows of the audience that belong to nobody on record.
    pub outsiders: i32,
    /// Over since when.
    pub closed_at: Option<Timestamp>,
    /// Since when.
    pub created_at: Timestamp,
}

impl Campaign {
    /// The purposes.
    pub fn purposes(&self) -> Result<Vec<PurposeId>, StoreError> {
        Ok(serde_json::from_str(&self.purposes)?)
    }

    /// The uploads.
    pub fn imports(&self) -> Result<Vec<ImportId>, StoreError> {
        Ok(serde_json::from_str(&self.imports)?)
    }
}

/// A person in a round.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Selectable, Insertable)]
#[diesel(table_name = campaign_members, treat_none_as_default_value = false)]
pub struct Member {
    /// Whose.
    pub controller_id: ControllerId,
    /// In which round.
    pub campaign_id: CampaignId,
    /// Who.
    pub subject_id: SubjectId,
    /// Where they stand.
    pub status: MemberStatus,
    /// Why not asked.
    pub reason: Option<Reason>,
    /// Their mail.
    pub mail_id: Option<MailId>,
    /// What they answered.
    pub answer: Answer,
    /// When.
    pub answered_at: Option<Timestamp>,
}

/// How many members stand alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberCount {
    /// Where they stand.
    pub status: MemberStatus,
    /// Why not asked.
    pub reason: Option<Reason>,
    /// What they answered.
    pub answer: Answer,
    /// How many.
    pub members: i64,
}

/// A counter, summed over its shards.
#[derive(QueryableByName)]
struct KeptCount {
    #[diesel(sql_type = SmallInt)]
    status: MemberStatus,
    #[diesel(sql_type = SmallInt)]
    reason: i16,
    #[diesel(sql_type = SmallInt)]
    answer: Answer,
    #[diesel(sql_type = BigInt)]
    members: i64,
}

impl TryFrom<KeptCount> for MemberCount {
    type Error = StoreError;

    fn try_from(kept: KeptCount) -> Result<Self, StoreError> {
        let KeptCount { status, reason, answer, members } = kept;
        // A key of a counter cannot be null, so that "no reason" is 0 there.
        let reason = match reason {
            0 => None,
            code => Some(
                Reason::from_code(code)
                    .ok_or_else(|| StoreError::Failed(format!("a counter has the unknown reason {code}")))?,
            ),
        };
        Ok(Self { status, reason, answer, members })
    }
}

impl ReadTx<'_> {
    /// A round.
    pub fn campaign(&mut self, scope: ControllerScope, id: CampaignId) -> Result<Campaign, StoreError> {
        use campaigns::dsl as t;
        Ok(on!(self.conn, c => t::campaigns.find((scope.controller(), id)).select(Campaign::as_select()).first(c))?)
    }

    /// A controller's rounds, newest first, before `before`.
    pub fn campaigns(
        &mut self,
        scope: ControllerScope,
        before: Option<CampaignId>,
        limit: i64,
    ) -> Result<Vec<Campaign>, StoreError> {
        use campaigns::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::campaigns.filter(t::controller_id.eq(scope.controller())).select(Campaign::as_select()).order(t::id.desc()).limit(limit).into_boxed();
            if let Some(before) = before {
                query = query.filter(t::id.lt(before));
            }
            query.load(c)
        })?)
    }

    /// Rounds whose deadline has come, up to `limit`.
    pub fn campaigns_past_deadline(
        &mut self,
        scope: ControllerScope,
        now: Timestamp,
        limit: i64,
    ) -> Result<Vec<CampaignId>, StoreError> {
        use campaigns::dsl as t;
        Ok(on!(self.conn, c => t::campaigns.filter(t::controller_id.eq(scope.controller())).filter(t::deadline.le(now))
            .filter(t::status.eq_any([CampaignStatus::Launching, CampaignStatus::Running, CampaignStatus::Paused])).select(t::id).limit(limit).load(c))?)
    }

    /// A person in a round.
    pub fn member(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        subject: SubjectId,
    ) -> Result<Member, StoreError> {
        use campaign_members::dsl as t;
        Ok(
            on!(self.conn, c => t::campaign_members.find((scope.controller(), campaign, subject)).select(Member::as_select()).first(c))?,
        )
    }

    /// Those of these people who have answered in a round.
    pub fn answered_among(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        people: &[SubjectId],
    ) -> Result<Vec<SubjectId>, StoreError> {
        use campaign_members::dsl as t;
        Ok(
            on!(self.conn, c => t::campaign_members.filter(t::controller_id.eq(scope.controller())).filter(t::campaign_id.eq(campaign))
            .filter(t::subject_id.eq_any(people)).filter(t::answer.ne(Answer::Silent)).select(t::subject_id).load(c))?,
        )
    }

    /// People in a round, in the order of their ids, after `after`; optionally those not asked for one reason.
    pub fn members(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        reason: Option<Reason>,
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<Member>, StoreError> {
        use campaign_members::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::campaign_members.filter(t::controller_id.eq(scope.controller())).filter(t::campaign_id.eq(campaign))
                .select(Member::as_select()).order(t::subject_id).limit(limit).into_boxed();
            if let Some(reason) = reason {
                query = query.filter(t::reason.eq(reason));
            }
            if let Some(after) = after {
                query = query.filter(t::subject_id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// People in a round who are not asked, in the order of their ids, after `after`; optionally for one reason.
    pub fn excluded_members(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        reason: Option<Reason>,
        after: Option<SubjectId>,
        limit: i64,
    ) -> Result<Vec<Member>, StoreError> {
        use campaign_members::dsl as t;
        Ok(on!(self.conn, c => {
            let mut query = t::campaign_members.filter(t::controller_id.eq(scope.controller())).filter(t::campaign_id.eq(campaign))
                .filter(t::status.eq(MemberStatus::Excluded)).filter(t::reason.is_not_null()).select(Member::as_select()).order(t::subject_id).limit(limit).into_boxed();
            if let Some(reason) = reason {
                query = query.filter(t::reason.eq(reason));
            }
            if let Some(after) = after {
                query = query.filter(t::subject_id.gt(after));
            }
            query.load(c)
        })?)
    }

    /// How a round's people stand, from the counters that the database keeps as members come and change (P9): the cost
    /// does not grow with the round.
    pub fn member_counts(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
    ) -> Result<Vec<MemberCount>, StoreError> {
        let query = "SELECT status, reason, answer, CAST(SUM(members) AS BIGINT) AS members FROM campaign_counts \
                     WHERE controller_id = $1 AND campaign_id = $2 GROUP BY status, reason, answer HAVING SUM(members) <> 0";
        let kept: Vec<KeptCount> = on!(self.conn, c => diesel::sql_query(query)
            .bind::<Id, _>(scope.controller()).bind::<Id, _>(campaign).load(c))?;
        kept.into_iter().map(MemberCount::try_from).collect()
    }
}

impl WriteTx<'_> {
    /// A new round.
    pub fn insert_campaign(&mut self, campaign: &Campaign) -> Result<(), StoreError> {
        on!(self.writing(), c => diesel::insert_into(campaigns::table).values(campaign).execute(c))?;
        Ok(())
    }

    /// A round, locked until the commit.
    pub fn lock_campaign(&mut self, scope: ControllerScope, id: CampaignId) -> Result<Campaign, StoreError> {
        use campaigns::dsl as t;
        Ok(first_locked!(&mut *self.conn, t::campaigns.find((scope.controller(), id)).select(Campaign::as_select()))?)
    }

    /// Writes where a round stands: status, times, progress of freezing.
    pub fn save_campaign_progress(&mut self, campaign: &Campaign) -> Result<(), StoreError> {
        use campaigns::dsl as t;
        on!(self.writing(), c => diesel::update(t::campaigns.find((campaign.controller_id, campaign.id))).set((
            t::status.eq(campaign.status),
            t::launched_at.eq(campaign.launched_at),
            t::frozen_at.eq(campaign.frozen_at),
            t::freeze_cursor.eq(campaign.freeze_cursor),
            t::audience_sha256.eq(&campaign.audience_sha256),
            t::outsiders.eq(campaign.outsiders),
            t::closed_at.eq(campaign.closed_at),
        )).execute(c))?;
        Ok(())
    }

    /// Puts people into a round.
    pub fn insert_members(&mut self, members: &[Member]) -> Result<(), StoreError> {
        if members.is_empty() {
            return Ok(());
        }
        on!(self.writing(), c => diesel::insert_into(campaign_members::table).values(members).execute(c))?;
        Ok(())
    }

    /// Notes where people in a round now stand.
    pub fn set_member_statuses(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        people: &[SubjectId],
        status: MemberStatus,
        reason: Option<Reason>,
    ) -> Result<(), StoreError> {
        use campaign_members::dsl as t;
        let to = (t::status.eq(status), t::reason.eq(reason));
        match self.writing() {
            Conn::Sqlite(c) => {
                for person in people {
                    let member = t::campaign_members.find((scope.controller(), campaign, person));
                    update(member).set(to).execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let members = t::campaign_members.filter(t::controller_id.eq(scope.controller()));
                let members = members.filter(t::campaign_id.eq(campaign)).filter(t::subject_id.eq_any(people));
                update(members).set(to).execute(&mut **c)?;
            }
        }
        Ok(())
    }

    /// Notes what people in a round answered; the first answer of each stands.
    pub fn set_member_answers(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        people: &[SubjectId],
        answer: Answer,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        use campaign_members::dsl as t;
        let to = (t::answer.eq(answer), t::answered_at.eq(now));
        match self.writing() {
            Conn::Sqlite(c) => {
                for person in people {
                    let member = t::campaign_members.find((scope.controller(), campaign, person));
                    update(member.filter(t::answer.eq(Answer::Silent))).set(to).execute(&mut **c)?;
                }
            }
            Conn::Postgres(c) => {
                let members = t::campaign_members.filter(t::controller_id.eq(scope.controller()));
                let members = members.filter(t::campaign_id.eq(campaign)).filter(t::subject_id.eq_any(people));
                update(members.filter(t::answer.eq(Answer::Silent))).set(to).execute(&mut **c)?;
            }
        }
        Ok(())
    }

    /// Notes where a person in a round now stands.
    pub fn set_member_status(
        &mut self,
        scope: ControllerScope,
        campaign: CampaignId,
        subject: SubjectId,
        status: MemberStatus,
        reason: Option<Reason>,
    ) -> Result<(), StoreError> {
        use campaign_members::dsl as t;
        on!(self.writing(), c => diesel::update(t::campaign_members.find((scope.controller(), campaign, subject)))
            .set((t::status.eq(status), t::reason.eq(reason))).execute(c))?;
        Ok(())
    }
}
