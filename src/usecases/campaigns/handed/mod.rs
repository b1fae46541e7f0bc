//! Rounds whose links others hand over: Campaign Monitor sends them in a design of the marketer's, or somebody takes
//! them away in a file. The audience is frozen as for a mail, each link leaves the house only after the gate was asked in
//! the transaction that lets it go, and answers come back by the same pages and count in the same round.
//!
//! ```text
//! freeze ──> waiting ──> going ──> there ──> gone      the list made for the round: written by `fill`, left by who has
//!               │     (import)                         answered or may not be asked any more (`sync::rounds`), and by
//!               └──> download: address, link, token    everybody when the round is over (`empty`)
//! ```
//!
//! **What stands in the provider's field.** A value there has 250 characters at most (campaign-monitor 4.4). A signed token
//! has 246, the address around it up to 51 more with a host of 40 characters. So the field carries the token alone, and the
//! marketer's design the constant address before it: `https://host/r/[ReconsentAnswer]`. Nothing else is needed: the token
//! is the one that our own mails carry, signed, for one act, ended, superseded and refused like any other, and there is no
//! second way in that could tell more (R-31, R-33).

mod download;
mod empty;
mod fill;
mod list;
mod record;
mod spare;
mod step;
pub mod stops;
pub(in crate::usecases) mod turned;

use std::collections::{HashMap, HashSet};

