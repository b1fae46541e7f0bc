//! A form or a site's server hands in choices for an address. A yes asks the mailbox to confirm; a no is recorded as a
//! no. Whatever is known about the address, the same is done and answered: whether a mail follows is settled by
//! the worker, at hand-over.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::crypto::ControllerKeys;
use crate::domain::consent::{Act, Command, Decision, Refusal};
use crate::domain::email::EmailAddress;
use crate::domain::event::Method;
use crate::domain::gate::MailKind;
use crate::domain::ids::{
    ControllerId, ControllerScope, FormId, MailId, NoticeId, PolicyVersionId, PurposeId, SenderId, SubjectId,
};
use crate::domain::mailing::{MailState, lane};
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::sites::Form;
use crate::store::subjects::Subject;
use crate::store::{Command as _, Outcomes, ReadTx, WriteTx};

use super::caps::network_mark;
use super::docket::Docket;
use super::once::{Asker, OnceKey, write_once};
use super::record::{Occasion, Person};
use super::{Error, Services};

/// A yes or a no; there is no default (CV-01).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Yes.
    Yes,
    /// No.
    No,
}

impl Choice {
    /// Exactly `yes` or `no`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "yes" => Some(Self::Yes),
            "no" => Some(Self::No),
            _ => None,
        }
    }

    /// `yes` or `no`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::No => "no",
        }
    }
}

/// What a person, or a site for a person, handed in.
#[derive(Debug, Clone)]
pub struct Submission {
    /// For which address.
    pub email: EmailAddress,
    /// The name, if given.
    pub name: Option<DisplayName>,
    /// Choices by the purpose's short name.
    pub choices: Vec<(String, Choice)>,
    /// Custom fields, if given.
    pub fields: Option<Value>,
    /// What proves it: client, page, times, everything as submitted.
    pub evidence: Value,
    /// The visitor's network, by which the mails it causes are capped; none where a site's server asks.
    pub network: Option<String>,
}

/// Through what it came, and with which words.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The notice shown.
    pub notice: NoticeId,
    /// The policy version it points at.
    pub policy_version: PolicyVersionId,
    /// The purposes on it.
    pub purposes: Vec<Purpose>,
    /// Who sends the confirmation mail.
    pub sender: SenderId,
    /// The form, if it was one.
    pub form: Option<FormId>,
    /// By which way.
    pub method: Method,
    /// `kind:id` of form or token.
    pub source: String,
}

/// The entry that a form stands for.
pub fn form_entry(tx: &mut ReadTx<'_>, scope: ControllerScope, form: &Form) -> Result<Entry, Error> {
    let notice = tx.notice(scope, form.notice)?;
    Ok(Entry {
        purposes: tx.purposes_in_order(scope, &notice.purposes)?,
        notice: notice.id,
        policy_version: notice.policy_version,
        sender: form.sender,
        form: Some(form.id),
        method: Method::Form,
        source: format!("form:{}", form.id),
    })
}

/// Takes choices in; they are on disk when this answers. Gives back the person's id, which is for a site's own server
/// and never for a visitor.
pub async fn sign_up(
    services: &Services,
    scope: ControllerScope,
    entry: Arc<Entry>,
    submission: Submission,
) -> Result<SubjectId, Error> {
    let work = prepare(services, scope, entry, submission).await?;
    let subject = services.store.submit(work).await?;
    Ok(subject)
}

/// [`sign_up`], done once for an idempotency key: the answer is kept in the transaction of the sign-up (AP-02).
pub async fn sign_up_once(
    services: &Services,
    scope: ControllerScope,
    asker: Asker,
    key: Option<OnceKey>,
    entry: Arc<Entry>,
    submission: Submission,
) -> Result<SubjectId, Error> {
    if key.is_none() {
        return sign_up(services, scope, entry, submission).await;
    }
    let work = Arc::new(prepare(services, scope, entry, submission).await?);
    let alone = {
        let work = Arc::clone(&work);
        move |tx: &mut WriteTx<'_>| {
            let outcome = SignUp::carry_out(&[&*work], tx)?.pop();
            outcome.unwrap_or_else(|| Err(Error::Internal("a sign-up had no outcome".into())))
        }
    };
    let subject = write_once(services, asker, key, work.route(), alone).await?;
    Ok(subject)
}

