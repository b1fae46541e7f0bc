//! Putting right what was found and may be put right. Each difference is judged once more by the record of this moment. A stop
//! there is recorded here as a webhook's would be; who is to be active, or has stopped here, is handed to those who bring
//! people in step, who know of holds, refusals and newer consents; only who is not on record here is taken off by a call of
//! our own.

use std::collections::HashMap;

use futures_util::FutureExt;
use futures_util::future::join_all;

use crate::campaign_monitor::{Account, CallError, ListState};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{FindingId, SubjectId};
use crate::domain::reconcile::{Between, Difference, Differences, FindingStatus, ReconcileStatus, There, compare};
use crate::domain::suppression::SuppressionReason;
use crate::domain::task::TaskKind;
use crate::domain::time::Timestamp;
use crate::store::destinations::DestinationState;
use crate::store::reconciles::{Finding, Reconcile};
use crate::store::{ReadTx, WriteTx};

use super::super::Error;
use super::super::sync::Visit;
use super::super::webhook::{list as list_of, stops};
use super::again::{LANE, bring_back, sync_again};
use super::people::{Found, Marks, People, found};
use super::reading::settled;
use super::{Piece, Run};

/// How a difference is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum How {
    /// It is no longer so.
    Not,
    /// The stop there is recorded here.
    Record,
    /// The person is brought in step.
    Sync,
    /// A call of our own takes the address off.
    Call,
}

/// A difference with its address opened.
#[derive(Clone)]
struct Case {
    finding: Finding,
    address: String,
    match_key: String,
}