use crate::crypto::ControllerKeys;
use crate::domain::campaign::EntryState;
use crate::domain::gate::{MailKind, Reason, SubjectFlags};
use crate::domain::ids::{CampaignId, ControllerScope, LinkId, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::links::{Claims, SigningKey};
use crate::store::campaigns::Campaign;
use crate::store::consents::Consent;
use crate::store::links::Link;
use crate::store::round_entries::RoundEntry;
use crate::store::suppressions::Suppression;
use crate::store::{ReadTx, WriteTx};

use super::super::permission::{OnRecord, fingerprints, judge};
use super::super::record::Person;
use super::super::{Error, Rules, Services};

pub use download::{LinkLine, LinkPage, begin_links_download, links_page};
pub use step::{RoundStep, round_step};

/// The custom field that carries a person's token.
pub const FIELD: &str = "ReconsentAnswer";

/// What a marketer's design has to hold for the link to work.
pub fn merge_address(services: &Services) -> String {
    format!("{}/{}/[{FIELD}]", services.base_url, LinkAction::Answer.path())
}

/// Somebody of a round, with the address opened; not somebody erased.
#[derive(Clone)]
pub(in crate::usecases) struct Somebody {
    pub entry: RoundEntry,
    pub person: Person,
    /// Under which the address may be on the "never mail" list.
    pub marks: Vec<Vec<u8>>,
}

/// Opens the people of these entries; who is erased is left out.
pub(in crate::usecases) fn open_people(
    tx: &mut ReadTx<'_>,
    keys: &ControllerKeys,
    scope: ControllerScope,
    entries: Vec<RoundEntry>,
) -> Result<Vec<Somebody>, Error> {
    let mut ids: Vec<SubjectId> = entries.iter().map(|entry| entry.subject_id).collect();
    ids.dedup();
    let mut people: HashMap<SubjectId, Person> = HashMap::new();
    for row in tx.subjects_among(scope, &ids)?.into_iter().filter(|row| row.erased_at.is_none()) {
        people.insert(row.id, Person::open(scope, keys, row)?);
    }
    let somebody = |entry: RoundEntry| {
        let person = people.get(&entry.subject_id)?.clone();
        let marks = fingerprints(keys, &person);
        Some(Somebody { entry, person, marks })
    };
    Ok(entries.into_iter().filter_map(somebody).collect())
}

/// What is on record about people of a round, read for many at once.
pub(in crate::usecases) struct Records {
    flags: HashMap<SubjectId, SubjectFlags>,
    consents: HashMap<SubjectId, Vec<Consent>>,
    listed: HashMap<Vec<u8>, Vec<Suppression>>,
    answered: HashSet<SubjectId>,
}

impl Records {
    /// Reads it. Where something is to follow from it, the people are locked by the caller.
    pub fn read(
        tx: &mut ReadTx<'_>,
        scope: ControllerScope,
        campaign: CampaignId,
        people: &[Somebody],
        purposes: &[PurposeId],
    ) -> Result<Self, Error> {
        let ids: Vec<SubjectId> = people.iter().map(|one| one.person.row.id).collect();
        let marks: Vec<Vec<u8>> = people.iter().flat_map(|one| one.marks.iter().cloned()).collect();
        let flags = tx.subjects_among(scope, &ids)?.into_iter().map(|row| (row.id, row.flags())).collect();
        let mut consents: HashMap<SubjectId, Vec<Consent>> = HashMap::new();
        for consent in tx.consents_among(scope, &ids, purposes)? {
            consents.entry(consent.subject_id).or_default().push(consent);
        }
        let mut listed: HashMap<Vec<u8>, Vec<Suppression>> = HashMap::new();
        for entry in tx.suppressions_among(scope, &marks)? {
            listed.entry(entry.fingerprint.clone()).or_default().push(entry);
        }
        let answered = tx.answered_among(scope, campaign, &ids)?.into_iter().collect();
        Ok(Self { flags, consents, listed, answered })
    }

    /// Whether the person has answered in the round: then they are asked no more in it, whatever was left open.
    pub fn has_answered(&self, one: &Somebody) -> bool {
        self.answered.contains(&one.person.row.id)
    }

    /// What somebody may be asked about now. That this very round has asked them is no reason not to go on with it; and an
    /// issued link asks about what it was issued for, or not at all.
    pub fn judge(
        &self,
        one: &Somebody,
        purposes: &[Purpose],
        now: Timestamp,
        rules: &Rules,
    ) -> Result<Vec<PurposeId>, Reason> {
        if self.has_answered(one) {
            return Err(Reason::AskedRecently);
        }
        let id = one.person.row.id;
        let mut consents = self.consents.get(&id).cloned().unwrap_or_default();
        if one.entry.handed_at.is_some() {
            consents.iter_mut().for_each(|consent| consent.asked_at = None);
        }
        let suppressions: Vec<Suppression> =
            one.marks.iter().filter_map(|mark| self.listed.get(mark)).flatten().cloned().collect();
        let gone = SubjectFlags { erased: true, ..SubjectFlags::default() };
        let flags = self.flags.get(&id).copied().unwrap_or(gone);
        let record = OnRecord { flags, consents: &consents, suppressions: &suppressions };
        let allowed = judge(MailKind::Repermission, purposes, &record, now, rules)?;
        if one.entry.link_id.is_some() && asked_by(&one.entry).iter().any(|purpose| !allowed.contains(purpose)) {
            return Err(Reason::OptedOut);
        }
        Ok(allowed)
    }

    /// Whether the person has a valid consent to one of these purposes.
    pub fn consents_to(&self, one: &Somebody, purposes: &[&Purpose], now: Timestamp) -> bool {
        let consents = self.consents.get(&one.person.row.id).into_iter().flatten();
        consents
            .filter(|consent| purposes.iter().any(|purpose| purpose.id == consent.purpose_id))
            .any(|consent| consent.standing().effective(now).is_valid())
    }
}

/// What an entry's link asks about.
pub(in crate::usecases) fn asked_by(entry: &RoundEntry) -> Vec<PurposeId> {
    serde_json::from_str(&entry.purposes).unwrap_or_default()
}

/// Gives these people their links, those who have none yet; open links about the same give way to them (LK-06). Each comes
/// with what the gate has just let through.
fn issue(
    tx: &mut WriteTx<'_>,
    services: &Services,
    campaign: &Campaign,
    people: &mut [(Somebody, Vec<PurposeId>)],
    now: Timestamp,
) -> Result<(), Error> {
    let end = campaign.deadline.min(now.plus(services.rules.answer_link_max_ttl));
    let whose: Vec<_> = people
        .iter()
        .filter(|(one, _)| one.entry.link_id.is_none())
        .map(|(one, _)| (campaign.controller_id, one.person.row.id))
        .collect();
    let open = tx.open_links(&whose, &[LinkAction::Answer])?;
    let (mut superseded, mut new) = (Vec::new(), Vec::new());
    for (one, allowed) in people.iter_mut().filter(|(one, _)| one.entry.link_id.is_none()) {
        for known in open.iter().filter(|known| known.subject_id == one.person.row.id) {
            if known.purposes()?.iter().any(|purpose| allowed.contains(purpose)) {
                superseded.push((known.controller_id, known.id));
            }
        }
        let id = LinkId::from_uuid(services.ids.random());
        let expires = Claims::until(LinkAction::Answer, id, end).expires().unwrap_or(end);
        let purposes = serde_json::to_string(allowed)?;
        new.push(Link {
            controller_id: campaign.controller_id,
            id,
            action: LinkAction::Answer,
            subject_id: one.person.row.id,
            purposes: purposes.clone(),
            notice_id: Some(campaign.notice_id),
            campaign_id: Some(campaign.id),
            form_id: None,
            on_site: false,
            created_at: now,
            expires_at: Some(expires),
            superseded_at: None,
            used_at: None,
            answer: None,
        });
        one.entry.purposes = purposes;
        one.entry.link_id = Some(id);
        one.entry.expires_at = Some(expires);
    }
    superseded.sort_unstable();
    superseded.dedup();
    tx.supersede(&superseded, now)?;
    new.chunks(500).try_for_each(|piece| tx.insert_links(piece))?;
    Ok(())
}

/// An issued link's token: the same each time.
fn token(signer: &SigningKey, entry: &RoundEntry) -> Option<String> {
    let (link, end) = entry.link_id.zip(entry.expires_at)?;
    Some(signer.sign(&Claims::until(LinkAction::Answer, link, end)))
}

/// Somebody who is not asked after all.
fn left_out(one: &Somebody) -> RoundEntry {
    RoundEntry { state: EntryState::Gone, ..one.entry.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign_monitor::FieldValue;

    #[test]
    fn a_token_fits_the_field_and_a_whole_link_may_not() {
        let (signer, ..) = SigningKey::generate();
        let end = Timestamp::parse("2120-01-01").expect("a day");
        let token = signer.sign(&Claims::until(LinkAction::Answer, LinkId::from_uuid(uuid::Uuid::max()), end));
        assert_eq!(token.len(), 246);
        assert!(FieldValue::text(FIELD, &token).is_ok());
        // With a host of 40 characters.
        let link = format!("https://{}/r/{token}", "h".repeat(40));
        assert!(link.len() < 300 && FieldValue::text(FIELD, &link).is_err());
    }
}