/// What is to be written.
async fn prepare(
    services: &Services,
    scope: ControllerScope,
    entry: Arc<Entry>,
    mut submission: Submission,
) -> Result<SignUp, Error> {
    let choices = match_choices(&entry, &submission)?;
    let keys = services.keys.of(scope).await?;
    let now = services.clock.now();
    let (name, fields) = (submission.name.as_ref(), submission.fields.as_ref());
    let candidate = Person::newcomer(scope, &keys, &*services.ids, &submission.email, name, fields, now);
    let occasion = Occasion {
        now,
        method: entry.method,
        source: Some(entry.source.clone()),
        notice: Some(entry.notice),
        policy_version: Some(entry.policy_version),
        evidence: Some(evidence(&mut submission, &choices)),
    };
    let day = now.seconds().div_euclid(86_400);
    let origin_mark = submission.network.as_deref().map(|network| network_mark(services, scope, day, network).to_vec());
    Ok(SignUp { services: services.clone(), keys, candidate, choices, entry, occasion, origin_mark })
}

/// Each choice with its purpose; a choice for something that is not on the notice is refused.
fn match_choices(entry: &Entry, submission: &Submission) -> Result<Vec<(Purpose, Choice)>, Error> {
    if submission.choices.is_empty() {
        return Err(Error::field("choices", "choose yes or no for at least one purpose"));
    }
    let mut matched: Vec<(Purpose, Choice)> = Vec::with_capacity(submission.choices.len());
    for (slug, choice) in &submission.choices {
        let purpose = entry.purposes.iter().find(|purpose| purpose.slug.as_str() == slug);
        let purpose =
            purpose.ok_or_else(|| Error::field(format!("choices.{slug}"), "there is no such purpose on this form"))?;
        if matched.iter().any(|(known, _)| known.id == purpose.id) {
            return Err(Error::field(format!("choices.{slug}"), "chosen twice"));
        }
        matched.push((purpose.clone(), *choice));
    }
    Ok(matched)
}

/// The submitted fields, so that the concrete declaration can be shown in full (PF-05).
fn evidence(submission: &mut Submission, choices: &[(Purpose, Choice)]) -> Value {
    let mut evidence = submission.evidence.take();
    if let Some(object) = evidence.as_object_mut() {
        let chosen: serde_json::Map<String, Value> =
            choices.iter().map(|(purpose, choice)| (purpose.slug.to_string(), json!(choice.name()))).collect();
        object.insert(
            "submitted".to_owned(),
            json!({
                "email": submission.email.as_sent(),
                "name": submission.name.as_ref().map(DisplayName::as_str),
                "choices": chosen,
                "fields": submission.fields,
            }),
        );
    }
    evidence
}

/// A sign-up on its way to the writer, with the row that the person gets if nobody knows them yet.
struct SignUp {
    services: Services,
    keys: Arc<ControllerKeys>,
    candidate: Person,
    choices: Vec<(Purpose, Choice)>,
    entry: Arc<Entry>,
    occasion: Occasion,
    origin_mark: Option<Vec<u8>>,
}

/// By what a person is found: the controller and the address's fingerprint.
type Address = (ControllerId, [u8; 32]);

fn address_of(row: &Subject) -> Address {
    let mut fingerprint = [0; 32];
    for (byte, of_key) in fingerprint.iter_mut().zip(&row.email_key) {
        *byte = *of_key;
    }
    (row.controller_id, fingerprint)
}

impl crate::store::Command for SignUp {
    type Answer = SubjectId;
    type Error = Error;

    fn route(&self) -> uuid::Uuid {
        self.candidate.route()
    }

