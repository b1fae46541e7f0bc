//! What the page of a preference link shows: each purpose of the controller, and how the person stands towards it; and the
//! stops that are had from there. The link stands in every mail that the provider sends, so whoever a mail was forwarded to
//! may open it: the page tells nothing but how things stand (LK-08), and nothing but a stop can be had there. That holds
//! under every standing of the key, also one that somebody else may know (LK-12): before a page like this gives more than
//! a stop, [`KeyStanding::opens_all`](crate::domain::link::KeyStanding::opens_all) has to be asked.

use std::sync::Arc;

use serde_json::Value;

use crate::crypto::ControllerKeys;
use crate::domain::consent::{Command, ConsentState};
use crate::domain::email::EmailAddress;
use crate::domain::event::Method;
use crate::domain::ids::PurposeId;
use crate::domain::link::LinkAction;
use crate::domain::purpose::Purpose;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::links::Link;
use crate::store::suppressions::{EVERY_PURPOSE, Suppression, reason_for};
use crate::store::{ReadTx, StoreError};

use super::answer::{About, Wanted, stop};
use super::linked::verify;
use super::permission::fingerprints;
use super::record::Person;
use super::scene::{Scene, scene_of};
use super::{Error, Services};

/// A person's preferences, as they stand.
#[derive(Debug, Clone)]
pub struct Preferences {
    /// What the page shows to everybody: the controller, its purposes, and the words of the notice that the person saw last.
    pub scene: Arc<Scene>,
    /// The address, masked (LK-08).
    pub masked_address: String,
    /// How the person stands towards each purpose, in the order of the purposes.
    pub stances: Vec<Stance>,
}

/// How a person stands towards a purpose.
#[derive(Debug, Clone)]
pub struct Stance {
    /// The purpose.
    pub purpose: Purpose,
    /// How they stand.
    pub stand: Stand,
    /// The person objected to everything of the controller.
    pub objected: bool,
}

/// How a person stands, and since when, as far as the person needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stand {
    /// They said yes.
    Yes(Timestamp),
    /// They signed up, and have not confirmed it.
    Requested(Timestamp),
    /// They were asked, and have not answered.
    Asked(Timestamp),
    /// They said no.
    No(Timestamp),
    /// They stopped it.
    Stopped(Timestamp),
    /// Their yes has run to its end.
    Expired(Timestamp),
    /// It ended without them.
    Ended(Timestamp),
    /// Something is on record, such as a list that they are on, and they said nothing.
    Silent,
    /// Nothing is on record.
    Nothing,
}

impl Stand {
    /// Whether there is anything to stop: whoever has stopped is asked no more, and what has ended may be asked for again.
    pub const fn can_stop(self) -> bool {
        match self {
            Self::Yes(_) | Self::Requested(_) | Self::Asked(_) | Self::Expired(_) | Self::Ended(_) | Self::Silent => {
                true
            }
            Self::No(_) | Self::Stopped(_) | Self::Nothing => false,
        }
    }

    fn of(consent: Option<&Consent>, purpose: PurposeId, never: &[Suppression], now: Timestamp) -> Self {
        let state = consent.map_or(ConsentState::Unknown, |consent| consent.standing().effective(now));
        // An entry counts also where no consent was changed by it, as staff may make one for an address.
        if !state.is_never() && reason_for(never, purpose).is_some() {
            let about = |entry: &&Suppression| entry.purpose_id == purpose || entry.purpose_id == EVERY_PURPOSE;
            let since = never.iter().filter(about).filter(|entry| entry.lifted_at.is_none());
            return Self::Stopped(since.map(|entry| entry.created_at).min().unwrap_or(now));
        }
        let Some(consent) = consent else { return Self::Nothing };
        let at = consent.changed_at;
        match state {
            ConsentState::Confirmed | ConsentState::Renewed => Self::Yes(at),
            ConsentState::Pending => Self::Requested(at),
            ConsentState::Refused => Self::No(at),
            ConsentState::Withdrawn | ConsentState::Objected => Self::Stopped(at),
            // The clock may not have come to note it.
            ConsentState::Expired => Self::Expired(consent.valid_until.unwrap_or(at)),
            ConsentState::Dormant | ConsentState::Terminated | ConsentState::Invalidated => Self::Ended(at),
            ConsentState::Unknown => consent.asked_at.map_or(Self::Silent, Self::Asked),
        }
    }
}

