//! Rendering: from what is on record to bytes and links.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::crypto::ControllerKeys;
use crate::domain::gate::MailKind;
use crate::domain::ids::{CampaignId, LinkId};
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::links::{Claims, SigningKey};
use crate::mail::message::Filled;
use crate::mail::message::{ListId, Unsubscribe};
use crate::mail::phrases::{Phrases, for_language};
use crate::mail::render::{address_change, confirmation};
use crate::mail::{
    AddressChangeContext, Body, Cast, ConfirmationContext, Kind, MailTemplate, Mould, Outgoing, Recipient, RenderError,
    RepermissionTerms, compose, message_id,
};
use crate::store::campaigns::Campaign;
use crate::store::links::Link;
use crate::store::policies::PolicyVersion;

use super::super::super::{Error, Services};
use super::Material;

/// What the mails of a batch have in common, rendered and encoded once: by the round's words, the terms, and whether
/// people are greeted by name.
#[derive(Default)]
pub(super) struct Casts(HashMap<(CampaignId, RepermissionTerms, bool), Cast>);

impl Casts {
    fn of(&mut self, campaign: &Campaign, terms: RepermissionTerms, named: bool) -> Result<&Cast, RenderError> {
        match self.0.entry((campaign.id, terms, named)) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(place) => {
                let template = MailTemplate {
                    subject: campaign.subject_line.clone(),
                    preheader: campaign.preheader.clone(),
                    body: campaign.body.clone(),
                };
                let cast = Cast::new(Mould::new(&template, &place.key().1, named)?);
                Ok(place.insert(cast))
            }
        }
    }
}

/// A link's record and the address that goes into the mail.
fn link(
    services: &Services,
    signer: &SigningKey,
    material: &Material,
    action: LinkAction,
    expires_at: Option<Timestamp>,
) -> Result<(Link, String), Error> {
    link_of(services, signer, material, action, LinkId::from_uuid(services.ids.random()), expires_at)
}

/// [`link`] with an id that is known already.
fn link_of(
    services: &Services,
    signer: &SigningKey,
    material: &Material,
    action: LinkAction,
    id: LinkId,
    expires_at: Option<Timestamp>,
) -> Result<(Link, String), Error> {
    let claims = match expires_at {
        Some(end) => Claims::until(action, id, end),
        None => Claims::withdrawal(id),
    };
    let record = Link {
        controller_id: material.controller.id,
        id,
        action,
        subject_id: material.mail.subject_id,
        purposes: serde_json::to_string(&material.asked)?,
        notice_id: Some(material.notice.id),
        campaign_id: material.mail.campaign_id,
        form_id: material.mail.form_id,
        on_site: false,
        created_at: services.clock.now(),
        expires_at,
        superseded_at: None,
        used_at: None,
        answer: None,
    };
    Ok((record, format!("{}/{}/{}", services.base_url, action.path(), signer.sign(&claims))))
}

pub(super) fn render(
    services: &Services,
    keys: &ControllerKeys,
    signer: &SigningKey,
    material: &Material,
    casts: &mut Casts,
    to: &str,
    smtputf8: bool,
) -> Result<(Vec<u8>, Vec<Link>), Error> {
    let now = services.clock.now();
    let phrases = for_language(&material.notice.wording.language);
    let labels: Vec<String> =
        material.purposes.iter().filter(|p| material.asked.contains(&p.id)).map(|p| p.label.clone()).collect();
    let domain = material.sender.address.rsplit('@').next().unwrap_or("localhost").to_owned();
    let message_id = message_id(keys.names_key().bytes(), material.mail.id.uuid().as_bytes(), &domain);
    let failed = |error: &dyn std::fmt::Display| Error::Internal(format!("a mail could not be made: {error}"));
    let confirmed;
    let (filled, links, withdraw) = match material.mail.kind {
        MailKind::Confirmation => {
            let end = now.plus(services.rules.confirm_link_ttl);
            let (confirm, confirm_link) = link(services, signer, material, LinkAction::Confirm, Some(end))?;
            let not_me_end = now.plus(services.rules.answer_link_max_ttl);
            let (not_me, not_me_link) = link(services, signer, material, LinkAction::NotMe, Some(not_me_end))?;
            let context = confirmation_context(services, material, phrases, to, labels, end, confirm_link, not_me_link);
            confirmed = confirmation(&context).map_err(|e| failed(&e))?;
            let (text, html) = (Body::Text(&confirmed.text), Body::Text(&confirmed.html));
            (Filled { subject: confirmed.subject.clone(), text, html }, vec![confirm, not_me], None)
        }
        MailKind::AddressChange => {
            let change = material
                .change
                .as_ref()
                .ok_or_else(|| Error::Internal("a mail about a change of address without one".into()))?;
            let end = change.expires_at;
            let (record, move_link) = link_of(services, signer, material, LinkAction::Move, change.id, Some(end))?;
            let context = address_change_context(services, material, phrases, to, end, move_link);
            confirmed = address_change(&context).map_err(|e| failed(&e))?;
            let (text, html) = (Body::Text(&confirmed.text), Body::Text(&confirmed.html));
            (Filled { subject: confirmed.subject.clone(), text, html }, vec![record], None)
        }
        MailKind::Repermission => {
            let campaign = material
                .campaign
                .as_ref()
                .ok_or_else(|| Error::Internal("a re-permission mail without a round".into()))?;
            let end = campaign.deadline.min(now.plus(services.rules.answer_link_max_ttl));
            let (answer, answer_link) = link(services, signer, material, LinkAction::Answer, Some(end))?;
            let (stop, withdraw_link) = link(services, signer, material, LinkAction::Withdraw, None)?;
            let terms = terms(services, material, phrases, labels, end);
            let to = recipient(material, phrases, answer_link, withdraw_link)?;
            let cast = casts.of(campaign, terms, to.is_named()).map_err(|e| failed(&e))?;
            let filled = cast.fill(&to).map_err(|e| failed(&e))?;
            (filled, vec![answer, stop], Some(to.withdraw_link))
        }
    };
    let list_id = format!("{}.list-id.{domain}", material.controller.slug);
    let kind = match &withdraw {
        Some(https) => Kind::Repermission {
            unsubscribe: Unsubscribe { https, mailto: None },
            list_id: ListId { phrase: &material.controller.name, id: &list_id },
            feedback_id: None,
        },
        None => Kind::Confirmation,
    };
    let Filled { subject, html, text } = filled;
    let bytes = compose(&Outgoing {
        kind,
        from_name: &material.sender.name,
        from_address: &material.sender.address,
        to,
        reply_to: material.sender.reply_to.as_deref(),
        subject: &subject,
        html,
        text,
        date: now.micros(),
        message_id: &message_id,
        boundary_seed: material.mail.id.uuid().as_bytes(),
        smtputf8,
    })
    .map_err(|e| failed(&e))?;
    Ok((bytes, links))
}

