//! One mail, from the outbox to the relay and back (R-40 to R-51): draft it, pass the gate and commit the hand-over,
//! let the caller speak to the relay, and settle what came of it.
//!
//! ```text
//! draft ──> hand_over ──────> (relay) ──> settle
//!           gate + `handing_over`,        accepted | deferred | bounced | uncertain | parked
//!           frozen bytes, links:          one commit, only while the claim is still ours
//!           one commit
//! ```
//!
//! A worker that finds `handing_over` on a mail it claims knows that another died there: the mail may have been sent,
//! and it is treated as one whose answer was lost (R-43).

mod common;
mod draft;
mod hand_over;
mod settle;

pub use draft::{Draft, Drafted, draft_all};
pub use settle::{Attempted, GiveUp, Told, settle};

use std::sync::Arc;
use std::time::Duration;

use crate::domain::address::ChangeOutcome;
use crate::domain::campaign::MemberStatus;
use crate::domain::gate::{MailKind, Reason};
use crate::domain::ids::{ControllerScope, MailId};
use crate::domain::throttle::BucketKind;
use crate::domain::time::Timestamp;
use crate::mail::Envelope;
use crate::store::mails::Mail;
use crate::store::outbox::Task;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::{Error, Services};
use hand_over::Handing;

/// A mail that is committed to be handed over; nobody else holds it.
#[derive(Debug)]
pub struct Ready {
    draft: Arc<Draft>,
    mail: Mail,
}

impl Ready {
    /// From whom, to whom.
    pub fn envelope(&self) -> &Envelope {
        &self.draft.envelope
    }

    /// The frozen bytes (R-41).
    pub fn bytes(&self) -> &[u8] {
        &self.draft.bytes
    }

    /// Which mail.
    pub const fn mail(&self) -> MailId {
        self.mail.id
    }
}

/// What came of the attempt to hand over.
#[derive(Debug)]
pub enum HandOver {
    /// Send it now: the gate said yes a moment ago.
    Send(Arc<Ready>),
    /// The gate said no; the mail is over.
    Cancelled(Reason),
    /// Not now: the round is paused, or what may be asked has changed since the draft.
    Postponed,
    /// It waits for its turn in a bucket of the throttles (R-49).
    Throttled(Option<BucketKind>),
    /// Another worker has it, or it is gone.
    NotOurs,
    /// An answer was lost and the policy is to leave it (R-43).
    Held,
}

/// Times and caps of handing over.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How long a claim holds from the hand-over on: longer than the relay may take over the final dot (R-45).
    pub lease: Duration,
    /// When a mail of a paused round is looked at again.
    pub paused_look: Duration,
}

/// Runs the gate and commits the hand-over of these mails in one transaction (RP-05). One outcome for each, in their
/// order.
pub async fn hand_over(
    services: &Services,
    drafted: Vec<(Task, Arc<Draft>)>,
    pace: Pace,
) -> Vec<Result<HandOver, Error>> {
    let handing = |(task, draft)| Handing { services: services.clone(), task, draft, pace, again: false };
    services.store.submit_all(drafted.into_iter().map(handing).collect()).await
}

/// [`hand_over`] once more by the same claim, as a connection was long in coming: between the gate and DATA lies at most
/// a second.
pub async fn hand_over_again(services: &Services, task: &Task, ready: &Ready, pace: Pace) -> Result<HandOver, Error> {
    let (services, task, draft) = (services.clone(), task.clone(), Arc::clone(&ready.draft));
    services.store.clone().submit(Handing { services, task, draft, pace, again: true }).await
}

/// Ends a mail that cannot be drafted: it is over already, or the person was erased.
pub async fn abandon(services: &Services, task: &Task) -> Result<(), Error> {
    let (task, now) = (task.clone(), services.clock.now());
    services
        .store
        .write(task.reference.uuid(), move |tx: &mut WriteTx<'_>| match open_mail(tx, &task)? {
            Some(mail) => cancel(tx, &task, &mail, Reason::Erased, now),
            None => Ok(tx.finish(&task, now).map(|_| ())?),
        })
        .await
}

/// Ends a mail without sending it, with the reason, also in its round.
fn cancel(tx: &mut WriteTx<'_>, task: &Task, mail: &Mail, reason: Reason, now: Timestamp) -> Result<(), Error> {
    let scope = task.scope();
    tx.cancel_mail(scope, mail.id, reason, now)?;
    if let Some(campaign) = mail.campaign_id {
        tx.set_member_status(scope, campaign, mail.subject_id, MemberStatus::Excluded, Some(reason))?;
    }
    if mail.kind == MailKind::AddressChange {
        end_change(tx, mail, ChangeOutcome::NotSent, now)?;
    }
    tx.finish(task, now)?;
    Ok(())
}

/// Ends the change of address that a mail asks about, if nothing has.
fn end_change(tx: &mut WriteTx<'_>, mail: &Mail, outcome: ChangeOutcome, now: Timestamp) -> Result<(), Error> {
    let open = tx.unsettled_changes(&[(mail.controller_id, mail.subject_id)])?;
    for change in open.iter().filter(|change| change.mail_id == mail.id) {
        tx.settle_address_change(ControllerScope::granted(mail.controller_id), change.id, outcome, now)?;
    }
    Ok(())
}

/// A mail by its task, if it is there and not over.
pub(super) fn open_mail(tx: &mut ReadTx<'_>, task: &Task) -> Result<Option<Mail>, Error> {
    match tx.mail(task.scope(), MailId::from_uuid(task.reference.uuid())) {
        Ok(mail) if mail.state.is_final() => Ok(None),
        Ok(mail) => Ok(Some(mail)),
        Err(StoreError::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
