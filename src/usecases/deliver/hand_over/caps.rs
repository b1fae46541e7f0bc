//! Caps on confirmation mails (DO-06, R-21): per form and address, per controller and address, per mailbox over all
//! controllers, per network and per form. The visitor's answer is the same whatever these say.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use crate::domain::gate::MailKind;
use crate::domain::ids::{ControllerId, FormId, MailId, SubjectId};
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::mails::Mail;

use super::super::super::Error;
use super::super::super::caps::{form_mark, mailbox_mark};
use super::{Handing, is_capped};

const DAY: Duration = Duration::from_secs(86_400);

/// A mail that was handed over: which, through which form, asked for when.
type Sent = (MailId, Option<FormId>, Timestamp);

/// The mails of a batch that the caps hold back.
pub(super) struct Caps(HashSet<(ControllerId, MailId)>);

impl Caps {
    /// Counts these mails, which are about to go out for the first time, in their order.
    pub(super) fn of(tx: &mut WriteTx<'_>, passed: &[(&Handing, &Mail)], now: Timestamp) -> Result<Self, Error> {
        let mut caps = Self(HashSet::new());
        let mut left: Vec<(&Handing, &Mail)> =
            passed.iter().copied().filter(|(_, mail)| is_capped(mail.kind)).collect();
        let Some((first, _)) = left.first() else { return Ok(caps) };
        let (services, rules) = (first.services.clone(), first.services.rules.clone());
        let day = now.seconds().div_euclid(86_400);
        caps.per_person(tx, &mut left, now)?;
        let mailbox = |(handing, _): &(&Handing, &Mail)| Some(mailbox_mark(&services, day, &handing.draft.to).to_vec());
        caps.count(tx, &mut left, day, rules.confirmations_per_mailbox_day, mailbox)?;
        let network = |(_, mail): &(&Handing, &Mail)| mail.origin_mark.clone();
        caps.count(tx, &mut left, day, rules.confirmations_per_network_day, network)?;
        let form =
            |(_, mail): &(&Handing, &Mail)| mail.form_id.map(|form: FormId| form_mark(&services, form, day).to_vec());
        caps.count(tx, &mut left, day, rules.confirmations_per_form_day, form)?;
        Ok(caps)
    }

    /// Whether the mail is not to go out.
    pub(super) fn holds_back(&self, mail: &Mail) -> bool {
        self.0.contains(&(mail.controller_id, mail.id))
    }

    /// Not again by the same form within the gap, and not more than so many a day.
    fn per_person(
        &mut self,
        tx: &mut WriteTx<'_>,
        left: &mut Vec<(&Handing, &Mail)>,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some((first, _)) = left.first() else { return Ok(()) };
        let rules = first.services.rules.clone();
        let mut people: Vec<(ControllerId, SubjectId)> =
            left.iter().map(|(_, m)| (m.controller_id, m.subject_id)).collect();
        people.sort_unstable();
        people.dedup();
        let since = now.minus(DAY.max(rules.confirmation_gap));
        let mut recent: HashMap<(ControllerId, SubjectId, MailKind), Vec<Sent>> = HashMap::new();
        for kind in [MailKind::Confirmation, MailKind::AddressChange] {
            if !left.iter().any(|(_, mail)| mail.kind == kind) {
                continue;
            }
            for mail in tx.mails_handed_over_to(&people, kind, since)? {
                let sent = (mail.id, mail.form_id, mail.created_at);
                recent.entry((mail.controller_id, mail.subject_id, kind)).or_default().push(sent);
            }
        }
        let most = usize::try_from(rules.confirmations_per_controller_day).unwrap_or(usize::MAX);
        left.retain(|(_, mail)| {
            let sent = recent.entry((mail.controller_id, mail.subject_id, mail.kind)).or_default();
            let others = || sent.iter().filter(|(id, ..)| *id != mail.id);
            let same_form =
                others().any(|(_, form, at)| *form == mail.form_id && *at > now.minus(rules.confirmation_gap));
            let today = others().filter(|(.., at)| *at > now.minus(DAY)).count();
            // The gap is for a form that is sent again and again; who corrects a new address may do so at once.
            let too_soon = same_form && mail.kind == MailKind::Confirmation;
            if too_soon || today >= most {
                self.0.insert((mail.controller_id, mail.id));
                return false;
            }
            sent.push((mail.id, mail.form_id, mail.created_at));
            true
        });
        Ok(())
    }

    /// Counts one mail under each mark, and holds back those beyond `most`.
    fn count(
        &mut self,
        tx: &mut WriteTx<'_>,
        left: &mut Vec<(&Handing, &Mail)>,
        day: i64,
        most: u32,
        mark: impl Fn(&(&Handing, &Mail)) -> Option<Vec<u8>>,
    ) -> Result<(), Error> {
        let marks: Vec<Option<Vec<u8>>> = left.iter().map(&mark).collect();
        // Sorted, so that two instances do not wait for each other.
        let mut more: BTreeMap<Vec<u8>, i32> = BTreeMap::new();
        for mark in marks.iter().flatten() {
            *more.entry(mark.clone()).or_default() += 1;
        }
        let more: Vec<(Vec<u8>, i32)> = more.into_iter().collect();
        let added: HashMap<&Vec<u8>, i32> = more.iter().map(|(mark, mails)| (mark, *mails)).collect();
        let counted = tx.count_mails_under(&more, day)?;
        let mut before: HashMap<Vec<u8>, i32> = counted
            .into_iter()
            .map(|(mark, total)| {
                let own = added.get(&mark).copied().unwrap_or(0);
                (mark, total - own)
            })
            .collect();
        let most = i32::try_from(most).unwrap_or(i32::MAX);
        let mut marks = marks.into_iter();
        left.retain(|(_, mail)| {
            let Some(Some(mark)) = marks.next() else { return true };
            let mails = before.entry(mark).or_default();
            *mails += 1;
            let fits = *mails <= most;
            if !fits {
                self.0.insert((mail.controller_id, mail.id));
            }
            fits
        });
        Ok(())
    }
}