    fn carry_out(all: &[&Self], tx: &mut WriteTx<'_>) -> Result<Outcomes<Self>, Error> {
        let mut first: HashMap<Address, &Self> = HashMap::with_capacity(all.len());
        for sign_up in all {
            first.entry(address_of(&sign_up.candidate.row)).or_insert(sign_up);
        }
        let mut wanted: Vec<(ControllerId, &[u8])> =
            first.values().map(|one| (one.candidate.row.controller_id, &one.candidate.row.email_key[..])).collect();
        wanted.sort_unstable();
        let mut known: HashMap<Address, Person> = HashMap::new();
        for row in tx.lock_people_by_address(&wanted)? {
            let address = address_of(&row);
            if let Some(sign_up) = first.get(&address) {
                known.insert(address, Person::open(sign_up.candidate.scope, &sign_up.keys, row)?);
            }
        }
        let mut docket = Docket::read(tx, known.values())?;
        let mut outcomes = Vec::with_capacity(all.len());
        for sign_up in all {
            let address = address_of(&sign_up.candidate.row);
            let person = known.get(&address).unwrap_or_else(|| {
                let newcomer = &first.get(&address).unwrap_or(sign_up).candidate;
                docket.welcome(newcomer);
                newcomer
            });
            outcomes.push(sign_up.enter(&mut docket, person).map(|()| person.row.id));
        }
        docket.write(tx)?;
        Ok(outcomes)
    }
}

impl SignUp {
    /// Enters the choices into the docket, and the mail that asks for confirmation.
    fn enter<'p>(&'p self, docket: &mut Docket<'p>, person: &'p Person) -> Result<(), Error> {
        let now = self.occasion.now;
        let mut to_confirm = Vec::new();
        for (purpose, choice) in &self.choices {
            let command = match choice {
                Choice::No => Command::Refuse,
                Choice::Yes if purpose.double_opt_in => self.request(now),
                Choice::Yes => Command::Give { act: Act::SingleOptIn, terms: purpose.terms(now) },
            };
            match self.apply(docket, person, purpose.id, command) {
                // Somebody who stopped before: only the mailbox itself can start again (RP-04).
                Err(Refusal::NeedsConfirmation) => {
                    let _ = self.apply(docket, person, purpose.id, self.request(now));
                    to_confirm.push(purpose.id);
                }
                // The visitor learns nothing of what is on record: a purpose that has ended is gone from the form
                // soon anyway, and the gate knows that there is nothing to confirm.
                Ok(_) | Err(_) if *choice == Choice::Yes && purpose.double_opt_in => to_confirm.push(purpose.id),
                Ok(_) | Err(_) => {}
            }
        }
        if !to_confirm.is_empty() {
            self.write_confirmation(docket, person, &to_confirm)?;
        }
        Ok(())
    }

    fn request(&self, now: Timestamp) -> Command {
        Command::Request { until: now.plus(self.services.rules.confirm_link_ttl) }
    }

    fn apply<'p>(
        &'p self,
        docket: &mut Docket<'p>,
        person: &'p Person,
        purpose: PurposeId,
        command: Command,
    ) -> Result<Decision, Refusal> {
        docket.apply(&*self.services.ids, &self.keys, person, purpose, command, &self.occasion)
    }

    /// One mail for all that is to be confirmed. It is written for everybody; the gate decides at hand-over whether
    /// there is anything to confirm and whether the caps allow it (R-20, DO-06).
    fn write_confirmation(
        &self,
        docket: &mut Docket<'_>,
        person: &Person,
        purposes: &[PurposeId],
    ) -> Result<(), Error> {
        let now = self.occasion.now;
        let id = MailId::from_uuid(self.services.ids.row());
        let scope = person.scope;
        docket.sheet().mails.push(Mail {
            controller_id: scope.controller(),
            id,
            kind: MailKind::Confirmation,
            subject_id: person.row.id,
            campaign_id: None,
            form_id: self.entry.form,
            sender_id: self.entry.sender,
            notice_id: self.entry.notice,
            purposes: serde_json::to_string(purposes)?,
            state: MailState::Queued,
            lost: 0,
            frozen: None,
            reason: None,
            reply: None,
            origin_mark: self.origin_mark.clone(),
            place_at: None,
            created_at: now,
            settled_at: None,
        });
        let lane = lane(MailKind::Confirmation);
        docket.sheet().tasks.push(Task::new(scope, TaskKind::Mail, id.uuid(), lane, now, now));
        Ok(())
    }
}
