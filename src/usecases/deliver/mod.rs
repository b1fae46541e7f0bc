//! One mail, from the outbox to the relay and back (R-40 to R-51): draft it, pass the gate and commit the hand-over,
//! let the caller speak to the relay, and settle what came of it.
//!
//! ```text
//! draft ──> hand_over ──────> (relay) ──> settle
//!           gate + `handing_over`,        accepted | deferred | bounced | uncertain | parked
//!           frozen bytes, links:          one commit, only while the claim is still ours
//!           one commit
//! ```
//!
//! A worker that finds `handing_over` on a mail it claims knows that another died there: the mail may have been sent,
//! and it is treated as one whose answer was lost (R-43).

mod draft;
mod settle;

pub use draft::Draft;
pub use settle::{Attempted, settle};

use std::sync::Arc;
use std::time::Duration;

use crate::crypto::ControllerKeys;
use crate::domain::campaign::{CampaignStatus, MemberStatus};
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{MailId, PurposeId};
use crate::domain::mailing::MailState;
use crate::domain::time::Timestamp;
use crate::mail::Envelope;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::permission::permitted;
use super::record::Person;
use super::{Error, Services};

/// A mail that is committed to be handed over; nobody else holds it.
#[derive(Debug)]
pub struct Ready {
    /// From whom, to whom.
    pub envelope: Envelope,
    /// The frozen bytes (R-41).
    pub bytes: Vec<u8>,
    /// What is known of it, for settling.
    pub mail: Mail,
}

/// What came of the attempt to hand over.
#[derive(Debug)]
pub enum HandOver {
    /// Send it now: the gate said yes a moment ago.
    Send(Box<Ready>),
    /// The gate said no; the mail is over.
    Cancelled(Reason),
    /// Not now: the round is paused, or what may be asked has changed since the draft.
    Postponed,
    /// Another worker has it, or it is gone.
    NotOurs,
    /// An answer was lost and the policy is to leave it (R-43).
    Held,
}

/// Times and caps of handing over.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a claim holds from the hand-over on: longer than the relay may take over the final dot (R-45).
    pub lease: Duration,
    /// When a mail of a paused round is looked at again.
    pub paused_look: Duration,
}

/// Drafts a claimed mail: reads what it says and to whom, and renders it unless it is frozen already.
pub async fn draft(services: &Services, task: &Task, smtputf8: bool) -> Result<Option<Draft>, Error> {
    draft::draft(services, task, smtputf8).await
}

/// Runs the gate and commits the hand-over in one transaction (RP-05).
pub async fn hand_over(services: &Services, task: &Task, draft: Draft, pace: Pace) -> Result<HandOver, Error> {
    let work = Handing { services: services.clone(), task: task.clone(), draft: Arc::new(draft), pace };
    services.store.write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| work.run(tx)).await
}

struct Handing {
    services: Services,
    task: Task,
    draft: Arc<Draft>,
    pace: Pace,
}

