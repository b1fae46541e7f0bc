//! Drafting: what a mail says, to whom, with which links; rendered once, and from then on the same bytes.

mod render;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use crate::crypto::ControllerKeys;
use crate::domain::basis::BasisKind;
use crate::domain::email::EmailAddress;
use crate::domain::gate::MailKind;
use crate::domain::ids::{ControllerId, ControllerScope, LinkId, MailId, PurposeId, SubjectId};
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::links::SigningKey;
use crate::mail::Envelope;
use crate::store::addresses::AddressChange;
use crate::store::campaigns::Campaign;
use crate::store::consents::Consent;
use crate::store::controllers::Controller;
use crate::store::links::Link;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::policies::{Notice, PolicyVersion};
use crate::store::sites::Sender;
use crate::store::suppressions::Suppression;
use crate::store::{ReadTx, StoreError};

use super::super::address::new_address;
use super::super::permission::{OnRecord, fingerprints, fingerprints_of, judge, on_either};
use super::super::record::Person;
use super::super::{Error, Services};
use super::common::Common;
use render::{Casts, render};

/// A mail that could be sent, if the gate agrees.
pub struct Draft {
    pub(super) keys: Arc<ControllerKeys>,
    pub(super) person: Person,
    /// Where it goes: the person's address, or the one that they may change to.
    pub(super) to: EmailAddress,
    /// Under which the person may be on the "never mail" list.
    pub(super) fingerprints: Vec<Vec<u8>>,
    /// Under which the new address may be, for a mail that asks it.
    pub(super) new_fingerprints: Vec<Vec<u8>>,
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
    pub(super) sealed: Vec<u8>,
    pub(super) links: Vec<Link>,
    pub(super) purposes: Arc<Vec<Purpose>>,
    pub(super) asked: Vec<PurposeId>,
    pub(super) hold_uncertain: bool,
    /// What the sender may send, if it says.
    pub(super) sender_per_hour: Option<u32>,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").field("person", &self.person.row.id).finish_non_exhaustive()
    }
}

impl Draft {
    /// The purposes that the mail's bytes ask about: those it was frozen with, or those it is frozen with now.
    pub(super) fn asked_by(&self, mail: &Mail) -> Result<Vec<PurposeId>, Error> {
        if self.links.is_empty() { Ok(mail.purposes()?) } else { Ok(self.asked.clone()) }
    }
}

/// A claimed mail and its draft; without one the mail is over already, or its person was erased.
pub type Drafted = (Task, Result<Option<Arc<Draft>>, Error>);

/// Everything that a mail is made from.
struct Material {
    mail: Mail,
    person: Person,
    change: Option<Change>,
    fingerprints: Vec<Vec<u8>>,
    controller: Arc<Controller>,
    sender: Arc<Sender>,
    notice: Arc<Notice>,
    policy: Arc<PolicyVersion>,
    purposes: Arc<Vec<Purpose>>,
    asked: Vec<PurposeId>,
    campaign: Option<Arc<Campaign>>,
    basis: Option<(BasisKind, Option<Timestamp>)>,
}

/// The change of address that a mail asks about.
struct Change {
    id: LinkId,
    address: EmailAddress,
    fingerprints: Vec<Vec<u8>>,
    expires_at: Timestamp,
}

/// The keys of one controller.
#[derive(Clone)]
struct Opened {
    keys: Arc<ControllerKeys>,
    signer: Arc<SigningKey>,
}

/// Drafts claimed mails: reads what they say and to whom, once for all of them, and renders those that are not frozen
/// already. One that fails fails alone.
pub async fn draft_all(services: &Services, tasks: Vec<Task>, smtputf8: bool) -> Result<Vec<Drafted>, Error> {
    let mut opened: HashMap<ControllerScope, Opened> = HashMap::new();
    for task in &tasks {
        if let Entry::Vacant(place) = opened.entry(task.scope()) {
            let keys = services.keys.of(task.scope()).await?;
            place.insert(Opened { keys, signer: services.keys.signer(task.scope()).await? });
        }
    }
    let (house, keyring) = (services.clone(), opened.clone());
    let materials = services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let batch = Batch::read(tx, &tasks, &keyring)?;
            Ok::<_, Error>(batch.materials(tx, &house, tasks, &keyring))
        })
        .await?;
    let house = services.clone();
    let render = move || {
        let mut casts = Casts::default();
        let draft = |(task, material): (Task, Result<Option<Material>, Error>)| {
            let drafted = material.and_then(|material| {
                let Some((material, opened)) = material.zip(opened.get(&task.scope())) else { return Ok(None) };
                make(&house, opened, &mut casts, material, smtputf8).map(|draft| Some(Arc::new(draft)))
            });
            (task, drafted)
        };
        materials.into_iter().map(draft).collect()
    };
    tokio::task::spawn_blocking(render).await.map_err(|_| Error::Internal("drafting panicked".into()))
}

