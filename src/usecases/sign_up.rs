//! A form or a site's server hands in choices for an address. A yes asks the mailbox to confirm; a no is recorded as a
//! no. Whatever is known about the address, the same is done and answered: whether a mail follows is settled by
//! the worker, at hand-over.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::crypto::ControllerKeys;
use crate::domain::consent::{Act, Command, Refusal};
use crate::domain::email::EmailAddress;
use crate::domain::event::Method;
use crate::domain::gate::MailKind;
use crate::domain::ids::{ControllerScope, FormId, MailId, NoticeId, PolicyVersionId, PurposeId, SenderId, SubjectId};
use crate::domain::mailing::{MailState, lane};
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::sites::Form;
use crate::store::subjects::Subject;
use crate::store::{ReadTx, WriteTx};

use super::caps::network_mark;
use super::once::{Asker, OnceKey, write_once};
use super::record::{Occasion, Person, apply};
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
    entry: Entry,
    submission: Submission,
) -> Result<SubjectId, Error> {
    let (route, work) = prepare(services, scope, entry, submission).await?;
    let house = services.clone();
    let subject = services.store.write(route, move |tx: &mut WriteTx<'_>| work.run(tx, &house)).await?;
    services.bell.notify_waiters();
    Ok(subject)
}

/// [`sign_up`], done once for an idempotency key: the answer is kept in the transaction of the sign-up (AP-02).
pub async fn sign_up_once(
    services: &Services,
    scope: ControllerScope,
    asker: Asker,
    key: Option<OnceKey>,
    entry: Entry,
    submission: Submission,
) -> Result<SubjectId, Error> {
    let (route, work) = prepare(services, scope, entry, submission).await?;
    let house = services.clone();
    let subject = write_once(services, asker, key, route, move |tx: &mut WriteTx<'_>| work.run(tx, &house)).await?;
    services.bell.notify_waiters();
    Ok(subject)
}

/// What is to be written, and which writer's turn it is.
async fn prepare(
    services: &Services,
    scope: ControllerScope,
    entry: Entry,
    submission: Submission,
) -> Result<(uuid::Uuid, SignUp), Error> {
    let choices = match_choices(&entry, &submission)?;
    let keys = services.keys.of(scope).await?;
    let now = services.clock.now();
    let candidate = Person::new_row(
        scope,
        &keys,
        &*services.ids,
        &submission.email,
        submission.name.as_ref(),
        submission.fields.as_ref(),
        now,
    );
    let occasion = Occasion {
        now,
        method: entry.method,
        source: Some(entry.source.clone()),
        notice: Some(entry.notice),
        policy_version: Some(entry.policy_version),
        evidence: Some(evidence(&submission, &choices)),
    };
    let route = route_of(&candidate);
    let day = now.seconds().div_euclid(86_400);
    let origin_mark = submission.network.as_deref().map(|network| network_mark(services, scope, day, network).to_vec());
    Ok((route, SignUp { scope, keys, candidate, choices, entry, occasion, origin_mark }))
}

/// Sign-ups of one address share a writer.
fn route_of(candidate: &Subject) -> uuid::Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&candidate.email_key[..16]);
    uuid::Uuid::from_bytes(bytes)
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
fn evidence(submission: &Submission, choices: &[(Purpose, Choice)]) -> Value {
    let mut evidence = submission.evidence.clone();
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

#[derive(Clone)]
struct SignUp {
    scope: ControllerScope,
    keys: Arc<ControllerKeys>,
    candidate: Subject,
    choices: Vec<(Purpose, Choice)>,
    entry: Entry,
    occasion: Occasion,
    origin_mark: Option<Vec<u8>>,
}

impl SignUp {
    fn run(&self, tx: &mut WriteTx<'_>, services: &Services) -> Result<SubjectId, Error> {
        let row = tx.find_or_add_subject(self.scope, &self.candidate)?;
        let person = Person::open(self.scope, &self.keys, row)?;
        let now = self.occasion.now;
        let mut to_confirm = Vec::new();
        for (purpose, choice) in &self.choices {
            let command = match choice {
                Choice::No => Command::Refuse,
                Choice::Yes if purpose.double_opt_in => self.request(services, now),
                Choice::Yes => Command::Give { act: Act::SingleOptIn, terms: purpose.terms(now) },
            };
            let mut outcome = self.apply(tx, services, &person, purpose.id, command);
            if matches!(outcome, Err(Error::Refused(Refusal::NeedsConfirmation))) {
                // Somebody who stopped before: only the mailbox itself can start again (RP-04).
                outcome = self.apply(tx, services, &person, purpose.id, self.request(services, now));
                to_confirm.push(purpose.id);
            } else if *choice == Choice::Yes && purpose.double_opt_in {
                to_confirm.push(purpose.id);
            }
            match outcome {
                // The visitor learns nothing of it; the purpose is gone from the form soon anyway.
                Ok(()) | Err(Error::Refused(Refusal::PurposeEnded)) => {}
                Err(other) => return Err(other),
            }
        }
        if !to_confirm.is_empty() {
            self.write_confirmation(tx, services, &person, &to_confirm)?;
        }
        Ok(person.row.id)
    }

    fn request(&self, services: &Services, now: Timestamp) -> Command {
        Command::Request { until: now.plus(services.rules.confirm_link_ttl) }
    }

    fn apply(
        &self,
        tx: &mut WriteTx<'_>,
        services: &Services,
        person: &Person,
        purpose: PurposeId,
        command: Command,
    ) -> Result<(), Error> {
        apply(tx, &*services.ids, &self.keys, person, purpose, command, &self.occasion).map(|_| ())
    }

    /// One mail for all that is to be confirmed. It is written for everybody; the gate decides at hand-over whether
    /// there is anything to confirm and whether the caps allow it (R-20, DO-06).
    fn write_confirmation(
        &self,
        tx: &mut WriteTx<'_>,
        services: &Services,
        person: &Person,
        purposes: &[PurposeId],
    ) -> Result<(), Error> {
        let now = self.occasion.now;
        let id = MailId::from_uuid(services.ids.row());
        tx.insert_mails(&[Mail {
            controller_id: self.scope.controller(),
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
            created_at: now,
            settled_at: None,
        }])?;
        tx.enqueue(&[Task::new(self.scope, TaskKind::Mail, id.uuid(), lane(MailKind::Confirmation), now, now)])?;
        Ok(())
    }
}