impl Handing {
    fn run(&self, tx: &mut WriteTx<'_>) -> Result<HandOver, Error> {
        let (scope, now) = (self.task.scope(), self.services.clock.now());
        let id = MailId::from_uuid(self.task.reference.uuid());
        // The person first, as everywhere, so that transactions lock in one order.
        let row = tx.lock_subject(scope, self.draft.subject())?;
        if !tx.extend_lease(&self.task, self.pace.lease)? {
            return Ok(HandOver::NotOurs);
        }
        let mail = match tx.lock_mail(scope, id) {
            Ok(mail) => mail,
            Err(StoreError::NotFound) => {
                tx.finish(&self.task, now)?;
                return Ok(HandOver::NotOurs);
            }
            Err(error) => return Err(error.into()),
        };
        if mail.state.is_final() {
            tx.finish(&self.task, now)?;
            return Ok(HandOver::NotOurs);
        }
        if row.erased_at.is_some() {
            return self.cancel(tx, &mail, Reason::Erased, now);
        }
        let person = Person::open(scope, &self.draft.keys, row)?;
        if let Some(stopped) = self.round(tx, &mail, now)? {
            return Ok(stopped);
        }
        let mut mail = mail;
        if mail.state == MailState::HandingOver {
            // Somebody died between this commit and the next: sent, perhaps.
            mail.lost += 1;
            if self.draft.hold_uncertain || mail.lost > 1 {
                tx.settle_mail(scope, id, MailState::Uncertain, mail.lost, mail.reply.as_deref(), Some(now))?;
                if let Some(campaign) = mail.campaign_id {
                    tx.set_member_status(scope, campaign, mail.subject_id, MemberStatus::Held, None)?;
                }
                tx.finish(&self.task, now)?;
                return Ok(HandOver::Held);
            }
            tx.settle_mail(scope, id, MailState::HandingOver, mail.lost, mail.reply.as_deref(), None)?;
        }
        let allowed =
            match permitted(tx, &self.draft.keys, &person, mail.kind, &self.draft.purposes, now, &self.services.rules)?
            {
                Ok(allowed) => allowed,
                Err(reason) => return self.cancel(tx, &mail, reason, now),
            };
        // What the bytes ask about, or will.
        let asked = if mail.frozen.is_some() { mail.purposes()? } else { self.draft.asked.clone() };
        if allowed != asked {
            if mail.frozen.is_some() {
                // The bytes ask for more than may be asked now, and frozen bytes are not changed (R-41).
                let reason = self.why_not(tx, &person, &mail, &allowed, now)?;
                return self.cancel(tx, &mail, reason, now);
            }
            tx.postpone(&self.task, now)?;
            return Ok(HandOver::Postponed);
        }
        if mail.frozen.is_none() {
            if mail.kind == MailKind::Confirmation
                && let Some(reason) = self.capped(tx, &person, &mail, now)?
            {
                return self.cancel(tx, &mail, reason, now);
            }
            self.write_links(tx, &mail, now)?;
        }
        let purposes = serde_json::to_string(&asked)?;
        tx.hand_over_mail(scope, id, &self.draft.sealed, &purposes)?;
        Ok(HandOver::Send(Box::new(Ready {
            envelope: self.draft.envelope.clone(),
            bytes: self.draft.bytes.clone(),
            mail,
        })))
    }

    /// The reason of the first purpose that the bytes ask about and that may no longer be asked.
    fn why_not(
        &self,
        tx: &mut WriteTx<'_>,
        person: &Person,
        mail: &Mail,
        allowed: &[PurposeId],
        now: Timestamp,
    ) -> Result<Reason, Error> {
        let rules = &self.services.rules;
        for purpose in self.draft.purposes.iter().filter(|purpose| !allowed.contains(&purpose.id)) {
            let alone = std::slice::from_ref(purpose);
            if let Err(reason) = permitted(tx, &self.draft.keys, person, mail.kind, alone, now, rules)? {
                return Ok(reason);
            }
        }
        Ok(Reason::OptedOut)
    }

    /// A mail of a round goes out only while the round runs and before its deadline.
    fn round(&self, tx: &mut WriteTx<'_>, mail: &Mail, now: Timestamp) -> Result<Option<HandOver>, Error> {
        let Some(id) = mail.campaign_id else { return Ok(None) };
        let campaign = tx.campaign(self.task.scope(), id)?;
        if campaign.status == CampaignStatus::Paused && campaign.deadline > now {
            tx.postpone(&self.task, now.plus(self.pace.paused_look))?;
            return Ok(Some(HandOver::Postponed));
        }
        if !campaign.status.sends() || campaign.deadline <= now {
            return self.cancel(tx, mail, Reason::RoundOver, now).map(Some);
        }
        Ok(None)
    }