/// What is on record about the people of a batch.
struct Batch {
    mails: HashMap<(ControllerId, MailId), Mail>,
    people: HashMap<(ControllerId, SubjectId), Person>,
    consents: HashMap<(ControllerId, SubjectId), Vec<Consent>>,
    listed: HashMap<(ControllerId, Vec<u8>), Vec<Suppression>>,
    changes: HashMap<(ControllerId, MailId), Change>,
}

impl Batch {
    fn read(tx: &mut ReadTx<'_>, tasks: &[Task], opened: &HashMap<ControllerScope, Opened>) -> Result<Self, Error> {
        let ids: Vec<_> =
            tasks.iter().map(|task| (task.controller_id, MailId::from_uuid(task.reference.uuid()))).collect();
        let found = tx.mails_among(&ids)?.into_iter().filter(|mail| !mail.state.is_final());
        let mails: HashMap<_, _> = found.map(|mail| ((mail.controller_id, mail.id), mail)).collect();
        let mut ids: Vec<_> = mails.values().map(|mail| (mail.controller_id, mail.subject_id)).collect();
        ids.sort_unstable();
        ids.dedup();
        let (mut people, mut wanted) = (HashMap::new(), Vec::new());
        for row in tx.people_among(&ids)?.into_iter().filter(|row| row.erased_at.is_none()) {
            let scope = ControllerScope::granted(row.controller_id);
            let Some(opened) = opened.get(&scope) else { continue };
            let person = Person::open(scope, &opened.keys, row)?;
            wanted.extend(fingerprints(&opened.keys, &person).into_iter().map(|f| (scope.controller(), f)));
            people.insert((scope.controller(), person.row.id), person);
        }
        let mut changes = HashMap::new();
        for change in Self::changes(tx, mails.values())? {
            let whose = (change.controller_id, change.subject_id);
            let (Some(person), mail) = (people.get(&whose), (change.controller_id, change.mail_id)) else { continue };
            let Some(opened) = opened.get(&ControllerScope::granted(change.controller_id)) else { continue };
            let address = new_address(person, &change)?;
            let marks = fingerprints_of(&opened.keys, &address);
            wanted.extend(marks.iter().map(|mark| (change.controller_id, mark.clone())));
            let change = Change { id: change.id, address, fingerprints: marks, expires_at: change.expires_at };
            changes.insert(mail, change);
        }
        let mut consents: HashMap<_, Vec<Consent>> = HashMap::new();
        for consent in tx.consents_of_all(&ids)? {
            consents.entry((consent.controller_id, consent.subject_id)).or_default().push(consent);
        }
        let mut listed: HashMap<_, Vec<Suppression>> = HashMap::new();
        for entry in tx.suppressions_under(&wanted)? {
            listed.entry((entry.controller_id, entry.fingerprint.clone())).or_default().push(entry);
        }
        Ok(Self { mails, people, consents, listed, changes })
    }

