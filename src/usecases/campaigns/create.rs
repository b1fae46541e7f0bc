//! Preparing a round: everything that could go wrong on the day of sending is looked at now.

use serde::{Deserialize, Serialize};

use crate::domain::campaign::{CampaignStatus, Delivery};
use crate::domain::ids::{CampaignId, ControllerScope, DestinationId, ImportId, NoticeId, SenderId};
use crate::domain::purpose::{Purpose, PurposeKind};
use crate::domain::time::Timestamp;
use crate::mail::lint::lint;
use crate::mail::{MailTemplate, check_template, default_repermission_template};
use crate::store::campaigns::Campaign;
use crate::store::policies::Notice;
use crate::store::round_entries::RoundList;
use crate::store::{ReadTx, WriteTx};

use super::super::error::FieldFault;
use super::super::once::{Asker, OnceKey, write_once};
use super::super::{Error, Services};
use super::preview::render_sample;

/// A round to be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewCampaign {
    /// What people call it.
    pub name: String,
    /// Purposes, by short name or id, in the order asked.
    pub purposes: Vec<String>,
    /// Uploads that make the audience.
    pub imports: Vec<ImportId>,
    /// The wording on the answer page.
    pub notice: NoticeId,
    /// In whose name.
    pub sender: SenderId,
    /// The mail's subject; the default text's when not given.
    pub subject: Option<String>,
    /// The line beside the subject; the default text's when not given.
    pub preheader: Option<String>,
    /// The mail's text; the default when not given.
    pub body: Option<String>,
    /// Who hands the links over.
    pub delivery: Delivery,
    /// At which destination, where the provider does.
    pub destination: Option<DestinationId>,
    /// Not before.
    pub scheduled_at: Option<Timestamp>,
    /// Answers count until then.
    pub deadline: Timestamp,
}

/// Prepares a round. Nothing is sent before it is launched.
pub async fn create_campaign(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewCampaign,
) -> Result<Campaign, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let house = services.clone();
    let made = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        let campaign = check(tx, &house, scope, &new)?;
        tx.insert_campaign(&campaign)?;
        if let Some(destination) = new.destination {
            let destination = tx.destination(scope, destination).map_err(Error::missing_reference("destination_id"))?;
            tx.insert_round_list(&RoundList {
                controller_id: scope.controller(),
                campaign_id: campaign.id,
                destination_id: destination.id,
                list_id: None,
                suppressed_page: Some(1),
                heard_at: None,
                emptied_at: None,
            })?;
        }
        Ok(campaign.id)
    })
    .await?;
    find_campaign(services, scope, made).await
}

/// One round.
pub async fn find_campaign(services: &Services, scope: ControllerScope, id: CampaignId) -> Result<Campaign, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.campaign(scope, id)).await?)
}

/// The list made for a round at the provider, if its links go to one.
pub async fn find_round_list(
    services: &Services,
    scope: ControllerScope,
    id: CampaignId,
) -> Result<Option<RoundList>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.round_list(scope, id)).await?)
}

/// A controller's rounds, newest first, before `before`.
pub async fn list_campaigns(
    services: &Services,
    scope: ControllerScope,
    before: Option<CampaignId>,
    limit: usize,
) -> Result<Vec<Campaign>, Error> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.campaigns(scope, before, limit)).await?)
}

fn check(
    tx: &mut ReadTx<'_>,
    services: &Services,
    scope: ControllerScope,
    new: &NewCampaign,
) -> Result<Campaign, Error> {
    let now = services.clock.now();
    check_times(new, now)?;
    if (new.delivery == Delivery::Provider) != new.destination.is_some() {
        return Err(Error::field("destination_id", "belongs to a round with the delivery `provider`, and to no other"));
    }
    let notice = tx.notice(scope, new.notice).map_err(Error::missing_reference("notice_id"))?;
    let sender = tx.sender(scope, new.sender).map_err(Error::missing_reference("sender_id"))?;
    let purposes = find_purposes(tx, scope, &new.purposes, &notice, services.rules.limits.campaign_purposes)?;
    let imports = find_imports(tx, scope, &new.imports, services.rules.limits.campaign_imports)?;
    let template = text(new, &notice.wording.language)?;
    let campaign = Campaign {
        controller_id: scope.controller(),
        id: CampaignId::from_uuid(services.ids.row()),
        name: new.name.trim().to_owned(),
        status: CampaignStatus::Draft,
        purposes: serde_json::to_string(&purposes.iter().map(|purpose| purpose.id).collect::<Vec<_>>())?,
        imports: serde_json::to_string(&imports)?,
        notice_id: notice.id,
        sender_id: sender.id,
        subject_line: template.subject,
        preheader: template.preheader,
        body: template.body,
        delivery: new.delivery,
        scheduled_at: new.scheduled_at,
        deadline: new.deadline,
        launched_at: None,
        frozen_at: None,
        freeze_cursor: None,
        audience_sha256: None,
        outsiders: 0,
        closed_at: None,
        created_at: now,
    };
    // Filled in once as each person's will be: what cannot be made now could not be made then.
    render_sample(tx, services, scope, &campaign)?;
    Ok(campaign)
}

