//! Handing over: the gate, the caps, the throttles and the commit from which on a mail may have been sent, in one
//! transaction (RP-05, R-42, R-44, R-49). Many mails at once, each judged by itself on what the batch has read for all.

mod caps;
mod links;
mod throttle;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::domain::campaign::{CampaignStatus, MemberStatus};
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, MailId, PurposeId, SubjectId, TaskId};
use crate::domain::mailing::MailState;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::campaigns::Campaign;
use crate::store::consents::Consent;
use crate::store::mails::{Ended, HandedOver, Mail};
use crate::store::outbox::Task;
use crate::store::subjects::Subject;
use crate::store::suppressions::Suppression;
use crate::store::{Outcomes, WriteTx};

use super::super::permission::{OnRecord, judge, on_either};
use super::super::{Error, Services};
use super::{Draft, HandOver, Pace, Ready, cancel};
use caps::Caps;
use links::NewLinks;
use throttle::{Throttled, Waits};

/// A drafted mail before the gate.
pub(super) struct Handing {
    pub services: Services,
    pub task: Task,
    pub draft: Arc<Draft>,
    pub pace: Pace,
    /// This very claim has handed it over before, and waited too long for a connection: the gate is asked anew.
    pub again: bool,
}

/// What the batch has read, all of it locked.
struct OnHand {
    people: HashMap<(ControllerId, SubjectId), Subject>,
    claims: HashMap<(ControllerId, TaskId), Task>,
    mails: HashMap<(ControllerId, MailId), Mail>,
    consents: HashMap<(ControllerId, SubjectId), Vec<Consent>>,
    listed: HashMap<(ControllerId, Vec<u8>), Vec<Suppression>>,
    /// Changes of address that can still be confirmed, by the mail that asks.
    changes: HashSet<(ControllerId, MailId)>,
    rounds: HashMap<(ControllerId, CampaignId), Campaign>,
}

/// What the batch will write.
#[derive(Default)]
struct ToWrite {
    handed: Vec<HandedOver>,
    links: NewLinks,
    held: Vec<(Mail, Timestamp)>,
    cancelled: Vec<(Task, Mail, Reason)>,
    postponed: Vec<(Task, Timestamp)>,
    waiting: Vec<(Task, Waits)>,
    finished: Vec<(Task, i32)>,
}

/// How a mail fares before caps and links are looked at.
enum Judged<'a> {
    Over(HandOver),
    /// The gate lets these purposes through.
    Passed(&'a Mail, Vec<PurposeId>, i32),
}

impl crate::store::Command for Handing {
    type Answer = HandOver;
    type Error = Error;

    fn route(&self) -> Uuid {
        self.draft.person.route()
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let Some(first) = all.first() else { return Ok(Vec::new()) };
        let now = first.services.clock.now();
        let on_hand = OnHand::read(tx, all, first.pace)?;
        let mut write = ToWrite::default();
        let judged: Vec<Judged<'_>> =
            all.iter().map(|handing| handing.judge(&on_hand, &mut write, now)).collect::<Result<_, _>>()?;
        let passed = all.iter().zip(&judged).filter_map(|(handing, judged)| match judged {
            Judged::Passed(mail, ..) if mail.frozen.is_none() => Some((*handing, *mail)),
            Judged::Passed(..) | Judged::Over(_) => None,
        });
        let mut passed: Vec<(&Self, &Mail)> = passed.collect();
        let capped = Caps::of(tx, &passed, now)?;
        // Who is handed over again by the same claim has its tokens.
        let going = all.iter().zip(&judged).filter_map(|(handing, judged)| match judged {
            Judged::Passed(mail, ..) if !handing.again && !capped.holds_back(mail) => Some((*handing, *mail)),
            Judged::Passed(..) | Judged::Over(_) => None,
        });
        let throttled = Throttled::of(tx, &going.collect::<Vec<_>>(), &on_hand.rounds, now)?;
        passed.retain(|(_, mail)| throttled.of_mail(mail).is_none());
        write.links.read(tx, &passed)?;
        let mut outcomes = Vec::with_capacity(all.len());
        for (handing, judged) in all.iter().zip(judged) {
            outcomes.push(Ok(match judged {
                Judged::Over(outcome) => outcome,
                Judged::Passed(mail, ..) if capped.holds_back(mail) => {
                    write.cancelled.push((handing.task.clone(), mail.clone(), Reason::Capped));
                    HandOver::Cancelled(Reason::Capped)
                }
                Judged::Passed(mail, asked, lost) => match throttled.of_mail(mail) {
                    Some(waits) => {
                        write.waiting.push((handing.task.clone(), waits));
                        HandOver::Throttled(waits.bucket)
                    }
                    None => handing.hand_over(&mut write, mail, &asked, lost, now)?,
                },
            }));
        }
        write.all(tx, now)?;
        Ok(outcomes)
    }
}

