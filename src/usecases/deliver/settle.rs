//! Settling: what an attempt came to, in one commit, and only while the claim is still ours.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::domain::address::ChangeOutcome;
use crate::domain::campaign::MemberStatus;
use crate::domain::consent::Standing;
use crate::domain::event::{EventKind, Method};
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, PurposeId, SubjectId};
use crate::domain::mailing::{Attempt, MailState, Settled, UncertainPolicy, settle as outcome_table};
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::{TaskKind, TaskState};
use crate::domain::time::Timestamp;
use crate::mail::{Class, Outcome};
use crate::store::mails::{Ended, Mail};
use crate::store::outbox::{PutBack, Task};
use crate::store::sheet::Sheet;
use crate::store::suppressions::EVERY_PURPOSE;
use crate::store::{Outcomes, WriteTx};

use super::super::record::{Occasion, Person, entry, seal_event};
use super::super::{Error, Services};
use super::{Draft, Ready, cancel, end_change};

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

    /// Whether the relay took the mail.
    pub fn is_accepted(&self) -> bool {
        self.attempt == Attempt::Accepted
    }

    /// The relay could not be reached at all.
    pub fn unreachable(code: &str) -> Self {
        Self { attempt: Attempt::NotNow, dead_mailbox: false, format: false, reply: code.to_owned() }
    }
}

/// When a mail is tried again, and when it is given up.
#[derive(Debug, Clone, Copy)]
pub struct GiveUp {
    /// The back-off after this attempt.
    pub retry_after: Duration,
    /// Attempts at most.
    pub attempts: u32,
    /// Age at which it is given up.
    pub age: Duration,
}

/// A mail and what came of an attempt at it.
#[derive(Debug, Clone)]
pub struct Told {
    /// The claim under which it was handed over.
    pub task: Task,
    /// The mail.
    pub ready: Arc<Ready>,
    /// What the relay has said.
    pub attempted: Attempted,
    /// If it is not over.
    pub give_up: GiveUp,
}

/// Records what came of these attempts in one transaction. For each, in their order, where the mail then stands; nothing
/// when the claim was no longer ours.
pub async fn settle(services: &Services, told: Vec<Told>) -> Vec<Result<Option<MailState>, Error>> {
    let ending = |told| Ending { services: services.clone(), told };
    services.store.submit_all(told.into_iter().map(ending).collect()).await
}

/// An attempt that ended.
struct Ending {
    services: Services,
    told: Told,
}

impl crate::store::Command for Ending {
    type Answer = Option<MailState>;
    type Error = Error;

    fn route(&self) -> Uuid {
        self.told.ready.draft.person.route()
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        let now = first.services.clock.now();
        let mut ids: Vec<_> = all.iter().map(|ending| ending.person()).collect();
        ids.sort_unstable();
        ids.dedup();
        // The people first, as everywhere, so that transactions lock in one order.
        let people = tx.lock_people(&ids)?.into_iter().filter(|row| row.erased_at.is_none());
        let people: HashMap<_, _> = people.map(|row| ((row.controller_id, row.id), row.email_key)).collect();
        let claims: Vec<&Task> = all.iter().map(|ending| &ending.told.task).collect();
        let held = tx.held_claims(TaskKind::Mail, &claims)?;
        let held: HashMap<_, _> = held.into_iter().map(|task| ((task.controller_id, task.reference), task)).collect();
        let mut write = Conclusions::default();
        let mut outcomes = Vec::with_capacity(all.len());
        for ending in all {
            let task = &ending.told.task;
            let Some(claim) = held.get(&(task.controller_id, task.reference)) else {
                outcomes.push(Ok(None));
                continue;
            };
            let there = people
                .get(&ending.person())
                .map(|email_key| Present { moved: *email_key != ending.draft().person.row.email_key });
            outcomes.push(Ok(Some(ending.conclude(&mut write, claim, there, now)?)));
        }
        write.all(tx, now)?;
        Ok(outcomes)
    }
}

/// A person who was not erased meanwhile.
#[derive(Clone, Copy)]
struct Present {
    /// They are reached at another address by now.
    moved: bool,
}

/// What a batch of ended attempts comes to.
#[derive(Default)]
struct Conclusions<'a> {
    ended: Vec<Ended>,
    finished: Vec<(Task, i32)>,
    cancelled: Vec<(&'a Task, &'a Mail)>,
    put_back: Vec<PutBack>,
    members: HashMap<(ControllerScope, CampaignId, MemberStatus), Vec<SubjectId>>,
    asked: HashMap<String, Vec<(ControllerId, SubjectId)>>,
    dead: Vec<&'a Person>,
    /// Mails that asked a new mailbox which does not exist.
    changes: Vec<&'a Mail>,
    sheet: Sheet,
}

impl Conclusions<'_> {
    fn all(mut self, tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), Error> {
        tx.settle_mails(&self.ended)?;
        tx.finish_held(TaskKind::Mail, &self.finished, now)?;
        for (task, mail) in self.cancelled {
            cancel(tx, task, mail, Reason::EaiUnsupported, now)?;
        }
        tx.put_back_held(TaskKind::Mail, &self.put_back)?;
        let mut members: Vec<_> = self.members.into_iter().collect();
        members.sort_unstable_by_key(|(key, _)| *key);
        for ((scope, campaign, status), people) in members {
            tx.set_member_statuses(scope, campaign, &people, status, None)?;
        }
        for (purposes, people) in self.asked {
            tx.note_asked_all(&people, &serde_json::from_str::<Vec<PurposeId>>(&purposes)?, now)?;
        }
        for mail in self.changes {
            end_change(tx, mail, ChangeOutcome::Undeliverable, now)?;
        }
        for person in self.dead {
            tx.set_undeliverable(person.scope, person.row.id, true)?;
        }
        Ok(tx.write_sheet(&mut self.sheet)?)
    }
}

