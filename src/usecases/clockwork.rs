//! What time does by itself: consents end, unanswered requests lapse and are forgotten, kept answers go. Each call does
//! a bounded piece of work for one controller and may be run by any number of instances.

use std::time::Duration;

use crate::domain::consent::{Command, ConsentState, Refusal};
use crate::domain::event::Method;
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::destinations::DestinationState;
use crate::store::idempotency::FORGOTTEN;
use crate::store::outbox::Task;
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
    Ok(done)
}

/// Erases people of whom nothing is on record but sign-ups that were never confirmed, some time after these lapsed
/// (DO-03); says how many.
pub async fn forget_unconfirmed(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    let before = now.minus(services.rules.unconfirmed_purge_after);
    let mut candidates =
        services.store.read(move |tx: &mut ReadTx<'_>| tx.never_confirmed(scope, before, most)).await?;
    candidates.sort_unstable();
    candidates.dedup();
    let mut forgotten = 0;
    for subject in candidates {
        forgotten += services
            .store
            .write(subject.uuid(), move |tx: &mut WriteTx<'_>| {
                let row = tx.lock_subject(scope, subject)?;
                let consents = tx.consents_of(scope, subject)?;
                tx.seen_unconfirmed(scope, subject, before)?;
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

/// Forgets mails that have been over for the retention time; says how many. The events that tell what came of
/// them stay.
pub async fn forget_mails(services: &Services, scope: ControllerScope) -> Result<usize, Error> {
    let most = services.rules.pieces.mails_forgotten;
    let before = services.clock.now().minus(services.rules.mail_retention);
    let old = services.store.read(move |tx: &mut ReadTx<'_>| tx.old_mails(scope, before, most)).await?;
    if old.is_empty() {
        return Ok(0);
    }
    let route = scope.controller().uuid();
    Ok(services.store.write(route, move |tx: &mut WriteTx<'_>| tx.forget_mails(scope, &old, before)).await?)
}

/// Destroys the person's key, details, evidence and salts; what stays says nothing about anybody (R-104, TE-06).
///
/// Whoever stands at a destination has to be taken off there, by the address. So key and address live on until that is
/// done, and open nothing else by then; the work for the destinations, asked for here, destroys them as its last act.
pub fn erase_in(tx: &mut WriteTx<'_>, scope: ControllerScope, subject: SubjectId, now: Timestamp) -> Result<(), Error> {
    let mut mark = [0; 32];
    crate::crypto::secret::fill_random(&mut mark);
    tx.shred_events(scope, subject)?;
    tx.forget_mail_bytes(scope, subject)?;
    let fingerprint = tx.subject(scope, subject)?.email_key;
    tx.forget_findings_about(scope, subject, &fingerprint)?;
    for left in tx.former_addresses(&[(scope.controller(), subject)])? {
        tx.forget_findings_about(scope, subject, &left.email_key)?;
    }
    tx.forget_addresses(scope, subject)?;
    let mut lists: Vec<String> = tx.destination_lists(scope)?.into_iter().map(|list| list.list_id).collect();
    let states = tx.destination_states(scope, subject)?;
    lists.extend(states.iter().map(|state| state.list_id.clone()));
    tx.forget_sightings(scope, subject, &lists)?;
    let stands = states.iter().any(DestinationState::is_open);
    if stands {
        tx.erase_subject_but_address(scope, subject, &mark, now)?;
        tx.enqueue(&[Task::new(scope, TaskKind::Sync, subject.uuid(), ERASING_LANE, now, now)])?;
    } else {
        tx.erase_subject(scope, subject, &mark, now)?;
    }
    tracing::info!(target: "audit", subject = %subject, "a person was erased");
    Ok(())
}

/// As urgent as a stop.
const ERASING_LANE: i16 = 1;

/// Pieces that one look of the timetable forgets, at most.
const LOOK: usize = 20;

/// Forgets kept answers, mail counts and buckets of the throttles that are no longer needed, piece by piece.
pub async fn forget_old(services: &Services) -> Result<(), Error> {
    let (now, most) = (services.clock.now(), services.rules.pieces.clock);
    let answers_before = now.minus(services.rules.idempotency_retention);
    // Counts of yesterday still tell; those before do not (architecture section 0: within 48 hours).
    let day = now.minus(Duration::from_secs(86_400)).seconds().div_euclid(86_400);
    let full = usize::try_from(FORGOTTEN).unwrap_or(usize::MAX);
    for _ in 0..LOOK {
        let forget = move |tx: &mut WriteTx<'_>| {
            Ok::<_, Error>(tx.forget_answers(answers_before)?.max(tx.forget_mail_counts(day)?))
        };
        if services.store.write(uuid::Uuid::nil(), forget).await? < full {
            break;
        }
    }
    services.store.write(uuid::Uuid::nil(), move |tx: &mut WriteTx<'_>| tx.forget_idle_buckets(now, most)).await?;
    Ok(())
}
