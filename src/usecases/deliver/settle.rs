//! Settling: what an attempt came to, in one commit, and only while the claim is still ours.

use std::time::Duration;

use crate::domain::campaign::MemberStatus;
use crate::domain::consent::Standing;
use crate::domain::event::{EventKind, Method};
use crate::domain::gate::{MailKind, Reason};
use crate::domain::mailing::{Attempt, MailState, Settled, UncertainPolicy, settle as outcome_table};
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskState;
use crate::domain::time::Timestamp;
use crate::mail::{Class, Outcome};
use crate::store::WriteTx;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::suppressions::EVERY_PURPOSE;

use super::super::record::{Occasion, Person, entry, seal_event};
use super::super::{Error, Services};
use super::cancel;

/// What came of an attempt, in the terms of settling.
#[derive(Debug, Clone)]
pub struct Attempted {
    /// The outcome's kind.
    attempt: Attempt,
    /// The mailbox does not exist.
    dead_mailbox: bool,
    /// The address cannot be carried (AD-04).
    format: bool,
    /// Codes only, never the relay's text, which may hold the address.
    reply: String,
}

impl Attempted {
    /// Reads the relay's answer.
    pub fn from_outcome(outcome: &Outcome) -> Self {
        let plain = |attempt, reply: String| Self { attempt, dead_mailbox: false, format: false, reply };
        match outcome {
            Outcome::Accepted { .. } => plain(Attempt::Accepted, "250".to_owned()),
            Outcome::NotStarted(error) => {
                Self { format: error.is_about_the_message(), ..plain(Attempt::NotNow, error.code().to_owned()) }
            }
            Outcome::Uncertain(error) => plain(Attempt::Lost, error.code().to_owned()),
            Outcome::Refused { code, enhanced, class, stage, .. } => {
                let enhanced = enhanced.as_ref().map(|e| format!(" {e}")).unwrap_or_default();
                let reply = format!("{code}{enhanced} at {}", stage.as_str());
                match class {
                    Class::Hard => Self { dead_mailbox: true, ..plain(Attempt::Refused, reply) },
                    Class::Format => Self { format: true, ..plain(Attempt::Refused, reply) },
                    Class::SenderFault => plain(Attempt::SenderFault, reply),
                    Class::Soft | Class::SoftThenHard => plain(Attempt::NotNow, reply),
                }
            }
        }
    }

    /// The relay could not be reached at all.
    pub fn unreachable(code: &str) -> Self {
        Self { attempt: Attempt::NotNow, dead_mailbox: false, format: false, reply: code.to_owned() }
    }
}