impl Ending {
    fn mail(&self) -> &Mail {
        &self.told.ready.mail
    }

    fn draft(&self) -> &Draft {
        &self.told.ready.draft
    }

    fn person(&self) -> (ControllerId, SubjectId) {
        (self.mail().controller_id, self.mail().subject_id)
    }

    fn back(&self, state: TaskState, due_at: Timestamp) -> PutBack {
        PutBack { task: self.told.task.clone(), state, due_at, error: self.told.attempted.reply.clone() }
    }

    /// Where the mail then stands.
    fn conclude<'a>(
        &'a self,
        write: &mut Conclusions<'a>,
        claim: &Task,
        there: Option<Present>,
        now: Timestamp,
    ) -> Result<MailState, Error> {
        let (mail, Told { task, attempted, give_up, .. }) = (self.mail(), &self.told);
        if attempted.format {
            write.cancelled.push((task, mail));
            return Ok(MailState::Cancelled);
        }
        let policy = if self.draft().hold_uncertain { UncertainPolicy::Hold } else { UncertainPolicy::RetryOnce };
        // A mail of a round may have waited long for its turn; it ends with the round.
        let too_old = mail.campaign_id.is_none() && now.since(mail.created_at) > give_up.age;
        let most = give_up.attempts;
        let attempts = if too_old { most } else { u32::try_from(task.attempts).unwrap_or(0) };
        let lost_before = u32::try_from(mail.lost).unwrap_or(0);
        let settled = outcome_table(attempted.attempt, attempts, most, lost_before, policy);
        let (Settled::Final(state) | Settled::Again(state)) = settled;
        let over = match settled {
            Settled::Again(_) => {
                let due = now.plus(give_up.retry_after);
                write.put_back.push(self.back(TaskState::Queued, due));
                None
            }
            // Kept with its bytes, for staff to send again or drop.
            Settled::Final(MailState::Parked) => {
                write.put_back.push(self.back(TaskState::Parked, now));
                None
            }
            Settled::Final(_) => {
                write.finished.push((claim.clone(), task.generation));
                if let Some(campaign) = mail.campaign_id {
                    let alike = (self.draft().person.scope, campaign, member_status(state));
                    write.members.entry(alike).or_default().push(mail.subject_id);
                }
                if let Some(there) = there {
                    self.mean(write, state, there, now)?;
                }
                Some(now)
            }
        };
        write.ended.push(Ended {
            controller_id: mail.controller_id,
            id: mail.id,
            state,
            lost: mail.lost + i32::from(attempted.attempt == Attempt::Lost),
            reply: Some(attempted.reply.clone()),
            over,
        });
        Ok(state)
    }

    /// What the end of a mail means for the person: asked, or a mailbox that does not exist.
    fn mean<'a>(
        &'a self,
        write: &mut Conclusions<'a>,
        state: MailState,
        there: Present,
        now: Timestamp,
    ) -> Result<(), Error> {
        let (mail, person) = (self.mail(), &self.draft().person);
        let source = mail.campaign_id.map_or_else(|| format!("mail:{}", mail.id), |id| format!("campaign:{id}"));
        let mut occasion = Occasion::plain(now, Method::Relay, Some(source));
        occasion.notice = Some(mail.notice_id);
        let purposes = &self.draft().asked_by(mail)?;
        let event = match state {
            MailState::Accepted if mail.kind == MailKind::Repermission => Some(EventKind::Asked),
            MailState::Bounced if mail.kind != MailKind::AddressChange => Some(EventKind::Bounced),
            _ => None,
        };
        if let Some(kind) = event {
            let ids = &*self.services.ids;
            let seal = |purpose: &PurposeId| seal_event(ids, person, *purpose, kind, &Standing::NONE, &occasion);
            write.sheet.events.extend(purposes.iter().map(seal));
        }
        let asked = mail.kind == MailKind::Repermission && matches!(state, MailState::Accepted | MailState::Uncertain);
        if asked {
            let alike = write.asked.entry(serde_json::to_string(purposes)?).or_default();
            alike.push((mail.controller_id, mail.subject_id));
        }
        if state == MailState::Bounced && self.told.attempted.dead_mailbox {
            // ML-20: the mailbox is gone; a fresh confirmed opt-in shows that it lives again (SU-06).
            let (keys, reason) = (&self.draft().keys, SuppressionReason::HardBounce);
            let entry = entry(keys, person.scope, &self.draft().to, EVERY_PURPOSE, reason, &occasion);
            write.sheet.suppressions.push(entry);
            // A mailbox that the person has left, or is not at yet, says nothing of theirs.
            if mail.kind != MailKind::AddressChange && !there.moved {
                write.dead.push(person);
            }
        }
        if state == MailState::Bounced && mail.kind == MailKind::AddressChange {
            write.changes.push(mail);
        }
        Ok(())
    }
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
