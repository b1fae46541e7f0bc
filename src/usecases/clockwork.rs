//! What time does by itself: consents end, unanswered requests lapse and are forgotten, kept answers go. Each call does
//! a bounded piece of work for one controller and may be run by any number of instances.

use std::time::Duration;

use crate::domain::consent::{Command, ConsentState, Refusal};
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::time::Timestamp;
use crate::store::{ReadTx, WriteTx};

use super::record::{Occasion, Person, apply};
use super::{Error, Services};

/// Ends consents that have run to their end (EX-03); says how many.
pub async fn expire_due(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    let due = services.store.read(move |tx: &mut ReadTx<'_>| tx.ended_consents(scope, now, most)).await?;
    each(services, scope, due, Command::Expire).await
}

/// Closes requests that nobody confirmed in time (DO-03); says how many.
pub async fn lapse_due(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    let due = services.store.read(move |tx: &mut ReadTx<'_>| tx.lapsed_requests(scope, now, most)).await?;
    each(services, scope, due, Command::Lapse).await
}

async fn each(
    services: &Services,
    scope: ControllerScope,
    due: Vec<(SubjectId, PurposeId)>,
    command: Command,
) -> Result<usize, Error> {
    let keys = services.keys.of(scope).await?;
    let occasion = Occasion::plain(services.clock.now(), Method::Clock, None);
    let mut done = 0;
    for (subject, purpose) in due {
        let (house, keys, occasion) = (services.clone(), keys.clone(), occasion.clone());
        let outcome = services
            .store
            .write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
                let row = tx.lock_subject(scope, subject)?;
                if row.erased_at.is_some() {
                    return Ok(());
                }
                let person = Person::open(scope, &keys, row)?;
                apply(tx, &*house.ids, &keys, &person, purpose, command, &occasion).map(|_| ())
            })
            .await;
        match outcome {
            Ok(()) => done += 1,
            // The person acted in the meantime.
            Err(Error::Refused(Refusal::NotDue | Refusal::NothingToChange)) => {}
            // One person's trouble does not keep the others' time from passing.
            Err(error) => tracing::error!(%error, subject = %subject, "the clock failed for a person"),
        }
    }
    if done > 0 {
        services.bell.notify_waiters();
    }
    Ok(done)
}

/// Erases people of whom nothing is on record but sign-ups that were never confirmed, some time after these lapsed
/// (DO-03); says how many.
pub async fn forget_unconfirmed(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    let before = now.minus(services.rules.unconfirmed_purge_after);
    let candidates = services.store.read(move |tx: &mut ReadTx<'_>| tx.never_confirmed(scope, before, most)).await?;
    let mut forgotten = 0;
    for subject in candidates {
        forgotten += services
            .store
            .write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
                let row = tx.lock_subject(scope, subject)?;
                let consents = tx.consents_of(scope, subject)?;
                let nothing_else = consents
                    .iter()
                    .all(|c| c.state == ConsentState::Unknown && c.basis_kind.is_none() && c.changed_at <= before);
                if row.erased_at.is_some() || consents.is_empty() || !nothing_else {
                    return Ok(0);
                }
                erase_in(tx, scope, subject, now)?;
                Ok::<_, Error>(1)
            })
            .await?;
    }
    Ok(forgotten)
}

/// Destroys the person's key, details, evidence and salts; what stays says nothing about anybody (R-104, TE-06).
pub(super) fn erase_in(
    tx: &mut WriteTx<'_>,
    scope: ControllerScope,
    subject: SubjectId,
    now: Timestamp,
) -> Result<(), Error> {
    let mut mark = [0; 32];
    crate::crypto::secret::fill_random(&mut mark);
    tx.shred_events(scope, subject)?;
    tx.forget_mail_bytes(scope, subject)?;
    tx.erase_subject(scope, subject, &mark, now)?;
    tracing::info!(target: "audit", subject = %subject, "a person was erased");
    Ok(())
}

/// Forgets kept answers and mail counts that are no longer needed.
pub async fn forget_old(services: &Services) -> Result<(), Error> {
    let now = services.clock.now();
    let answers_before = now.minus(services.rules.idempotency_retention);
    // Counts of yesterday still tell; those before do not (architecture section 0: within 48 hours).
    let day = now.minus(Duration::from_secs(86_400)).seconds().div_euclid(86_400);
    services
        .store
        .write(uuid::Uuid::nil(), move |tx: &mut WriteTx<'_>| {
            tx.forget_answers(answers_before)?;
            tx.forget_mail_counts(day)?;
            Ok::<_, Error>(())
        })
        .await
}