impl Run<'_> {
    /// Puts the next few right.
    pub(super) async fn apply(&self) -> Result<Piece, Error> {
        let (scope, id) = (self.scope, self.reconcile.id);
        let allowed = Differences::from_bits(self.reconcile.allowed);
        // Those that stop somebody's mail first.
        let mut kinds: Vec<Difference> = allowed.iter().filter(|kind| kind.can_be_applied()).collect();
        kinds.sort_by_key(|kind| match kind {
            // What needs no call waits for none.
            Difference::StoppedThere | Difference::SuppressedThere => 0,
            Difference::StoppedHere => 1,
            _ => 2,
        });
        let most = self.services.rules.pieces.reconcile_apply;
        let look = move |tx: &mut ReadTx<'_>| tx.open_findings(scope, id, &kinds, most);
        let open = self.services.store.read(look).await?;
        let Some(first) = open.first().cloned() else { return self.conclude().await };
        // One list and kind at a time.
        let of_one = open.into_iter().filter(|one| (one.kind, &one.list_id) == (first.kind, &first.list_id));
        let cases = of_one.map(|finding| self.opened(finding)).collect::<Result<Vec<Case>, Error>>()?;
        if !first.kind.is_stop() && self.enough_waits().await? {
            return Ok(Piece::Later { after: None, untried: true });
        }
        let judged = self.judge(&first.list_id, &cases).await?;
        let mut by_call: Vec<Case> = Vec::new();
        let (mut settle, mut record) = (Vec::new(), Vec::new());
        for (case, how) in cases.into_iter().zip(judged) {
            match how {
                How::Not => settle.push((case, FindingStatus::Gone)),
                How::Sync => settle.push((case, FindingStatus::Applied)),
                How::Record => record.push(case),
                // As many as go at once: the claim has to outlast no more than a call.
                How::Call if by_call.len() < self.calls.max(1) => by_call.push(case),
                How::Call => {}
            }
        }
        if !by_call.is_empty() {
            match self.take_off(by_call).await? {
                Ok(taken) => settle.extend(taken),
                Err(piece) => return Ok(piece),
            }
        }
        self.write(&first.list_id, settle, record).await
    }

    fn opened(&self, finding: Finding) -> Result<Case, Error> {
        let row = finding.id.uuid();
        let plain = self.keys.open("reconcile_findings", "address", row, finding.key_version, &finding.address)?;
        let address =
            String::from_utf8(plain.to_vec()).map_err(|_| Error::Internal("a stored address is not UTF-8".into()))?;
        let match_key = EmailAddress::parse(&address)
            .map_or_else(|_| crate::campaign_monitor::normalise_address(&address), |parsed| parsed.match_key());
        Ok(Case { finding, address, match_key })
    }

    /// Whoever stops meanwhile does not wait behind a million, and the outbox does not swell while a destination is down.
    async fn enough_waits(&self) -> Result<bool, Error> {
        let (scope, ahead) = (self.scope, self.services.rules.pieces.remap_ahead);
        let look = move |tx: &mut ReadTx<'_>| tx.waiting_in_lane(scope, TaskKind::Sync, LANE, ahead);
        Ok(self.services.store.read(look).await? >= ahead)
    }

    /// How each is to be put right, by the record of this moment.
    async fn judge(&self, list: &str, cases: &[Case]) -> Result<Vec<How>, Error> {
        let (scope, purposes, now) = (self.scope, self.purposes_on(list), self.services.clock.now());
        let marks: Vec<Marks> = cases.iter().map(|case| Marks::of(&self.keys, &case.match_key)).collect();
        let (list, cases) = (list.to_owned(), cases.to_vec());
        let look = move |tx: &mut ReadTx<'_>| {
            let Found { rows, known } = found(tx, scope, &marks, &list)?;
            let people = People::read(tx, scope, rows, &marks, &list, purposes.clone(), now)?;
            let how = cases.iter().zip(&marks).map(|(case, marks)| {
                let subject = known.get(&marks.email).copied();
                // Who was brought in step since stands as we left them.
                let found_at = found_at(&case.finding);
                let since = people_state(&people, subject)
                    .is_some_and(|state| state.synced_at > found_at && state.last_error.is_none());
                let here = people.here(subject, marks);
                let still = compare(case.finding.there, between(&case.finding), here, false);
                let kind = case.finding.kind;
                if purposes.is_empty()
                    || subject.is_some_and(|id| people.is_no_word(id, here, between(&case.finding)))
                    || still != Some(kind)
                    || (since && !matches!(kind, Difference::StoppedThere | Difference::SuppressedThere))
                {
                    return How::Not;
                }
                match kind {
                    Difference::StoppedThere | Difference::SuppressedThere => How::Record,
                    Difference::MissingThere | Difference::FieldsDiffer => How::Sync,
                    Difference::StoppedHere
                        if case.finding.subject_id == subject
                            && subject.is_some_and(|id| people.newest_event(id).is_some()) =>
                    {
                        How::Sync
                    }
                    Difference::StoppedHere | Difference::UnknownThere => How::Call,
                    Difference::UnconfirmedThere => How::Not,
                }
            });
            Ok::<_, Error>(how.collect())
        };
        self.services.store.read(look).await
    }

    /// Takes people off who are not on record here. Whoever is no longer active there is left as they are.
    async fn take_off(&self, cases: Vec<Case>) -> Result<Result<Vec<(Case, FindingStatus)>, Piece>, Error> {
        let visit = match Visit::begin(self.services, self.provider, &self.destination).await? {
            Ok(visit) => visit,
            Err(pause) => return Ok(Err(Piece::Later { after: Some(pause), untried: true })),
        };
        let account = visit.account();
        let calls = cases.iter().map(|case| self.take_off_one(&account, case).boxed());
        let taken: Result<Vec<Result<bool, CallError>>, Error> = join_all(calls).await.into_iter().collect();
        let taken: Result<Vec<bool>, CallError> = match taken {
            Ok(taken) => taken.into_iter().collect(),
            Err(error) => {
                visit.end(&Ok::<_, CallError>(()));
                return Err(error);
            }
        };
        visit.end(&taken);
        match taken {
            Ok(taken) => Ok(Ok(cases
                .into_iter()
                .zip(taken)
                .map(|(case, taken)| (case, if taken { FindingStatus::Applied } else { FindingStatus::Gone }))
                .collect())),
            // Those that were taken off are found so at the next attempt.
            Err(error) => self.after(&error).await.map(Err),
        }
    }

    /// Takes one address off a list, if it is active there; says whether it was.
    async fn take_off_one(&self, account: &Account<'_>, case: &Case) -> Result<Result<bool, CallError>, Error> {
        let list = case.finding.list_id.as_str();
        let found = match account.subscriber(list, &case.address).await {
            Ok(found) => found.and_then(|found| found.list_state()),
            Err(error) => return Ok(Err(error)),
        };
        if !matches!(found, Some(ListState::Active | ListState::Unconfirmed)) {
            return Ok(Ok(false));
        }
        // Looking took a while: whoever has said yes since stays.
        if !self.extend().await? || self.judge(list, std::slice::from_ref(case)).await? != [How::Call] {
            return Ok(Ok(false));
        }
        let taken = if case.finding.kind == Difference::StoppedHere {
            // Their wish: it may reach every list there.
            account.unsubscribe(list, &case.address).await
        } else {
            // Nobody has said anything: the state that says no word about a wish (campaign-monitor 15.2).
            account.delete(list, &case.address).await
        };
        Ok(taken.map(|_| true))
    }

    /// Writes down what was put right, and brings the rest about, while the claim is ours.
    async fn write(
        &self,
        list_id: &str,
        settle: Vec<(Case, FindingStatus)>,
        record: Vec<Case>,
    ) -> Result<Piece, Error> {
        let (scope, id, task, now) = (self.scope, self.reconcile.id, self.task.clone(), self.services.clock.now());
        let (services, keys, lease) = (self.services.clone(), self.keys.clone(), self.provider.lease());
        // People are locked in the order of their ids, as everywhere.
        let mut record = record;
        record.sort_by_key(|case| case.finding.subject_id);
        let list = list_of(self.services, &self.destination, list_id.to_owned()).await?;
        let (list_id, purposes) = (list_id.to_owned(), self.purposes_on(list_id));
        let work = move |tx: &mut WriteTx<'_>| {
            if !tx.extend_lease(&task, lease)? {
                return Ok(Piece::Done);
            }
            if tx.lock_reconcile(scope, id)?.status != ReconcileStatus::Applying {
                return Ok(Piece::Done);
            }
            let mut done: HashMap<FindingStatus, Vec<FindingId>> = HashMap::new();
            let (mut again, mut removed): (Vec<&Finding>, Vec<Marks>) = (Vec::new(), Vec::new());
            for (case, status) in &settle {
                match (status, case.finding.kind) {
                    (FindingStatus::Applied, Difference::UnknownThere) => {
                        removed.push(Marks::of(&keys, &case.match_key));
                    }
                    (FindingStatus::Applied, _) if synced(&case.finding) => again.push(&case.finding),
                    _ => {}
                }
                done.entry(*status).or_default().push(case.finding.id);
            }
            sync_again(tx, scope, &again, &list_id, now)?;
            bring_back(tx, scope, &removed, &list_id, &purposes, now)?;
            for case in &record {
                let acted = match stop(&keys, case) {
                    Some(stop) => stops::record(tx, &services, &keys, &list, &[stop])?,
                    None => 0,
                };
                let status = if acted > 0 { FindingStatus::Applied } else { FindingStatus::Gone };
                done.entry(status).or_default().push(case.finding.id);
            }
            for (status, ids) in &done {
                tx.settle_findings(scope, id, ids, *status, now)?;
            }
            Ok::<_, Error>(Piece::More)
        };
        self.services.store.write(self.scope.controller().uuid(), work).await
    }

    /// Nothing that may be put right is left.
    async fn conclude(&self) -> Result<Piece, Error> {
        let (scope, id, task, now) = (self.scope, self.reconcile.id, self.task.clone(), self.services.clock.now());
        let lease = self.provider.lease();
        let work = move |tx: &mut WriteTx<'_>| {
            if !tx.extend_lease(&task, lease)? {
                return Ok(Piece::Done);
            }
            let open = tx.lock_reconcile(scope, id)?;
            if open.status != ReconcileStatus::Applying {
                return Ok(Piece::Done);
            }
            let plan: Reconcile = settled(tx, open, now)?;
            tx.save_reconcile(&plan)?;
            // More kinds may have been allowed since this piece began.
            Ok::<_, Error>(if plan.status == ReconcileStatus::Applying { Piece::More } else { Piece::Done })
        };
        self.services.store.write(id.uuid(), work).await
    }
}

