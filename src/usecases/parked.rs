//! Work that was given up: seen, counted, and tried again or dropped by staff. Nothing here sends: work that is
//! tried again goes the way of all work, through the gate.

use crate::domain::campaign::MemberStatus;
use crate::domain::ids::{ControllerScope, ImportId, MailId, TaskId};
use crate::domain::mailing::MailState;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::outbox::Task;
use crate::store::rows::ImportStatus;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::once::Asker;
use super::{Error, Services};

/// Parked work in the order of kind and reference, after `after`; and how much there is in all.
pub async fn list_parked(
    services: &Services,
    scope: ControllerScope,
    after: Option<(TaskKind, TaskId)>,
    limit: i64,
) -> Result<(Vec<Task>, u64), Error> {
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let count = u64::try_from(tx.parked_count(scope)?).unwrap_or(0);
            Ok::<_, Error>((tx.parked_page(scope, after, limit)?, count))
        })
        .await
}

/// Puts parked work back into the queue.
pub async fn retry_parked(services: &Services, asker: Asker, kind: TaskKind, reference: TaskId) -> Result<(), Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let now = services.clock.now();
    services
        .store
        .write(reference.uuid(), move |tx: &mut WriteTx<'_>| {
            if !tx.retry_parked(scope, kind, reference, now)? {
                return Err(Error::Store(StoreError::NotFound));
            }
            if kind == TaskKind::Mail {
                let mail = tx.lock_mail(scope, MailId::from_uuid(reference.uuid()))?;
                if mail.state == MailState::Parked {
                    // With the bytes it had: every attempt sends the same.
                    tx.settle_mail(scope, mail.id, MailState::Deferred, mail.lost, mail.reply.as_deref(), None)?;
                }
            }
            Ok(())
        })
        .await?;
    log(asker, kind, reference, "retried");
    Ok(())
}

/// Drops parked work for good, and says so on what it was about.
pub async fn drop_parked(services: &Services, asker: Asker, kind: TaskKind, reference: TaskId) -> Result<(), Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    if !matches!(kind, TaskKind::Mail | TaskKind::Sync | TaskKind::Import) {
        return Err(Error::field("kind", "this work cannot be dropped; try it again, or cancel what it is about"));
    }
    let now = services.clock.now();
    services
        .store
        .write(reference.uuid(), move |tx: &mut WriteTx<'_>| {
            if !tx.drop_parked(scope, kind, reference)? {
                return Err(Error::Store(StoreError::NotFound));
            }
            match kind {
                TaskKind::Mail => give_up_mail(tx, scope, MailId::from_uuid(reference.uuid()), now),
                TaskKind::Import => give_up_import(tx, scope, ImportId::from_uuid(reference.uuid()), now),
                _ => Ok(()),
            }
        })
        .await?;
    log(asker, kind, reference, "dropped");
    Ok(())
}

fn log(asker: Asker, kind: TaskKind, reference: TaskId, what: &'static str) {
    tracing::info!(target: "audit", token = %asker.token, kind = kind.name(), %reference, what, "parked work was settled by staff");
}

/// The mail is over and its bytes go. One that may have been sent stays uncertain.
fn give_up_mail(tx: &mut WriteTx<'_>, scope: ControllerScope, id: MailId, now: Timestamp) -> Result<(), Error> {
    let mail = tx.lock_mail(scope, id)?;
    let state = match mail.state {
        MailState::HandingOver | MailState::Uncertain => MailState::Uncertain,
        MailState::Queued | MailState::Claimed | MailState::Deferred | MailState::Parked => MailState::Parked,
        MailState::Accepted | MailState::Bounced | MailState::Cancelled => return Ok(()),
    };
    tx.settle_mail(scope, id, state, mail.lost, mail.reply.as_deref(), Some(now))?;
    if let Some(campaign) = mail.campaign_id {
        tx.set_member_status(scope, campaign, mail.subject_id, MemberStatus::Held, None)?;
    }
    Ok(())
}

/// The upload has failed, and the bytes that were not read go.
fn give_up_import(tx: &mut WriteTx<'_>, scope: ControllerScope, id: ImportId, now: Timestamp) -> Result<(), Error> {
    let mut import = tx.lock_import(scope, id)?;
    if matches!(import.status, ImportStatus::Done | ImportStatus::Failed) {
        return Ok(());
    }
    import.status = ImportStatus::Failed;
    import.failure = Some("dropped by staff before it was read to its end".to_owned());
    import.finished_at = Some(now);
    tx.save_import_progress(&import)?;
    Ok(tx.delete_import_chunks(scope, id)?)
}
