//! Drafting: what a mail says, to whom, with which links; rendered once, and from then on the same bytes.

use std::sync::Arc;

use crate::crypto::ControllerKeys;
use crate::domain::basis::BasisKind;
use crate::domain::consent::Standing;
use crate::domain::gate::MailKind;
use crate::domain::ids::{LinkId, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::links::{Claims, SigningKey};
use crate::mail::message::{ListId, Unsubscribe};
use crate::mail::phrases::{Phrases, for_language};
use crate::mail::render::{confirmation, repermission};
use crate::mail::{
    ConfirmationContext, Envelope, Kind, MailTemplate, Outgoing, Rendered, RepermissionContext, compose, message_id,
};
use crate::store::ReadTx;
use crate::store::campaigns::Campaign;
use crate::store::controllers::Controller;
use crate::store::links::Link;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::policies::{Notice, PolicyVersion};
use crate::store::sites::Sender;

use super::super::permission::permitted;
use super::super::record::Person;
use super::super::{Error, Services};
use super::{keys, open_mail};

/// A mail that could be sent, if the gate agrees.
#[derive(Debug)]
pub struct Draft {
    pub(super) keys: Arc<ControllerKeys>,
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
    pub(super) sealed: Vec<u8>,
    pub(super) links: Vec<Link>,
    pub(super) purposes: Vec<Purpose>,
    pub(super) asked: Vec<PurposeId>,
    pub(super) hold_uncertain: bool,
    subject: SubjectId,
}

impl Draft {
    pub(super) const fn subject(&self) -> SubjectId {
        self.subject
    }
}

/// Everything that a mail is made from.
struct Material {
    mail: Mail,
    person: Person,
    controller: Controller,
    sender: Sender,
    notice: Notice,
    policy: PolicyVersion,
    purposes: Vec<Purpose>,
    asked: Vec<PurposeId>,
    campaign: Option<Campaign>,
    basis: Option<(BasisKind, Option<Timestamp>)>,
}

/// `None` when the mail is over or gone, or when the gate's answer alone matters: [`super::hand_over`] then still has
/// to run, so a draft without bytes is made.
pub(super) async fn draft(services: &Services, task: &Task, smtputf8: bool) -> Result<Option<Draft>, Error> {
    let keys = keys(services, task).await?;
    let signer = services.keys.signer(task.scope()).await?;
    let (wanted, opened, rules, now) =
        (task.clone(), Arc::clone(&keys), Arc::clone(&services.rules), services.clock.now());
    let material = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let Some(mail) = open_mail(tx, &wanted)? else { return Ok(None) };
            let scope = wanted.scope();
            let subject = tx.subject(scope, mail.subject_id)?;
            if subject.erased_at.is_some() {
                return Ok::<_, Error>(None);
            }
            let person = Person::open(scope, &opened, subject)?;
            let purposes = tx.purposes_in_order(scope, &mail.purposes()?)?;
            let campaign = mail.campaign_id.map(|id| tx.campaign(scope, id)).transpose()?;
            // A mail that will not go out now is not rendered in vain; the hand-over says why.
            let held = campaign.as_ref().is_some_and(|round| !round.status.sends() || round.deadline <= now);
            let asked = match held && mail.frozen.is_none() {
                true => Vec::new(),
                false => permitted(tx, &opened, &person, mail.kind, &purposes, now, &rules)?.unwrap_or_default(),
            };
            let notice = tx.notice(scope, mail.notice_id)?;
            let policy = tx.policy_version(scope, notice.policy_version)?;
            let standings = tx.consents_among(scope, &[person.row.id], &asked)?;
            let basis =
                standings.first().map(crate::store::consents::Consent::standing).map(|s: Standing| match s.basis {
                    Some(basis) if !s.state.is_valid() => (basis.kind, basis.collected_at),
                    _ => (BasisKind::Consent, None),
                });
            let controller = tx.controller(scope)?;
            let sender = tx.sender(scope, mail.sender_id)?;
            Ok(Some(Material { mail, person, controller, sender, notice, policy, purposes, asked, campaign, basis }))
        })
        .await?;
    let Some(material) = material else { return Ok(None) };
    make(services, keys, &signer, material, smtputf8).map(Some)
}