    /// The changes of address that mails ask about.
    fn changes<'m>(
        tx: &mut ReadTx<'_>,
        mails: impl Iterator<Item = &'m Mail>,
    ) -> Result<Vec<AddressChange>, StoreError> {
        let asking = mails.filter(|mail| mail.kind == MailKind::AddressChange);
        let people: Vec<_> = asking.map(|mail| (mail.controller_id, mail.subject_id)).collect();
        tx.unsettled_changes(&people)
    }

    fn materials(
        mut self,
        tx: &mut ReadTx<'_>,
        services: &Services,
        tasks: Vec<Task>,
        opened: &HashMap<ControllerScope, Opened>,
    ) -> Vec<(Task, Result<Option<Material>, Error>)> {
        let mut common = Common::default();
        let mut materials = Vec::with_capacity(tasks.len());
        for task in tasks {
            let material = match opened.get(&task.scope()) {
                Some(opened) => self.material(tx, services, &mut common, &task, &opened.keys),
                None => Ok(None),
            };
            materials.push((task, material));
        }
        materials
    }

    fn material(
        &mut self,
        tx: &mut ReadTx<'_>,
        services: &Services,
        common: &mut Common,
        task: &Task,
        keys: &ControllerKeys,
    ) -> Result<Option<Material>, Error> {
        let (scope, now, rules) = (task.scope(), services.clock.now(), &services.rules);
        let Some(mail) = self.mails.remove(&(task.controller_id, MailId::from_uuid(task.reference.uuid()))) else {
            return Ok(None);
        };
        let who = (mail.controller_id, mail.subject_id);
        let Some(person) = self.people.get(&who).cloned() else { return Ok(None) };
        let purposes = common.purposes(tx, scope, &mail)?;
        let campaign = common.round(tx, scope, &mail)?;
        let nothing = Vec::new();
        let consents = self.consents.get(&who).unwrap_or(&nothing);
        let fingerprints = fingerprints(keys, &person);
        let under = |f: &Vec<u8>| self.listed.get(&(scope.controller(), f.clone())).cloned().unwrap_or_default();
        let mut suppressions: Vec<Suppression> = fingerprints.iter().flat_map(under).collect();
        let change = self.changes.remove(&(mail.controller_id, mail.id));
        if let Some(change) = &change {
            suppressions = on_either(suppressions, change.fingerprints.iter().flat_map(under).collect());
        }
        let record = OnRecord { flags: person.row.flags(), consents, suppressions: &suppressions };
        // A mail that will not go out now is not rendered in vain; the hand-over says why.
        let nothing_to_ask = mail.kind == MailKind::AddressChange && change.is_none();
        let held =
            nothing_to_ask || campaign.as_ref().is_some_and(|round| !round.status.sends() || round.deadline <= now);
        let asked = match held && mail.frozen.is_none() {
            true => Vec::new(),
            false => judge(mail.kind, &purposes, &record, now, rules).unwrap_or_default(),
        };
        let standing =
            consents.iter().filter(|consent| asked.contains(&consent.purpose_id)).map(Consent::standing).next();
        let basis = standing.map(|standing| match standing.basis {
            Some(basis) if !standing.state.is_valid() => (basis.kind, basis.collected_at),
            _ => (BasisKind::Consent, None),
        });
        let notice = common.notice(tx, scope, &mail)?;
        let policy = common.policy(tx, scope, notice.policy_version)?;
        let controller = common.controller(tx, scope)?;
        let sender = common.sender(tx, scope, &mail)?;
        Ok(Some(Material {
            mail,
            person,
            change,
            fingerprints,
            controller,
            sender,
            notice,
            policy,
            purposes,
            asked,
            campaign,
            basis,
        }))
    }
}

fn make(
    services: &Services,
    opened: &Opened,
    casts: &mut Casts,
    material: Material,
    smtputf8: bool,
) -> Result<Draft, Error> {
    let mail = &material.mail;
    let address = material.change.as_ref().map_or(&material.person.address, |change| &change.address).clone();
    let to = address.as_sent();
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
            let (bytes, links) = render(services, &opened.keys, &opened.signer, &material, casts, &to, smtputf8)?;
            let sealed = material.person.key.seal("mails", "frozen", mail.id.uuid(), &bytes);
            (bytes, sealed, links)
        }
    };
    Ok(Draft {
        keys: Arc::clone(&opened.keys),
        person: material.person,
        to: address,
        fingerprints: material.fingerprints,
        new_fingerprints: material.change.map(|change| change.fingerprints).unwrap_or_default(),
        envelope,
        bytes,
        sealed,
        links,
        purposes: material.purposes,
        asked: material.asked,
        hold_uncertain: material.controller.hold_uncertain,
        sender_per_hour: material.sender.max_per_hour.and_then(|most| u32::try_from(most).ok()),
    })
}