impl Preferences {
    /// From what is on record about a person.
    pub(super) fn of<'c>(
        scene: Arc<Scene>,
        person: &Person,
        consent: impl Fn(PurposeId) -> Option<&'c Consent>,
        never: &[Suppression],
        now: Timestamp,
    ) -> Self {
        let stance = |purpose: &Purpose| {
            let consent = consent(purpose.id);
            Stance {
                stand: Stand::of(consent, purpose.id, never, now),
                objected: consent.is_some_and(|c| c.standing().effective(now) == ConsentState::Objected),
                purpose: purpose.clone(),
            }
        };
        let stances = scene.purposes.iter().map(stance).collect();
        Self { masked_address: EmailAddress::masked(&person.address), stances, scene }
    }

    /// Whether the person has objected to everything: then nothing is left to stop.
    pub fn all_stopped(&self) -> bool {
        !self.stances.is_empty() && self.stances.iter().all(|stance| stance.objected)
    }
}

/// The scene around a person's preferences: with the words of the notice that they saw at their newest act.
pub(super) fn scene_around<'c>(
    services: &Services,
    tx: &mut ReadTx<'_>,
    person: &Person,
    link: &Link,
    consents: impl Iterator<Item = &'c Consent>,
) -> Result<Arc<Scene>, Error> {
    let newest = consents.filter(|consent| consent.notice_id.is_some()).max_by_key(|consent| consent.changed_at);
    let link = Link { notice_id: newest.and_then(|consent| consent.notice_id), ..link.clone() };
    scene_of(services, tx, person.scope, &link)
}

/// What the "never mail" list holds about a person.
pub(super) fn never_mail(
    tx: &mut ReadTx<'_>,
    keys: &ControllerKeys,
    person: &Person,
) -> Result<Vec<Suppression>, StoreError> {
    tx.suppressions_among(person.scope, &fingerprints(keys, person))
}

/// Opens a preference link for its page; nothing when nobody is on record behind it any more.
pub async fn preferences(services: &Services, token: &str) -> Result<Option<Preferences>, Error> {
    let genuine = verify(services, token, LinkAction::Manage).await?;
    let keys = services.keys.of(genuine.scope).await?;
    let (scope, now, at_hand) = (genuine.scope, services.clock.now(), services.clone());
    let look = move |tx: &mut ReadTx<'_>| {
        let link = match tx.link(scope, genuine.link) {
            Ok(link) if link.action == LinkAction::Manage => link,
            Ok(_) => return Err(Error::UnknownLink),
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let row = tx.subject(scope, link.subject_id)?;
        if row.erased_at.is_some() {
            return Ok(None);
        }
        let person = Person::open(scope, &keys, row)?;
        let consents = tx.consents_of(scope, link.subject_id)?;
        let scene = scene_around(&at_hand, tx, &person, &link, consents.iter())?;
        let never = never_mail(tx, &keys, &person)?;
        let of = |purpose: PurposeId| consents.iter().find(|consent| consent.purpose_id == purpose);
        Ok(Some(Preferences::of(scene, &person, of, &never, now)))
    };
    services.store.read(look).await
}

/// What is to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// One purpose, by its short name.
    Purpose(String),
    /// Everything of this controller: an objection (WD-04).
    Everything,
}

/// How a stop from the page went.
#[derive(Debug, Clone)]
pub enum Stopped {
    /// It stands, and so do the preferences: a stop never fails for a genuine link (WD-06).
    Done(Preferences),
    /// The controller has no such purpose: nothing was changed.
    Unknown(Preferences),
    /// Nobody is on record behind the link any more: the goal is reached.
    Gone,
}

/// Stops it.
pub async fn stop_by_preference(
    services: &Services,
    token: &str,
    what: What,
    evidence: Value,
) -> Result<Stopped, Error> {
    let genuine = verify(services, token, LinkAction::Manage).await?;
    let (about, command) = match what {
        What::Purpose(slug) => (About::Named(slug), Command::Withdraw { reason: SuppressionReason::Withdrawn }),
        What::Everything => (About::Everything, Command::Object),
    };
    let (action, method) = (LinkAction::Manage, Method::PreferencePage);
    let shown = stop(services, genuine, Wanted { action, about, command, method, evidence }).await?;
    Ok(match shown.and_then(|shown| Some((shown.applied, shown.preferences?))) {
        None => Stopped::Gone,
        Some((true, preferences)) => Stopped::Done(preferences),
        Some((false, preferences)) => Stopped::Unknown(preferences),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_still_bring_a_mail_can_be_stopped() {
        let at = Timestamp::from_micros(0);
        for stand in [Stand::Yes(at), Stand::Requested(at), Stand::Asked(at), Stand::Expired(at), Stand::Silent] {
            assert!(stand.can_stop(), "{stand:?}");
        }
        for stand in [Stand::No(at), Stand::Stopped(at), Stand::Nothing] {
            assert!(!stand.can_stop(), "{stand:?}");
        }
    }
}