/// When a difference was found, to the end of the millisecond that its id begins with.
fn found_at(finding: &Finding) -> Timestamp {
    let since_1970 = finding.id.uuid().get_timestamp().map(|at| at.to_unix());
    let (seconds, nanos) = since_1970.unwrap_or_default();
    let micros = i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    Timestamp::from_micros(micros.saturating_add(i64::from(nanos / 1000) + 999))
}

fn people_state(people: &People, subject: Option<SubjectId>) -> Option<&DestinationState> {
    people.state(subject?)
}

/// Whether those who bring people in step put it right.
fn synced(finding: &Finding) -> bool {
    match finding.kind {
        Difference::MissingThere | Difference::FieldsDiffer | Difference::StoppedHere => finding.subject_id.is_some(),
        Difference::UnknownThere
        | Difference::StoppedThere
        | Difference::SuppressedThere
        | Difference::UnconfirmedThere => false,
    }
}

/// The minute of the state there; only its end is kept, which is what a newer yes is compared with.
fn between(finding: &Finding) -> Option<Between> {
    let latest = finding.there_since?;
    let minute = std::time::Duration::from_secs(60);
    Some(Between { earliest: latest.minus(minute), latest })
}

/// The stop that is recorded.
fn stop(keys: &crate::crypto::ControllerKeys, case: &Case) -> Option<stops::Stop> {
    let address = EmailAddress::parse(&case.address).ok()?;
    let words = case.finding.detail.as_deref().unwrap_or_default().to_ascii_lowercase();
    let reason = match case.finding.there {
        There::Bounced => SuppressionReason::HardBounce,
        There::Suppressed if words.contains("bounce") => SuppressionReason::HardBounce,
        There::Suppressed if words.contains("spam") || words.contains("complain") => SuppressionReason::Complained,
        _ => SuppressionReason::Withdrawn,
    };
    Some(stops::Stop {
        fingerprint: keys.email_fingerprint(&address.match_key()).to_vec(),
        moved_to: None,
        address,
        reason,
        deleted: false,
        told_until: case.finding.there_since,
    })
}