fn check_times(new: &NewCampaign, now: Timestamp) -> Result<(), Error> {
    if new.deadline <= now {
        return Err(Error::field("deadline", "expected a moment that is still to come"));
    }
    if new.scheduled_at.is_some_and(|at| at >= new.deadline) {
        return Err(Error::field("deadline", "expected a moment after `scheduled_at`"));
    }
    Ok(())
}

fn find_purposes(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    wanted: &[String],
    notice: &Notice,
    most: usize,
) -> Result<Vec<Purpose>, Error> {
    if wanted.is_empty() || wanted.len() > most {
        return Err(Error::field("purposes", format!("expected 1 to {most}")));
    }
    let all = tx.purposes(scope)?;
    let mut found: Vec<Purpose> = Vec::with_capacity(wanted.len());
    let mut faults = Vec::new();
    for (index, name) in wanted.iter().enumerate() {
        let field = format!("purposes[{index}]");
        match all.iter().find(|purpose| purpose.slug.as_str() == name || purpose.id.to_string() == *name) {
            None => faults.push(FieldFault::new(field, "there is no purpose with this short name or id")),
            Some(purpose) if found.iter().any(|known| known.id == purpose.id) => {
                faults.push(FieldFault::new(field, "named twice"));
            }
            // The answer page shows the notice and can ask for nothing else.
            Some(purpose) if !notice.purposes.contains(&purpose.id) => {
                faults.push(FieldFault::new(field, "the notice does not have this purpose"));
            }
            Some(purpose) => found.push(purpose.clone()),
        }
    }
    if faults.is_empty() && !found.iter().any(|purpose| purpose.kind == PurposeKind::Marketing) {
        faults.push(FieldFault::new("purposes", "tracking alone is no ground for a mail (TR-01)"));
    }
    if faults.is_empty() { Ok(found) } else { Err(Error::Invalid(faults)) }
}

fn find_imports(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    wanted: &[ImportId],
    most: usize,
) -> Result<Vec<ImportId>, Error> {
    if wanted.is_empty() || wanted.len() > most {
        return Err(Error::field("import_ids", format!("expected 1 to {most}")));
    }
    let mut found: Vec<ImportId> = Vec::with_capacity(wanted.len());
    for id in wanted {
        tx.import(scope, *id).map_err(Error::missing_reference("import_ids"))?;
        if !found.contains(id) {
            found.push(*id);
        }
    }
    Ok(found)
}

/// The text as given, with the default for what was not, checked for form and for what it must not say (RP-07).
fn text(new: &NewCampaign, language: &str) -> Result<MailTemplate, Error> {
    let default = default_repermission_template(language);
    let template = MailTemplate {
        subject: new.subject.clone().unwrap_or(default.subject),
        preheader: new.preheader.clone().unwrap_or(default.preheader),
        body: new.body.clone().unwrap_or(default.body),
    };
    if let Err(problem) = template.check() {
        return Err(Error::field(faulty_field(&template), problem));
    }
    let findings = lint(&template);
    if findings.is_empty() {
        return Ok(template);
    }
    let faults =
        findings.iter().map(|found| FieldFault::new(found.field, format!("\"{}\": {}", found.words, found.why)));
    Err(Error::Invalid(faults.collect()))
}

/// Which of the texts a problem is in: the first that fails by itself.
fn faulty_field(template: &MailTemplate) -> &'static str {
    let subject = MailTemplate { preheader: String::new(), body: "x".to_owned(), ..template.clone() };
    if subject.check().is_err() {
        "subject"
    } else if check_template(&template.body).is_err() {
        "body"
    } else {
        "preheader"
    }
}
