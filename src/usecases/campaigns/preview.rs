//! The mail of a round as one person would get it, with a sample for the person.

use crate::domain::basis::BasisKind;
use crate::domain::ids::{CampaignId, ControllerScope};
use crate::domain::link::LinkAction;
use crate::mail::phrases::for_language;
use crate::mail::render::repermission;
use crate::mail::{MailTemplate, Recipient, RenderError, Rendered, RepermissionContext, RepermissionTerms};
use crate::store::ReadTx;
use crate::store::campaigns::Campaign;

use super::super::{Error, Services};

/// The name of the sample person.
const SAMPLE_NAME: &str = "Ana";
/// Stands where a real mail has a signed token; it opens nothing.
const SAMPLE_TOKEN: &str = "sample";

/// Renders the mail of a round for a sample person.
pub async fn preview_campaign(services: &Services, scope: ControllerScope, id: CampaignId) -> Result<Rendered, Error> {
    let house = services.clone();
    let render = move |tx: &mut ReadTx<'_>| {
        let campaign = tx.campaign(scope, id)?;
        render_sample(tx, &house, scope, &campaign)
    };
    services.store.read(render).await
}

/// The mail of a round, filled in for a sample person.
pub(super) fn render_sample(
    tx: &mut ReadTx<'_>,
    services: &Services,
    scope: ControllerScope,
    campaign: &Campaign,
) -> Result<Rendered, Error> {
    let controller = tx.controller(scope)?;
    let sender = tx.sender(scope, campaign.sender_id)?;
    let notice = tx.notice(scope, campaign.notice_id)?;
    let policy = tx.policy_version(scope, notice.policy_version)?;
    let purposes = tx.purposes_in_order(scope, &campaign.purposes()?)?;
    let phrases = for_language(&notice.wording.language);
    let link = |action: LinkAction| format!("{}/{}/{SAMPLE_TOKEN}", services.base_url, action.path());
    let to = Recipient {
        name: SAMPLE_NAME.to_owned(),
        answer_link: link(LinkAction::Answer),
        withdraw_link: link(LinkAction::Withdraw),
        basis: phrases.basis(BasisKind::Consent.name(), &controller.name, None),
    };
    let terms = RepermissionTerms {
        language: notice.wording.language,
        controller: controller.name,
        postal: sender.postal,
        reply_address: sender.reply_to.unwrap_or(sender.address),
        purposes: purposes.into_iter().map(|purpose| purpose.label).collect(),
        policy_link: format!("{}/policies/{}", services.base_url, policy.id),
        policy_label: policy.label,
        deadline: phrases.date(campaign.deadline.micros()).unwrap_or_default(),
    };
    let template = MailTemplate {
        subject: campaign.subject_line.clone(),
        preheader: campaign.preheader.clone(),
        body: campaign.body.clone(),
    };
    repermission(&template, &RepermissionContext { terms, to }).map_err(|error| match error {
        RenderError::Layout(_) | RenderError::BadLink(_) => {
            Error::Internal(format!("a sample could not be made: {error}"))
        }
        RenderError::Missing("postal") => Error::field("sender_id", "the sender has no postal address"),
        RenderError::Missing("subject") => Error::field("subject", error),
        RenderError::Template(_) | RenderError::Missing(_) | RenderError::TooLarge => Error::field("body", error),
    })
}