impl OnHand {
    fn read(tx: &mut WriteTx<'_>, all: &[&Handing], pace: Pace) -> Result<Self, Error> {
        let person_of = |handing: &Handing| (handing.task.controller_id, handing.draft.person.row.id);
        let mut ids: Vec<_> = all.iter().map(|handing| person_of(handing)).collect();
        ids.sort_unstable();
        ids.dedup();
        // The people first, as everywhere, so that transactions lock in one order.
        let people: HashMap<_, _> =
            tx.lock_people(&ids)?.into_iter().map(|row| ((row.controller_id, row.id), row)).collect();
        let claims: Vec<&Task> = all.iter().map(|handing| &handing.task).collect();
        let held = tx.held_claims(TaskKind::Mail, &claims)?;
        tx.extend_leases(TaskKind::Mail, &held, pace.lease)?;
        let ids_of: Vec<_> =
            held.iter().map(|task| (task.controller_id, MailId::from_uuid(task.reference.uuid()))).collect();
        let mails: HashMap<_, _> =
            tx.lock_mails(&ids_of)?.into_iter().map(|mail| ((mail.controller_id, mail.id), mail)).collect();
        let mut consents: HashMap<_, Vec<Consent>> = HashMap::new();
        for consent in tx.consents_of_all(&ids)? {
            consents.entry((consent.controller_id, consent.subject_id)).or_default().push(consent);
        }
        let marks = |handing: &&Handing| {
            let (controller, draft) = (handing.task.controller_id, &handing.draft);
            let all = draft.fingerprints.iter().chain(&draft.new_fingerprints).cloned();
            all.map(move |mark| (controller, mark)).collect::<Vec<_>>()
        };
        let wanted: HashSet<_> = all.iter().flat_map(marks).collect();
        let mut listed: HashMap<_, Vec<Suppression>> = HashMap::new();
        for entry in tx.suppressions_under(&wanted.into_iter().collect::<Vec<_>>())? {
            listed.entry((entry.controller_id, entry.fingerprint.clone())).or_default().push(entry);
        }
        let asking = mails.values().filter(|mail| mail.kind == MailKind::AddressChange);
        let asking: Vec<_> = asking.map(|mail| (mail.controller_id, mail.subject_id)).collect();
        let now = all.first().map(|handing| handing.services.clock.now());
        let open =
            tx.unsettled_changes(&asking)?.into_iter().filter(|change| now.is_some_and(|now| change.open_at(now)));
        let changes = open.map(|change| (change.controller_id, change.mail_id)).collect();
        let mut rounds = HashMap::new();
        for mail in mails.values() {
            if let Some(id) = mail.campaign_id
                && !rounds.contains_key(&(mail.controller_id, id))
            {
                let round = tx.campaign(ControllerScope::granted(mail.controller_id), id)?;
                rounds.insert((mail.controller_id, id), round);
            }
        }
        let claims = held.into_iter().map(|task| ((task.controller_id, task.reference), task)).collect();
        Ok(Self { people, claims, mails, consents, listed, changes, rounds })
    }

    /// What the "never mail" list holds against a mail.
    fn suppressions(&self, handing: &Handing) -> Vec<Suppression> {
        let controller = handing.task.controller_id;
        let under = |mark: &Vec<u8>| self.listed.get(&(controller, mark.clone())).cloned().unwrap_or_default();
        let own: Vec<Suppression> = handing.draft.fingerprints.iter().flat_map(under).collect();
        match handing.draft.new_fingerprints.is_empty() {
            true => own,
            false => on_either(own, handing.draft.new_fingerprints.iter().flat_map(under).collect()),
        }
    }
}

