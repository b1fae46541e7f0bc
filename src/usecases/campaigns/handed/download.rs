//! The download of a round's links, page by page. Who is on a page was let through by the gate in the transaction that
//! gave the page out; who was given a link has been asked, whether or not the file arrives, and gets the same link when it
//! is fetched again.

use crate::domain::campaign::{CampaignStatus, Delivery, EntryState};
use crate::domain::ids::{CampaignId, ControllerScope, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::store::campaigns::Campaign;
use crate::store::round_entries::RoundEntry;
use crate::store::{ReadTx, WriteTx};

use super::super::super::once::Asker;
use super::super::super::{Error, Services};
use super::super::create::find_campaign;
use super::{Records, Somebody, issue, left_out, open_people, record, token};

/// Somebody and their link. Holds a secret of the person's and does not print.
pub struct LinkLine {
    /// The address, as sent.
    pub address: String,
    /// The name, if one is on record.
    pub name: Option<String>,
    /// The whole link.
    pub link: String,
    /// Its token, which fits where the whole link does not.
    pub token: String,
}

/// A page, and after whom the next one begins.
pub struct LinkPage {
    /// The people.
    pub lines: Vec<LinkLine>,
    /// Where to go on; none on the last page.
    pub next: Option<SubjectId>,
}

/// The round whose links are wanted; the download is logged (SE-03).
pub async fn begin_links_download(services: &Services, asker: Asker, id: CampaignId) -> Result<Campaign, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let campaign = find_campaign(services, scope, id).await?;
    if campaign.delivery == Delivery::Mail {
        return Err(Error::field("delivery", "the links of this round go out in our own mails, and nowhere else"));
    }
    ready(services, &campaign)?;
    tracing::info!(target: "audit", token = %asker.token, campaign = %id, "the links of a round are being downloaded");
    Ok(campaign)
}

/// Links are given out only while they would be of use.
fn ready(services: &Services, campaign: &Campaign) -> Result<(), Error> {
    let now = services.clock.now();
    let begun = campaign.scheduled_at.is_none_or(|at| at <= now);
    match campaign.status {
        CampaignStatus::Running if campaign.frozen_at.is_some() && begun && campaign.deadline > now => Ok(()),
        CampaignStatus::Running | CampaignStatus::Launching | CampaignStatus::Draft => Err(Error::field(
            "status",
            "the links are there once the round is launched, its audience frozen and its time come",
        )),
        CampaignStatus::Paused | CampaignStatus::Closed | CampaignStatus::Cancelled => {
            Err(Error::field("status", format!("a round that is {} gives out no links", campaign.status)))
        }
    }
}

/// The next people of a round who may be asked now, with their links.
pub async fn links_page(
    services: &Services,
    scope: ControllerScope,
    id: CampaignId,
    after: Option<SubjectId>,
) -> Result<LinkPage, Error> {
    let (keys, signer) = (services.keys.of(scope).await?, services.keys.signer(scope).await?);
    let most = services.rules.pieces.audience;
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let read = move |tx: &mut ReadTx<'_>| {
        let entries = tx.round_entries_page(scope, id, after, limit)?;
        let next = entries.last().map(|entry| entry.subject_id).filter(|_| entries.len() == most);
        let alive = entries.into_iter().filter(|entry| entry.state != EntryState::Gone).collect();
        Ok::<_, Error>((open_people(tx, &keys, scope, alive)?, next))
    };
    let (people, next) = services.store.read(read).await?;
    let house = services.clone();
    let given = services
        .store
        .write(id.uuid(), move |tx: &mut WriteTx<'_>| give_out(tx, &house, scope, id, people.clone()))
        .await?;
    let line = |one: &Somebody| {
        let token = token(&signer, &one.entry)?;
        let link = format!("{}/{}/{token}", services.base_url, LinkAction::Answer.path());
        let name = one.person.name().ok().flatten().map(|name| name.as_str().to_owned());
        Some(LinkLine { address: one.person.address.as_sent(), name, link, token })
    };
    Ok(LinkPage { lines: given.iter().filter_map(line).collect(), next })
}

fn give_out(
    tx: &mut WriteTx<'_>,
    services: &Services,
    scope: ControllerScope,
    id: CampaignId,
    mut people: Vec<Somebody>,
) -> Result<Vec<Somebody>, Error> {
    let now = services.clock.now();
    let ids: Vec<SubjectId> = people.iter().map(|one| one.person.row.id).collect();
    tx.lock_people(&ids.iter().map(|id| (scope.controller(), *id)).collect::<Vec<_>>())?;
    let campaign = tx.campaign(scope, id)?;
    ready(services, &campaign)?;
    refresh(&mut people, tx.round_entries_of(scope, id, &ids)?);
    let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
    let wanted: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
    let records = Records::read(tx, scope, id, &people, &wanted)?;
    let (mut passed, mut refused, mut over) = (Vec::new(), Vec::new(), Vec::new());
    for one in people {
        match records.judge(&one, &purposes, now, &services.rules) {
            Ok(allowed) => passed.push((one, allowed)),
            // Whoever was asked has answered, or has stopped: the round knows of it already.
            Err(_) if one.entry.handed_at.is_some() || one.entry.state != EntryState::Waiting => {}
            Err(reason) => {
                over.push(left_out(&one));
                refused.push((one.person.row.id, reason));
            }
        }
    }
    issue(tx, services, &campaign, &mut passed, now)?;
    let mut given: Vec<Somebody> = passed.into_iter().map(|(one, _)| one).collect();
    let notice = tx.notice(scope, campaign.notice_id)?;
    let first: Vec<&Somebody> = given.iter().filter(|one| one.entry.handed_at.is_none()).collect();
    record::asked(tx, services, &campaign, &notice, &first, now)?;
    record::excluded(tx, &campaign, &refused)?;
    for one in &mut given {
        one.entry.handed_at.get_or_insert(now);
    }
    let entries: Vec<RoundEntry> = given.iter().map(|one| one.entry.clone()).chain(over).collect();
    tx.save_round_entries(&entries)?;
    Ok(given)
}

/// Puts entries as they stand now in the place of those read before the lock; who has left since is left out.
pub(super) fn refresh(people: &mut Vec<Somebody>, entries: Vec<RoundEntry>) {
    let mut now: std::collections::HashMap<SubjectId, RoundEntry> =
        entries.into_iter().map(|entry| (entry.subject_id, entry)).collect();
    people.retain_mut(|one| match now.remove(&one.entry.subject_id) {
        Some(entry) if entry.state != EntryState::Gone => {
            one.entry = entry;
            true
        }
        _ => false,
    });
}