    /// DO-06 and R-21: per form and address, per controller and address, per mailbox over all controllers, per network
    /// and per form. The visitor's answer is the same whatever this says.
    fn capped(
        &self,
        tx: &mut WriteTx<'_>,
        person: &Person,
        mail: &Mail,
        now: Timestamp,
    ) -> Result<Option<Reason>, Error> {
        let rules = &self.services.rules;
        let day = Duration::from_secs(86_400);
        let since = now.minus(day.max(rules.confirmation_gap));
        let recent = tx.mails_handed_over_since(person.scope, person.row.id, MailKind::Confirmation, since)?;
        let same_form = recent
            .iter()
            .any(|m| m.id != mail.id && m.form_id == mail.form_id && m.created_at > now.minus(rules.confirmation_gap));
        let today = recent.iter().filter(|m| m.id != mail.id && m.created_at > now.minus(day)).count();
        if same_form || today >= usize::try_from(rules.confirmations_per_controller_day).unwrap_or(usize::MAX) {
            return Ok(Some(Reason::Capped));
        }
        let day_number = now.seconds().div_euclid(86_400);
        let mark = super::caps::mailbox_mark(&self.services, day_number, &person.address);
        let mails = tx.count_mail_to(&mark, day_number)?;
        let over = |mails: i32, most: u32| mails > i32::try_from(most).unwrap_or(i32::MAX);
        if over(mails, rules.confirmations_per_mailbox_day) {
            return Ok(Some(Reason::Capped));
        }
        if let Some(mark) = &mail.origin_mark
            && over(tx.count_mail_to(mark, day_number)?, rules.confirmations_per_network_day)
        {
            return Ok(Some(Reason::Capped));
        }
        if let Some(form) = mail.form_id {
            let mark = super::caps::form_mark(&self.services, form, day_number);
            if over(tx.count_mail_to(&mark, day_number)?, rules.confirmations_per_form_day) {
                return Ok(Some(Reason::Capped));
            }
        }
        Ok(None)
    }

    fn write_links(&self, tx: &mut WriteTx<'_>, mail: &Mail, now: Timestamp) -> Result<(), Error> {
        let asked: &[PurposeId] = &self.draft.asked;
        for link in &self.draft.links {
            if link.expires_at.is_some() {
                tx.supersede_links(self.task.scope(), mail.subject_id, link.action, asked, now)?;
            }
        }
        tx.insert_links(&self.draft.links)?;
        Ok(())
    }

    fn cancel(&self, tx: &mut WriteTx<'_>, mail: &Mail, reason: Reason, now: Timestamp) -> Result<HandOver, Error> {
        cancel(tx, &self.task, mail, reason, now)?;
        Ok(HandOver::Cancelled(reason))
    }
}

/// Ends a mail that cannot be drafted: it is over already, or the person was erased.
pub async fn abandon(services: &Services, task: &Task) -> Result<(), Error> {
    let (task, now) = (task.clone(), services.clock.now());
    services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| match open_mail(tx, &task)? {
            Some(mail) => cancel(tx, &task, &mail, Reason::Erased, now),
            None => Ok(tx.finish(&task, now).map(|_| ())?),
        })
        .await
}

/// Ends a mail without sending it, with the reason, also in its round.
fn cancel(tx: &mut WriteTx<'_>, task: &Task, mail: &Mail, reason: Reason, now: Timestamp) -> Result<(), Error> {
    let scope = task.scope();
    tx.cancel_mail(scope, mail.id, reason, now)?;
    if let Some(campaign) = mail.campaign_id {
        tx.set_member_status(scope, campaign, mail.subject_id, MemberStatus::Excluded, Some(reason))?;
    }
    tx.finish(task, now)?;
    Ok(())
}

/// Opens what a draft needs of the controller.
pub(super) async fn keys(services: &Services, task: &Task) -> Result<Arc<ControllerKeys>, Error> {
    services.keys.of(task.scope()).await
}

/// A mail by its task, if it is there and not over.
pub(super) fn open_mail(tx: &mut ReadTx<'_>, task: &Task) -> Result<Option<Mail>, Error> {
    match tx.mail(task.scope(), MailId::from_uuid(task.reference.uuid())) {
        Ok(mail) if mail.state.is_final() => Ok(None),
        Ok(mail) => Ok(Some(mail)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
