//! The life of a round: launch, pause, resume, cancel, and its end.

use crate::domain::campaign::{CampaignAct, CampaignStatus, Delivery};
use crate::domain::ids::{CampaignId, ControllerScope};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::campaigns::Campaign;
use crate::store::outbox::Task;
use crate::store::rows::ImportStatus;
use crate::store::{ReadTx, WriteTx};

use super::super::once::{Asker, OnceKey, write_once};
use super::super::{Error, Services};
use super::audience::count;
use super::create::find_campaign;

/// The lane of the task that freezes an audience; it has its kind to itself.
const LAUNCH_LANE: i16 = 1;

/// The lane of the task that sees to a round's list; it has its kind to itself.
pub(super) const ROUND_LANE: i16 = 1;

/// Launches a round. If nobody in its audience may be mailed it is refused, with the reasons (PR-02), and stays a draft.
pub async fn launch_campaign(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    id: CampaignId,
) -> Result<Campaign, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let campaign = find_campaign(services, scope, id).await?;
    // What is not a draft is either the same request once more or refused below.
    if campaign.status == CampaignStatus::Draft {
        permit_launch(services, scope, &campaign).await?;
    }
    let now = services.clock.now();
    write_once(services, asker, key, id.uuid(), move |tx: &mut WriteTx<'_>| {
        let mut campaign = tx.lock_campaign(scope, id)?;
        campaign.status = campaign.status.after(CampaignAct::Launch)?;
        campaign.launched_at = Some(now);
        tx.save_campaign_progress(&campaign)?;
        let due = campaign.scheduled_at.map_or(now, |at| at.max(now));
        tx.enqueue(&[Task::new(scope, TaskKind::Launch, id.uuid(), LAUNCH_LANE, due, now)])?;
        Ok(id)
    })
    .await?;
    find_campaign(services, scope, id).await
}

async fn permit_launch(services: &Services, scope: ControllerScope, campaign: &Campaign) -> Result<(), Error> {
    if campaign.deadline <= services.clock.now() {
        return Err(Error::field("deadline", "has passed"));
    }
    let imports = campaign.imports()?;
    let ready = move |tx: &mut ReadTx<'_>| {
        for id in imports {
            match tx.import(scope, id)?.status {
                ImportStatus::Done => {}
                // Whoever is not read yet would be missing from the audience without a word.
                ImportStatus::Receiving | ImportStatus::Queued | ImportStatus::Reading => {
                    return Err(Error::field("import_ids", format!("{id} is not read to its end yet")));
                }
                ImportStatus::Failed => return Err(Error::field("import_ids", format!("{id} could not be read"))),
            }
        }
        Ok(())
    };
    services.store.read(ready).await?;
    let counted = count(services, scope, campaign, true).await?;
    if counted.eligible == 0 {
        tracing::info!(campaign = %campaign.id, "a round was refused: nobody may be mailed");
        return Err(Error::NobodyToMail(counted.reasons()));
    }
    Ok(())
}

/// Pauses, resumes or cancels a round.
pub async fn act_on_campaign(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    id: CampaignId,
    act: CampaignAct,
) -> Result<Campaign, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let now = services.clock.now();
    write_once(services, asker, key, id.uuid(), move |tx: &mut WriteTx<'_>| {
        let mut campaign = tx.lock_campaign(scope, id)?;
        campaign.status = campaign.status.after(act)?;
        if act == CampaignAct::Cancel {
            campaign.closed_at = Some(now);
        }
        tx.save_campaign_progress(&campaign)?;
        see_to_list(tx, scope, &campaign, now)?;
        Ok(id)
    })
    .await?;
    find_campaign(services, scope, id).await
}

/// Asks for a round's list to be brought on: filled further, or emptied when the round is over.
fn see_to_list(tx: &mut WriteTx<'_>, scope: ControllerScope, campaign: &Campaign, now: Timestamp) -> Result<(), Error> {
    let concerned = campaign.delivery == Delivery::Provider && campaign.frozen_at.is_some();
    if concerned {
        tx.enqueue(&[Task::new(scope, TaskKind::Round, campaign.id.uuid(), ROUND_LANE, now, now)])?;
    }
    Ok(())
}

/// Closes rounds whose deadline has come; says how many. The silent keep what they had, and it runs to its own end
/// (RP-06); what is still queued ends at the gate.
pub async fn close_due(services: &Services, scope: ControllerScope, now: Timestamp) -> Result<usize, Error> {
    let most = services.rules.pieces.rounds_closed;
    let due = move |tx: &mut ReadTx<'_>| tx.campaigns_past_deadline(scope, now, most);
    let mut closed = 0;
    for id in services.store.read(due).await? {
        closed += services
            .store
            .write(id.uuid(), move |tx: &mut WriteTx<'_>| {
                let mut campaign = tx.lock_campaign(scope, id)?;
                // Closed or cancelled by somebody else since the look.
                let Ok(status) = campaign.status.after(CampaignAct::Close) else { return Ok(0) };
                campaign.status = status;
                campaign.closed_at = Some(now);
                tx.save_campaign_progress(&campaign)?;
                see_to_list(tx, scope, &campaign, now)?;
                Ok::<_, Error>(1)
            })
            .await?;
    }
    Ok(closed)
}