impl Handing {
    /// What the gate says, or why it need not be asked.
    fn judge<'a>(&self, on_hand: &'a OnHand, write: &mut ToWrite, now: Timestamp) -> Result<Judged<'a>, Error> {
        let controller = self.task.controller_id;
        let Some(claim) = on_hand.claims.get(&(controller, self.task.reference)) else {
            return Ok(Judged::Over(HandOver::NotOurs));
        };
        let mail = on_hand.mails.get(&(controller, MailId::from_uuid(self.task.reference.uuid())));
        let Some(mail) = mail.filter(|mail| !mail.state.is_final()) else {
            write.finished.push((claim.clone(), self.task.generation));
            return Ok(Judged::Over(HandOver::NotOurs));
        };
        let person_id = (controller, mail.subject_id);
        let Some(row) = on_hand.people.get(&person_id).filter(|row| row.erased_at.is_none()) else {
            return Ok(self.cancelled(write, mail, Reason::Erased));
        };
        if row.email_key != self.draft.person.row.email_key {
            // The person has moved since the draft: nothing goes to a mailbox that they have left (DR-05).
            if mail.frozen.is_some() {
                return Ok(self.cancelled(write, mail, Reason::AddressLeft));
            }
            write.postponed.push((self.task.clone(), now));
            return Ok(Judged::Over(HandOver::Postponed));
        }
        if mail.kind == MailKind::AddressChange && !on_hand.changes.contains(&(controller, mail.id)) {
            return Ok(self.cancelled(write, mail, Reason::ChangeOver));
        }
        if let Some(id) = mail.campaign_id {
            let round = on_hand.rounds.get(&(controller, id));
            let round = round.ok_or_else(|| Error::Internal("a mail of a round that is not there".into()))?;
            if round.status == CampaignStatus::Paused && round.deadline > now {
                write.postponed.push((self.task.clone(), now.plus(self.pace.paused_look)));
                return Ok(Judged::Over(HandOver::Postponed));
            }
            if !round.status.sends() || round.deadline <= now {
                return Ok(self.cancelled(write, mail, Reason::RoundOver));
            }
        }
        let mut lost = mail.lost;
        if mail.state == MailState::HandingOver && !self.again {
            // Somebody died between this commit and the next: sent, perhaps.
            lost += 1;
            if self.draft.hold_uncertain || lost > 1 {
                write.held.push((Mail { lost, ..mail.clone() }, now));
                write.finished.push((claim.clone(), self.task.generation));
                return Ok(Judged::Over(HandOver::Held));
            }
        }
        let (nothing, suppressions) = (Vec::new(), on_hand.suppressions(self));
        let record = OnRecord {
            flags: row.flags(),
            consents: on_hand.consents.get(&person_id).unwrap_or(&nothing),
            suppressions: &suppressions,
        };
        let rules = &self.services.rules;
        let allowed = match judge(mail.kind, &self.draft.purposes, &record, now, rules) {
            Ok(allowed) => allowed,
            Err(reason) => return Ok(self.cancelled(write, mail, reason)),
        };
        // What the bytes ask about, or will.
        let asked = if mail.frozen.is_some() { mail.purposes()? } else { self.draft.asked.clone() };
        if allowed == asked {
            return Ok(Judged::Passed(mail, asked, lost));
        }
        if mail.frozen.is_none() {
            write.postponed.push((self.task.clone(), now));
            return Ok(Judged::Over(HandOver::Postponed));
        }
        // The bytes ask for more than may be asked now, and frozen bytes are not changed.
        let shut = self.draft.purposes.iter().filter(|purpose| !allowed.contains(&purpose.id));
        let reason = shut
            .filter_map(|purpose| judge(mail.kind, std::slice::from_ref(purpose), &record, now, rules).err())
            .next()
            .unwrap_or(Reason::OptedOut);
        Ok(self.cancelled(write, mail, reason))
    }

    fn cancelled(&self, write: &mut ToWrite, mail: &Mail, reason: Reason) -> Judged<'static> {
        write.cancelled.push((self.task.clone(), mail.clone(), reason));
        Judged::Over(HandOver::Cancelled(reason))
    }

    fn hand_over(
        &self,
        write: &mut ToWrite,
        mail: &Mail,
        asked: &[PurposeId],
        lost: i32,
        now: Timestamp,
    ) -> Result<HandOver, Error> {
        if mail.frozen.is_none() {
            write.links.add(mail.subject_id, &self.draft.links, asked, now)?;
        }
        write.handed.push(HandedOver {
            controller_id: mail.controller_id,
            id: mail.id,
            frozen: self.draft.sealed.clone(),
            purposes: serde_json::to_string(asked)?,
            lost,
        });
        let mail = Mail { lost, frozen: None, ..mail.clone() };
        Ok(HandOver::Send(Arc::new(Ready { draft: Arc::clone(&self.draft), mail })))
    }
}

impl ToWrite {
    fn all(self, tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), Error> {
        tx.hand_over_mails(&self.handed)?;
        self.links.write(tx, now)?;
        let ended = self.held.iter().map(|(mail, now)| Ended {
            controller_id: mail.controller_id,
            id: mail.id,
            state: MailState::Uncertain,
            lost: mail.lost,
            reply: mail.reply.clone(),
            over: Some(*now),
        });
        tx.settle_mails(&ended.collect::<Vec<_>>())?;
        for (mail, _) in &self.held {
            if let Some(campaign) = mail.campaign_id {
                let scope = ControllerScope::granted(mail.controller_id);
                tx.set_member_status(scope, campaign, mail.subject_id, MemberStatus::Held, None)?;
            }
        }
        tx.finish_held(TaskKind::Mail, &self.finished, now)?;
        for (task, mail, reason) in &self.cancelled {
            cancel(tx, task, mail, *reason, now)?;
        }
        for (task, due) in &self.postponed {
            tx.postpone(task, *due)?;
        }
        let placed = self.waiting.iter().filter(|(_, waits)| waits.placed);
        let placed = placed.map(|(task, waits)| {
            let mail = MailId::from_uuid(task.reference.uuid());
            (task.controller_id, mail, waits.until)
        });
        tx.place_mails(&placed.collect::<Vec<_>>())?;
        let waiting: Vec<_> = self.waiting.iter().map(|(task, waits)| (task, waits.until)).collect();
        tx.postpone_held(TaskKind::Mail, &waiting)?;
        Ok(())
    }
}

/// Whether a mail of this kind is capped at all (DO-06).
const fn is_capped(kind: MailKind) -> bool {
    match kind {
        MailKind::Confirmation | MailKind::AddressChange => true,
        MailKind::Repermission => false,
    }
}
