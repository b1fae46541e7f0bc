//! What must follow the decisions of a docket: mails that wait are stopped, the "never mail" list gains or loses
//! entries, destinations are brought in step. Read once for all people concerned, and written once.

use std::collections::{HashMap, HashSet};

use crate::domain::campaign::MemberStatus;
use crate::domain::consent::Effect;
use crate::domain::event::Method;
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{CampaignId, ControllerId, ControllerScope, MailId, PurposeId, SubjectId};
use crate::domain::purpose::Channel;
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::outbox::{Reference, Task};
use crate::store::sheet::Sheet;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression, reason_for};
use crate::store::{ReadTx, WriteTx};

use super::super::Error;
use super::super::address::left_address;
use super::super::permission::fingerprints_of;
use super::super::record::{Occasion, entry};
use super::super::sync::SYNC_LANE;
use super::{Due, PersonKey, key_of};

/// What is written after the sheet.
#[derive(Default)]
pub(super) struct Follow {
    now: Option<Timestamp>,
    stopped: Vec<(ControllerId, MailId)>,
    left: HashMap<(ControllerId, CampaignId), Vec<SubjectId>>,
    lifted: Vec<Suppression>,
    alive: HashMap<PersonKey, bool>,
    /// Addresses whose mailboxes have just confirmed.
    confirmed: Vec<(ControllerId, Vec<u8>)>,
}

