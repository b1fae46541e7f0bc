//! Freezing an audience, piece by piece. A piece and the progress over it are one commit, so that a worker that is killed
//! leaves nothing half done, and the next one goes on where it stopped.

use std::sync::Arc;

use crate::crypto::secret::sha256;
use crate::domain::campaign::{Answer, CampaignAct, CampaignStatus, Delivery, EntryState, MemberStatus};
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{CampaignId, ControllerScope, MailId};
use crate::domain::mailing::{MailState, lane};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::campaigns::{Campaign, Member};
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::round_entries::RoundEntry;
use crate::store::{ReadTx, WriteTx};

use super::super::{Error, Services};
use super::audience::{Judged, Somebody, judge_people, next_people};
use super::life::ROUND_LANE;

/// Freezes the next people of a launched round: those the gate lets pass get a member's row, a mail and its task,
/// the others a member's row with the reason (RP-02). Says whether there is more to do.
pub async fn freeze_chunk(services: &Services, scope: ControllerScope, id: CampaignId) -> Result<bool, Error> {
    let (keys, most) = (services.keys.of(scope).await?, services.rules.pieces.audience);
    let piece = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let campaign = tx.campaign(scope, id)?;
            if !wants_freezing(&campaign) {
                return Ok::<_, Error>(None);
            }
            let imports = campaign.imports()?;
            let people = next_people(tx, &keys, scope, &imports, campaign.freeze_cursor, most)?;
            Ok(Some((campaign, people)))
        })
        .await?;
    let Some((seen, people)) = piece else { return Ok(false) };
    let (house, people) = (services.clone(), Arc::new(people));
    let more = services
        .store
        .write(id.uuid(), move |tx: &mut WriteTx<'_>| {
            let campaign = tx.lock_campaign(scope, id)?;
            if !wants_freezing(&campaign) {
                return Ok(false);
            }
            // Somebody else froze this piece in the meantime: look again.
            if campaign.freeze_cursor != seen.freeze_cursor {
                return Ok::<_, Error>(true);
            }
            freeze(tx, &house, scope, campaign, &people)
        })
        .await?;
    Ok(more)
}

/// A round that was paused meanwhile is still frozen, as its answers will count; one that is over is left as it is.
fn wants_freezing(campaign: &Campaign) -> bool {
    let alive = match campaign.status {
        CampaignStatus::Launching | CampaignStatus::Running | CampaignStatus::Paused => true,
        CampaignStatus::Draft | CampaignStatus::Closed | CampaignStatus::Cancelled => false,
    };
    alive && campaign.frozen_at.is_none()
}

fn freeze(
    tx: &mut WriteTx<'_>,
    services: &Services,
    scope: ControllerScope,
    mut campaign: Campaign,
    people: &[Somebody],
) -> Result<bool, Error> {
    let now = services.clock.now();
    let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
    let judged = judge_people(tx, scope, people, &purposes, now, &services.rules)?;
    let (mut members, mut mails, mut tasks) = (Vec::with_capacity(judged.len()), Vec::new(), Vec::new());
    let mut entries = Vec::new();
    let due = campaign.scheduled_at.map_or(now, |at| at.max(now));
    for one in &judged {
        let mut mail_id = None;
        if let Ok(purposes) = &one.verdict
            && campaign.delivery != Delivery::Mail
        {
            entries.push(new_entry(&campaign, one, serde_json::to_string(purposes)?));
        } else if let Ok(purposes) = &one.verdict {
            let mail = new_mail(services, &campaign, one, serde_json::to_string(purposes)?, now);
            tasks.push(Task::new(scope, TaskKind::Mail, mail.id.uuid(), lane(MailKind::Repermission), due, now));
            mail_id = Some(mail.id);
            mails.push(mail);
        }
        members.push(new_member(&campaign, one, mail_id));
    }
    tx.insert_members(&members)?;
    tx.insert_mails(&mails)?;
    tx.save_round_entries(&entries)?;
    tx.enqueue(&tasks)?;
    campaign.audience_sha256 = Some(snapshot(campaign.audience_sha256.as_deref(), &members));
    campaign.freeze_cursor = members.last().map(|member| member.subject_id).or(campaign.freeze_cursor);
    let more = people.len() == services.rules.pieces.audience;
    if !more {
        let outsiders = tx.import_outsiders(scope, &campaign.imports()?)?;
        campaign.outsiders = i32::try_from(outsiders).unwrap_or(i32::MAX);
        campaign.frozen_at = Some(now);
        // A round that was paused and resumed before it was frozen is running already.
        if campaign.status != CampaignStatus::Running {
            campaign.status = campaign.status.after(CampaignAct::Frozen)?;
        }
        if campaign.delivery == Delivery::Provider {
            tx.enqueue(&[Task::new(scope, TaskKind::Round, campaign.id.uuid(), ROUND_LANE, due, now)])?;
        }
        tracing::info!(campaign = %campaign.id, "an audience is frozen");
    }
    tx.save_campaign_progress(&campaign)?;
    Ok(more)
}

/// Somebody whose link others hand over: it is issued when it leaves the house.
fn new_entry(campaign: &Campaign, one: &Judged, purposes: String) -> RoundEntry {
    RoundEntry {
        controller_id: campaign.controller_id,
        campaign_id: campaign.id,
        subject_id: one.subject,
        state: EntryState::Waiting,
        purposes,
        link_id: None,
        expires_at: None,
        handed_at: None,
    }
}

fn new_mail(services: &Services, campaign: &Campaign, one: &Judged, purposes: String, now: Timestamp) -> Mail {
    Mail {
        controller_id: campaign.controller_id,
        id: MailId::from_uuid(services.ids.row()),
        kind: MailKind::Repermission,
        subject_id: one.subject,
        campaign_id: Some(campaign.id),
        form_id: None,
        sender_id: campaign.sender_id,
        notice_id: campaign.notice_id,
        purposes,
        state: MailState::Queued,
        lost: 0,
        frozen: None,
        reason: None,
        reply: None,
        origin_mark: None,
        place_at: None,
        created_at: now,
        settled_at: None,
    }
}

fn new_member(campaign: &Campaign, one: &Judged, mail_id: Option<MailId>) -> Member {
    let reason = one.verdict.as_ref().err().copied();
    Member {
        controller_id: campaign.controller_id,
        campaign_id: campaign.id,
        subject_id: one.subject,
        status: if reason.is_some() { MemberStatus::Excluded } else { MemberStatus::Queued },
        reason,
        mail_id,
        answer: Answer::Silent,
        answered_at: None,
    }
}

/// SHA-256 over the members as they were frozen, in the order of their ids: each member's line
/// `subject|status|reason` is hashed behind the hash of all before. The size of the pieces does not show in it.
fn snapshot(before: Option<&[u8]>, members: &[Member]) -> Vec<u8> {
    let mut hash = before.map(<[u8]>::to_vec).unwrap_or_default();
    for member in members {
        let reason = member.reason.map_or("", Reason::name);
        hash.extend_from_slice(format!("{}|{}|{reason}", member.subject_id, member.status).as_bytes());
        hash = sha256(&hash).to_vec();
    }
    hash
}