/// Where the policy version can be read, byte for byte as it was.
fn policy_link(services: &Services, policy: &PolicyVersion) -> String {
    format!("{}/policies/{}", services.base_url, policy.id)
}

#[allow(clippy::too_many_arguments, reason = "each is a part of one sentence of the mail")]
fn confirmation_context(
    services: &Services,
    material: &Material,
    phrases: &Phrases,
    to: &str,
    purposes: Vec<String>,
    end: Timestamp,
    confirm_link: String,
    not_me_link: String,
) -> ConfirmationContext {
    ConfirmationContext {
        language: material.notice.wording.language.clone(),
        address: to.to_owned(),
        site: material.controller.name.clone(),
        controller: material.controller.name.clone(),
        postal: material.sender.postal.clone(),
        reply_address: material.sender.reply_to.clone().unwrap_or_else(|| material.sender.address.clone()),
        purposes,
        requested_at: phrases.moment(material.mail.created_at.micros()).unwrap_or_default(),
        valid_until: phrases.moment(end.micros()).unwrap_or_default(),
        confirm_link,
        not_me_link,
        policy_link: policy_link(services, &material.policy),
        policy_label: phrases.policy_version(&material.policy.label),
    }
}

fn address_change_context(
    services: &Services,
    material: &Material,
    phrases: &Phrases,
    to: &str,
    end: Timestamp,
    move_link: String,
) -> AddressChangeContext {
    AddressChangeContext {
        language: material.notice.wording.language.clone(),
        address: to.to_owned(),
        masked_old: material.person.address.masked(),
        controller: material.controller.name.clone(),
        postal: material.sender.postal.clone(),
        reply_address: material.sender.reply_to.clone().unwrap_or_else(|| material.sender.address.clone()),
        requested_at: phrases.moment(material.mail.created_at.micros()).unwrap_or_default(),
        valid_until: phrases.moment(end.micros()).unwrap_or_default(),
        move_link,
        policy_link: policy_link(services, &material.policy),
        policy_label: phrases.policy_version(&material.policy.label),
    }
}

/// What the mail says to all who are asked for this.
fn terms(
    services: &Services,
    material: &Material,
    phrases: &Phrases,
    purposes: Vec<String>,
    end: Timestamp,
) -> RepermissionTerms {
    RepermissionTerms {
        language: material.notice.wording.language.clone(),
        controller: material.controller.name.clone(),
        postal: material.sender.postal.clone(),
        reply_address: material.sender.reply_to.clone().unwrap_or_else(|| material.sender.address.clone()),
        purposes,
        policy_link: policy_link(services, &material.policy),
        policy_label: phrases.policy_version(&material.policy.label),
        deadline: phrases.date(end.micros()).unwrap_or_default(),
    }
}

/// What it says to this person alone.
fn recipient(
    material: &Material,
    phrases: &Phrases,
    answer_link: String,
    withdraw_link: String,
) -> Result<Recipient, Error> {
    let basis = phrases.basis(
        material.basis.map_or("consent", |(kind, _)| kind.name()),
        &material.controller.name,
        material.basis.and_then(|(_, collected)| collected).map(|at| at.micros()),
    );
    let name = material.person.name()?.map(|name| name.as_str().to_owned()).unwrap_or_default();
    Ok(Recipient { name, answer_link, withdraw_link, basis })
}
