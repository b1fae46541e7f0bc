//! Asking for it. Nothing changes about the person; what is written is the wish, and the one mail that asks the new
//! mailbox. A newer wish takes the place of an older one (LK-06).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::crypto::ControllerKeys;
use crate::domain::address::ChangeOutcome;
use crate::domain::email::EmailAddress;
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{ControllerScope, LinkId, MailId, NoticeId, SenderId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::mailing::{MailState, lane};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::links::Claims;
use crate::store::WriteTx;
use crate::store::addresses::AddressChange;
use crate::store::mails::Mail;
use crate::store::outbox::{Reference, Task};
use crate::store::policies::Notice;

use super::super::once::{Asker, OnceKey, write_once};
use super::super::permission::may_ask_address;
use super::super::record::Person;
use super::super::{Error, Services};

/// A wish for another address.
#[derive(Debug, Clone)]
pub struct NewAddress {
    /// Whose.
    pub subject: SubjectId,
    /// Where the person is to be reached.
    pub address: EmailAddress,
    /// The notice whose language and policy the mail and its page have; the one shown to the person last, if not said.
    pub notice: Option<NoticeId>,
    /// In whose name the mail goes; need not be said where there is one sender.
    pub sender: Option<SenderId>,
}

/// A change that waits for the new mailbox.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// Its id.
    pub id: LinkId,
    /// The new address, masked.
    pub masked: String,
    /// When it was asked for.
    pub asked_at: Timestamp,
    /// Until when it can be confirmed.
    pub ends_at: Timestamp,
}

/// Asks the new mailbox, once per idempotency key.
pub async fn ask(services: &Services, asker: Asker, key: Option<OnceKey>, wish: NewAddress) -> Result<Asked, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let (keys, subject) = (services.keys.of(scope).await?, wish.subject);
    let now = services.clock.now();
    let id = LinkId::from_uuid(services.ids.random());
    let end = now.plus(services.rules.address_link_ttl);
    let ends_at = Claims::until(LinkAction::Move, id, end).expires().unwrap_or(end);
    let work = Work { services: services.clone(), scope, keys, wish, id, now, ends_at };
    let asked = write_once(services, asker, key, subject.uuid(), move |tx: &mut WriteTx<'_>| work.run(tx)).await?;
    tracing::info!(target: "audit", token = %asker.token, subject = %subject, "a change of address was asked for");
    Ok(asked)
}

#[derive(Clone)]
struct Work {
    services: Services,
    scope: ControllerScope,
    keys: Arc<ControllerKeys>,
    wish: NewAddress,
    id: LinkId,
    now: Timestamp,
    ends_at: Timestamp,
}

impl Work {
    fn run(&self, tx: &mut WriteTx<'_>) -> Result<Asked, Error> {
        let (scope, now, address) = (self.scope, self.now, &self.wish.address);
        let row = tx.lock_subject(scope, self.wish.subject)?;
        if row.erased_at.is_some() {
            return Err(Error::NotNow("this person was erased".into()));
        }
        let person = Person::open(scope, &self.keys, row)?;
        let email_key = self.keys.email_fingerprint(&address.match_key());
        if person.row.email_key == email_key {
            return Err(Error::field("email", "this is the address on record"));
        }
        if tx.subject_by_fingerprint(scope, &email_key)?.is_some() {
            return Err(Error::Taken("this address"));
        }
        let may = may_ask_address(tx, &self.keys, &person, address, now, &self.services.rules)?;
        may.map_err(|reason| Error::NobodyToMail(vec![(reason, 1)]))?;
        let (notice, sender) = (self.notice(tx, &person)?, self.sender(tx)?);
        self.supersede(tx, &person)?;
        let mail = MailId::from_uuid(self.services.ids.row());
        let email = person.key.seal("address_changes", "email", self.id.uuid(), address.as_sent().as_bytes());
        tx.insert_address_change(&AddressChange {
            controller_id: scope.controller(),
            id: self.id,
            subject_id: person.row.id,
            mail_id: mail,
            email,
            created_at: now,
            expires_at: self.ends_at,
            settled_at: None,
            outcome: None,
        })?;
        tx.insert_mails(&[self.mail(mail, &person, &notice, sender)?])?;
        tx.enqueue(&[Task::new(scope, TaskKind::Mail, mail.uuid(), lane(MailKind::AddressChange), now, now)])?;
        Ok(Asked { id: self.id, masked: address.masked(), asked_at: now, ends_at: self.ends_at })
    }

    /// The notice named, or the one that the person was shown last.
    fn notice(&self, tx: &mut WriteTx<'_>, person: &Person) -> Result<Notice, Error> {
        let consents = tx.consents_of(self.scope, person.row.id)?;
        let shown =
            consents.iter().filter(|c| c.notice_id.is_some()).max_by_key(|c| c.event_id).and_then(|c| c.notice_id);
        let id = self.wish.notice.or(shown);
        let id = id.ok_or_else(|| Error::field("notice_id", "this person was shown none; name one"))?;
        tx.notice(self.scope, id).map_err(Error::missing_reference("notice_id"))
    }

    fn sender(&self, tx: &mut WriteTx<'_>) -> Result<SenderId, Error> {
        if let Some(id) = self.wish.sender {
            return Ok(tx.sender(self.scope, id).map_err(Error::missing_reference("sender_id"))?.id);
        }
        match &tx.senders(self.scope)?[..] {
            [only] => Ok(only.id),
            _ => Err(Error::field("sender_id", "there is not exactly one sender; name one")),
        }
    }

    /// Ends what was asked for before: its link, and its mail if that has not gone yet.
    fn supersede(&self, tx: &mut WriteTx<'_>, person: &Person) -> Result<(), Error> {
        let (controller, now) = (self.scope.controller(), self.now);
        let open = tx.unsettled_changes(&[(controller, person.row.id)])?;
        for change in &open {
            tx.settle_address_change(self.scope, change.id, ChangeOutcome::Superseded, now)?;
        }
        tx.supersede(&open.iter().map(|change| (controller, change.id)).collect::<Vec<_>>(), now)?;
        let mails: Vec<(_, MailId)> = open.iter().map(|change| (controller, change.mail_id)).collect();
        let waiting: Vec<(_, MailId)> = tx
            .lock_mails(&mails)?
            .into_iter()
            .filter(|mail| !mail.state.is_final())
            .map(|mail| (mail.controller_id, mail.id))
            .collect();
        tx.cancel_mails(&waiting, Reason::ChangeOver, now)?;
        let tasks: Vec<_> = waiting.iter().map(|(c, mail)| (*c, Reference::from_uuid(mail.uuid()))).collect();
        Ok(tx.drop_tasks(TaskKind::Mail, &tasks)?)
    }

    fn mail(&self, id: MailId, person: &Person, notice: &Notice, sender: SenderId) -> Result<Mail, Error> {
        Ok(Mail {
            controller_id: self.scope.controller(),
            id,
            kind: MailKind::AddressChange,
            subject_id: person.row.id,
            campaign_id: None,
            form_id: None,
            sender_id: sender,
            notice_id: notice.id,
            purposes: serde_json::to_string(&notice.purposes)?,
            state: MailState::Queued,
            lost: 0,
            frozen: None,
            reason: None,
            reply: None,
            origin_mark: None,
            place_at: None,
            created_at: self.now,
            settled_at: None,
        })
    }
}