fn make(
    services: &Services,
    keys: Arc<ControllerKeys>,
    signer: &SigningKey,
    material: Material,
    smtputf8: bool,
) -> Result<Draft, Error> {
    let mail = &material.mail;
    let to = material.person.address.as_sent();
    let envelope = Envelope::parse(&material.sender.address, &to)
        .map_err(|error| Error::Internal(format!("an address does not fit: {error}")))?;
    let (bytes, sealed, links) = match &mail.frozen {
        Some(sealed) => {
            let bytes = material.person.key.open("mails", "frozen", mail.id.uuid(), sealed)?.to_vec();
            (bytes, sealed.clone(), Vec::new())
        }
        // Nothing may be asked: the gate will say why, and no bytes are needed.
        None if material.asked.is_empty() => (Vec::new(), Vec::new(), Vec::new()),
        None => {
            let (bytes, links) = render(services, &keys, signer, &material, &to, smtputf8)?;
            let sealed = material.person.key.seal("mails", "frozen", mail.id.uuid(), &bytes);
            (bytes, sealed, links)
        }
    };
    Ok(Draft {
        keys,
        envelope,
        bytes,
        sealed,
        links,
        purposes: material.purposes,
        asked: material.asked,
        hold_uncertain: material.controller.hold_uncertain,
        subject: material.mail.subject_id,
    })
}

/// A link's record and the address that goes into the mail.
fn link(
    services: &Services,
    signer: &SigningKey,
    material: &Material,
    action: LinkAction,
    expires_at: Option<Timestamp>,
) -> Result<(Link, String), Error> {
    let id = LinkId::from_uuid(services.ids.random());
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

fn render(
    services: &Services,
    keys: &ControllerKeys,
    signer: &SigningKey,
    material: &Material,
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
    let (rendered, links, withdraw) = match material.mail.kind {
        MailKind::Confirmation => {
            let end = now.plus(services.rules.confirm_link_ttl);
            let (confirm, confirm_link) = link(services, signer, material, LinkAction::Confirm, Some(end))?;
            let not_me_end = now.plus(services.rules.answer_link_max_ttl);
            let (not_me, not_me_link) = link(services, signer, material, LinkAction::NotMe, Some(not_me_end))?;
            let context = confirmation_context(services, material, phrases, to, labels, end, confirm_link, not_me_link);
            (confirmation(&context).map_err(|e| failed(&e))?, vec![confirm, not_me], None)
        }
        MailKind::Repermission => {
            let campaign = material
                .campaign
                .as_ref()
                .ok_or_else(|| Error::Internal("a re-permission mail without a round".into()))?;
            let end = campaign.deadline.min(now.plus(services.rules.answer_link_max_ttl));
            let (answer, answer_link) = link(services, signer, material, LinkAction::Answer, Some(end))?;
            let (stop, withdraw_link) = link(services, signer, material, LinkAction::Withdraw, None)?;
            let template = MailTemplate {
                subject: campaign.subject_line.clone(),
                preheader: campaign.preheader.clone(),
                body: campaign.body.clone(),
            };
            let context =
                repermission_context(services, material, phrases, labels, end, answer_link, withdraw_link.clone())?;
            (repermission(&template, &context).map_err(|e| failed(&e))?, vec![answer, stop], Some(withdraw_link))
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
    let Rendered { subject, html, text } = &rendered;
    let bytes = compose(&Outgoing {
        kind,
        from_name: &material.sender.name,
        from_address: &material.sender.address,
        to,
        reply_to: material.sender.reply_to.as_deref(),
        subject,
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
pub(in super::super) fn policy_link(services: &Services, policy: &PolicyVersion) -> String {
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

fn repermission_context(
    services: &Services,
    material: &Material,
    phrases: &Phrases,
    purposes: Vec<String>,
    end: Timestamp,
    answer_link: String,
    withdraw_link: String,
) -> Result<RepermissionContext, Error> {
    let name = material.person.name()?.map(|name| name.as_str().to_owned()).unwrap_or_default();
    Ok(RepermissionContext {
        language: material.notice.wording.language.clone(),
        name,
        controller: material.controller.name.clone(),
        postal: material.sender.postal.clone(),
        reply_address: material.sender.reply_to.clone().unwrap_or_else(|| material.sender.address.clone()),
        purposes,
        answer_link,
        withdraw_link,
        policy_link: policy_link(services, &material.policy),
        policy_label: phrases.policy_version(&material.policy.label),
        deadline: phrases.date(end.micros()).unwrap_or_default(),
        basis: phrases.basis(
            material.basis.map_or("consent", |(kind, _)| kind.name()),
            &material.controller.name,
            material.basis.and_then(|(_, collected)| collected).map(|at| at.micros()),
        ),
    })
}