impl Follow {
    /// Reads what is needed, and puts new entries and work onto the sheet.
    pub(super) fn of(
        tx: &mut WriteTx<'_>,
        due: &[Due<'_>],
        newcomers: &HashSet<PersonKey>,
        sheet: &mut Sheet,
    ) -> Result<Self, Error> {
        let mut follow = Self { now: due.iter().map(|due| due.now).max(), ..Self::default() };
        follow.stop_mails(tx, due, newcomers)?;
        let mut list = NeverMail::read(tx, due)?;
        for due in due {
            match due.effect {
                // One mail may confirm several purposes: whoever applies the commands writes it.
                Effect::MailConfirmation | Effect::CancelMail => {}
                Effect::Sync => sheet.tasks.push(Task::new(
                    due.person.scope,
                    TaskKind::Sync,
                    due.person.row.id.uuid(),
                    SYNC_LANE,
                    due.now,
                    due.now,
                )),
                Effect::Suppress(reason) => follow.suppress(&mut list, due, due.purpose, reason),
                Effect::SuppressAll(reason) => follow.suppress(&mut list, due, EVERY_PURPOSE, reason),
                Effect::LiftSuppression => follow.lift(&mut list, due),
            }
        }
        let stopped: Vec<&Suppression> = list.added.values().filter(|entry| entry.lifted_at.is_none()).collect();
        sheet.suppressions.extend(under_former_addresses(tx, due, newcomers, &stopped)?);
        sheet.suppressions.extend(list.added.into_values());
        follow.lifted.extend(list.lifted.into_values());
        Ok(follow)
    }

    /// Ends what is queued about a purpose alone; a mail about several is left to the gate, which asks about the rest.
    fn stop_mails(
        &mut self,
        tx: &mut WriteTx<'_>,
        due: &[Due<'_>],
        newcomers: &HashSet<PersonKey>,
    ) -> Result<(), Error> {
        let stops = due.iter().filter(|due| due.effect == Effect::CancelMail);
        let stops: HashSet<(PersonKey, PurposeId)> = stops
            .map(|due| (key_of(due.person), due.purpose))
            .filter(|(person, _)| !newcomers.contains(person))
            .collect();
        let mut people: Vec<PersonKey> = stops.iter().map(|(person, _)| *person).collect();
        people.sort_unstable();
        people.dedup();
        // Whether a new address is theirs is no matter of a purpose: the gate asks about that mail by itself.
        let waiting = tx.waiting_mails(&people)?.into_iter().filter(|mail| mail.kind != MailKind::AddressChange);
        for mail in waiting {
            let &[purpose] = &mail.purposes()?[..] else { continue };
            if stops.contains(&((mail.controller_id, mail.subject_id), purpose)) {
                self.stopped.push((mail.controller_id, mail.id));
                if let Some(campaign) = mail.campaign_id {
                    self.left.entry((mail.controller_id, campaign)).or_default().push(mail.subject_id);
                }
            }
        }
        Ok(())
    }

    fn suppress(&mut self, list: &mut NeverMail, due: &Due<'_>, purpose: PurposeId, reason: SuppressionReason) {
        // What no sign-up lifts is not made liftable by a later, weaker reason.
        let held = list.reason(due, purpose);
        if !(held.is_some_and(|held| !held.lifted_by_fresh_opt_in()) && reason.lifted_by_fresh_opt_in()) {
            let occasion = Occasion::plain(due.now, Method::Relay, due.source.clone());
            list.add(due, entry(due.keys, due.person.scope, &due.person.address, purpose, reason, &occasion));
        }
        if reason == SuppressionReason::HardBounce {
            self.alive.insert(key_of(due.person), false);
        }
    }

    /// A fresh confirmed opt-in takes this purpose off the list, and shows that the mailbox lives (RP-04, SU-06).
    fn lift(&mut self, list: &mut NeverMail, due: &Due<'_>) {
        if let Some(reason) = list.reason(due, due.purpose)
            && reason.lifted_by_fresh_opt_in()
        {
            let occasion = Occasion::plain(due.now, Method::ConfirmLink, None);
            let mut mark = entry(due.keys, due.person.scope, &due.person.address, due.purpose, reason, &occasion);
            mark.lifted_at = Some(due.now);
            list.lift(due, mark);
        }
        if due.person.row.undeliverable {
            self.alive.insert(key_of(due.person), true);
        }
        self.confirmed.push((due.person.scope.controller(), due.person.row.email_key.clone()));
    }

    /// Writes the rest.
    pub(super) fn write(self, tx: &mut WriteTx<'_>) -> Result<(), Error> {
        for mark in &self.lifted {
            tx.lift_suppression(mark)?;
        }
        for ((controller, subject), alive) in &self.alive {
            tx.set_undeliverable(ControllerScope::granted(*controller), *subject, !alive)?;
        }
        tx.forget_who_left(&self.confirmed)?;
        if let Some(now) = self.now {
            tx.cancel_mails(&self.stopped, Reason::OptedOut, now)?;
        }
        let tasks: Vec<_> = self.stopped.iter().map(|(c, mail)| (*c, Reference::from_uuid(mail.uuid()))).collect();
        tx.drop_tasks(TaskKind::Mail, &tasks)?;
        for ((controller, campaign), people) in &self.left {
            let scope = ControllerScope::granted(*controller);
            tx.set_member_statuses(scope, *campaign, people, MemberStatus::Excluded, Some(Reason::OptedOut))?;
        }
        Ok(())
    }
}

/// What a person stops is stopped under each address that they have left as well (DR-05).
fn under_former_addresses(
    tx: &mut ReadTx<'_>,
    due: &[Due<'_>],
    newcomers: &HashSet<PersonKey>,
    stopped: &[&Suppression],
) -> Result<Vec<Suppression>, Error> {
    let stops = |due: &&Due<'_>| matches!(due.effect, Effect::Suppress(_) | Effect::SuppressAll(_));
    let mut people: Vec<PersonKey> =
        due.iter().filter(stops).map(|due| key_of(due.person)).filter(|person| !newcomers.contains(person)).collect();
    people.sort_unstable();
    people.dedup();
    if stopped.is_empty() || people.is_empty() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for former in tx.former_addresses(&people)? {
        let whose = |due: &&Due<'_>| key_of(due.person) == (former.controller_id, former.subject_id);
        let Some(due) = due.iter().filter(stops).find(whose) else { continue };
        let address = left_address(due.person, &former)?;
        let own = fingerprints_of(due.keys, &due.person.address);
        for stop in stopped.iter().filter(|stop| own.contains(&stop.fingerprint) && !stop.reason.is_about_mailbox()) {
            let occasion = Occasion::plain(stop.created_at, Method::Relay, stop.source.clone());
            entries.push(entry(due.keys, due.person.scope, &address, stop.purpose_id, stop.reason, &occasion));
        }
    }
    Ok(entries)
}

fn entry_key(entry: &Suppression) -> EntryKey {
    (entry.controller_id, entry.fingerprint.clone(), entry.purpose_id)
}

/// The entries of the people concerned, as they stand while effect after effect is seen to.
struct NeverMail {
    entries: HashMap<PersonKey, Vec<Suppression>>,
    added: HashMap<EntryKey, Suppression>,
    lifted: HashMap<EntryKey, Suppression>,
}

type EntryKey = (ControllerId, Vec<u8>, PurposeId);

impl NeverMail {
    fn read(tx: &mut ReadTx<'_>, due: &[Due<'_>]) -> Result<Self, Error> {
        let mut whose: HashMap<(ControllerId, Vec<u8>), PersonKey> = HashMap::new();
        for due in due {
            match due.effect {
                Effect::Suppress(_) | Effect::SuppressAll(_) | Effect::LiftSuppression => {
                    let controller = due.person.scope.controller();
                    let match_key = due.person.address.match_key();
                    for fingerprint in due.keys.suppression_candidates(Channel::Email.name(), &match_key) {
                        whose.insert((controller, fingerprint.to_vec()), key_of(due.person));
                    }
                }
                Effect::MailConfirmation | Effect::CancelMail | Effect::Sync => {}
            }
        }
        let wanted: Vec<(ControllerId, Vec<u8>)> = whose.keys().cloned().collect();
        let mut entries: HashMap<PersonKey, Vec<Suppression>> = HashMap::new();
        for entry in tx.suppressions_under(&wanted)? {
            if let Some(person) = whose.get(&(entry.controller_id, entry.fingerprint.clone())) {
                entries.entry(*person).or_default().push(entry);
            }
        }
        Ok(Self { entries, added: HashMap::new(), lifted: HashMap::new() })
    }

    fn reason(&self, due: &Due<'_>, purpose: PurposeId) -> Option<SuppressionReason> {
        reason_for(self.entries.get(&key_of(due.person)).map_or(&[], Vec::as_slice), purpose)
    }

    /// Notes an entry, as the store will write it.
    fn add(&mut self, due: &Due<'_>, entry: Suppression) {
        self.note(due, entry.clone());
        let key = entry_key(&entry);
        // It stands again, whatever lifted it before in this batch.
        self.lifted.remove(&key);
        self.added.insert(key, entry);
    }

    /// Notes that a purpose is lifted: by a mark of its own, or on the entry if that is new in this batch.
    fn lift(&mut self, due: &Due<'_>, mark: Suppression) {
        self.note(due, mark.clone());
        let key = entry_key(&mark);
        match self.added.get_mut(&key) {
            Some(added) => added.lifted_at = mark.lifted_at,
            None => drop(self.lifted.insert(key, mark)),
        }
    }

    fn note(&mut self, due: &Due<'_>, entry: Suppression) {
        let entries = self.entries.entry(key_of(due.person)).or_default();
        entries.retain(|known| known.purpose_id != entry.purpose_id || known.fingerprint != entry.fingerprint);
        entries.push(entry);
    }
}