/// Records the outcome. `retry_after` is the back-off for this attempt; `most` the attempts, `oldest` the age after
/// which a mail is given up. Says where the mail then stands; nothing when the claim was no longer ours.
pub async fn settle(
    services: &Services,
    task: &Task,
    mail: Mail,
    attempted: Attempted,
    retry_after: Duration,
    most: u32,
    oldest: Duration,
) -> Result<Option<MailState>, Error> {
    let keys = services.keys.of(task.scope()).await?;
    let (house, task) = (services.clone(), task.clone());
    services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| {
            let (scope, now) = (task.scope(), house.clock.now());
            // The person first, as everywhere, so that transactions lock in one order.
            let row = tx.lock_subject(scope, mail.subject_id)?;
            if !tx.extend_lease(&task, Duration::from_secs(60))? {
                return Ok(None);
            }
            if attempted.format {
                cancel(tx, &task, &mail, Reason::EaiUnsupported, now)?;
                return Ok(Some(MailState::Cancelled));
            }
            let hold = tx.controller(scope)?.hold_uncertain;
            let policy = if hold { UncertainPolicy::Hold } else { UncertainPolicy::RetryOnce };
            let too_old = now.since(mail.created_at) > oldest;
            let attempts = if too_old { most } else { u32::try_from(task.attempts).unwrap_or(0) };
            let lost_before = u32::try_from(mail.lost).unwrap_or(0);
            let lost = mail.lost + i32::from(attempted.attempt == Attempt::Lost);
            let settled = outcome_table(attempted.attempt, attempts, most, lost_before, policy);
            let state = match settled {
                Settled::Final(state) | Settled::Again(state) => state,
            };
            match settled {
                Settled::Again(_) => {
                    tx.settle_mail(scope, mail.id, state, lost, Some(&attempted.reply), None)?;
                    tx.put_back(&task, TaskState::Queued, now.plus(retry_after), &attempted.reply)?;
                }
                // Kept with its bytes, for staff to send again or drop.
                Settled::Final(MailState::Parked) => {
                    tx.settle_mail(scope, mail.id, state, lost, Some(&attempted.reply), None)?;
                    tx.put_back(&task, TaskState::Parked, now, &attempted.reply)?;
                }
                Settled::Final(_) => {
                    tx.settle_mail(scope, mail.id, state, lost, Some(&attempted.reply), Some(now))?;
                    tx.finish(&task, now)?;
                    if row.erased_at.is_none() {
                        let person = Person::open(scope, &keys, row)?;
                        conclude(tx, &house, &keys, &person, &mail, state, attempted.dead_mailbox, now)?;
                    } else if let Some(campaign) = mail.campaign_id {
                        tx.set_member_status(scope, campaign, mail.subject_id, member_status(state), None)?;
                    }
                }
            }
            Ok(Some(state))
        })
        .await
}

const fn member_status(state: MailState) -> MemberStatus {
    match state {
        MailState::Accepted => MemberStatus::Delivered,
        MailState::Bounced => MemberStatus::Bounced,
        MailState::Uncertain => MemberStatus::Held,
        MailState::Cancelled => MemberStatus::Excluded,
        MailState::Queued | MailState::Claimed | MailState::HandingOver | MailState::Deferred | MailState::Parked => {
            MemberStatus::Queued
        }
    }
}

/// What the end of a mail means for the person: asked, or a mailbox that does not exist.
#[allow(clippy::too_many_arguments, reason = "the parts of one conclusion")]
fn conclude(
    tx: &mut WriteTx<'_>,
    services: &Services,
    keys: &crate::crypto::ControllerKeys,
    person: &Person,
    mail: &Mail,
    state: MailState,
    dead_mailbox: bool,
    now: Timestamp,
) -> Result<(), Error> {
    let source = mail.campaign_id.map(|id| format!("campaign:{id}")).unwrap_or_else(|| format!("mail:{}", mail.id));
    let mut occasion = Occasion::plain(now, Method::Relay, Some(source));
    occasion.notice = Some(mail.notice_id);
    if let Some(campaign) = mail.campaign_id {
        tx.set_member_status(person.scope, campaign, mail.subject_id, member_status(state), None)?;
    }
    let purposes = mail.purposes()?;
    let event = match state {
        MailState::Accepted if mail.kind == MailKind::Repermission => Some(EventKind::Asked),
        MailState::Bounced => Some(EventKind::Bounced),
        _ => None,
    };
    if let Some(kind) = event {
        let events: Vec<_> = purposes
            .iter()
            .map(|purpose| seal_event(&*services.ids, person, *purpose, kind, &Standing::NONE, &occasion))
            .collect();
        tx.append_events(&events)?;
    }
    if event == Some(EventKind::Asked) || (state == MailState::Uncertain && mail.kind == MailKind::Repermission) {
        tx.note_asked(person.scope, person.row.id, &purposes, now)?;
    }
    if state == MailState::Bounced && dead_mailbox {
        // ML-20: the mailbox is gone; a fresh confirmed opt-in shows that it lives again (SU-06).
        tx.suppress(&[entry(
            keys,
            person.scope,
            &person.address,
            EVERY_PURPOSE,
            SuppressionReason::HardBounce,
            &occasion,
        )])?;
        tx.set_undeliverable(person.scope, person.row.id, true)?;
    }
    Ok(())
}
