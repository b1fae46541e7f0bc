//! The transitions of a consent (see [`super::consent`] for the states and the words). Every match names every state,
//! so that a new one does not compile until each command has an answer for it.

use super::consent::{Act, Command, ConsentState, Decision, Effect, Refusal, Standing};
use super::event::EventKind;
use super::purpose::Terms;
use super::suppression::SuppressionReason;
use super::time::Timestamp;

/// The state machine: total, pure, and the only way from one standing to the next.
pub fn decide(standing: &Standing, command: Command, now: Timestamp) -> Result<Decision, Refusal> {
    use ConsentState as S;
    let state = standing.effective(now);
    match command {
        Command::Request { until } => match state {
            S::Confirmed | S::Renewed => Ok(record(*standing, EventKind::Reaffirmed)),
            S::Pending => {
                let next = Standing { request_until: Some(until), ..*standing };
                Ok(Decision { next, event: Some(EventKind::Requested), effects: &[Effect::MailConfirmation] })
            }
            S::Unknown | S::Refused | S::Withdrawn | S::Objected | S::Expired | S::Dormant | S::Invalidated => {
                let next = Standing { state: S::Pending, fallback: state, request_until: Some(until), ..*standing };
                // A consent past its end that the clerk has not noted yet is still active at the destination (EX-03).
                let effects: &[Effect] = if standing.state.is_valid() {
                    &[Effect::MailConfirmation, Effect::Sync]
                } else {
                    &[Effect::MailConfirmation]
                };
                Ok(Decision { next, event: Some(EventKind::Requested), effects })
            }
            S::Terminated => Err(Refusal::PurposeEnded),
        },
        Command::Give { act, terms } => give(standing, state, act, terms, now),
        Command::Refuse => match state {
            S::Refused | S::Withdrawn | S::Objected => Ok(unchanged(standing, state)),
            S::Pending if standing.fallback.is_never() => Ok(Decision {
                next: settle(standing, standing.fallback),
                event: Some(EventKind::Refused),
                effects: &[Effect::CancelMail],
            }),
            S::Unknown
            | S::Pending
            | S::Confirmed
            | S::Renewed
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => stop(
                standing,
                S::Refused,
                EventKind::Refused,
                &[Effect::Suppress(SuppressionReason::Refused), Effect::CancelMail, Effect::Sync],
            ),
        },
        Command::Withdraw { reason } => match state {
            // Once is enough (WD-06), but a reason that reaches further than the entry on the list still has to get there:
            // a complaint after an unsubscribe stops everything (ML-21), and "not me" stops confirmation mails.
            S::Withdrawn | S::Objected => Ok(Decision { effects: repeated(reason), ..unchanged(standing, state) }),
            // An objection is the wider word; a request that came to nothing does not narrow it (WD-04).
            S::Pending if standing.fallback == S::Objected => {
                stop(standing, S::Objected, EventKind::Withdrawn, withdrawal_effects(reason))
            }
            S::Unknown
            | S::Pending
            | S::Confirmed
            | S::Renewed
            | S::Refused
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => stop(standing, S::Withdrawn, EventKind::Withdrawn, withdrawal_effects(reason)),
        },
        Command::Object => match state {
            S::Objected => Ok(unchanged(standing, state)),
            S::Unknown
            | S::Pending
            | S::Confirmed
            | S::Renewed
            | S::Refused
            | S::Withdrawn
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => stop(
                standing,
                S::Objected,
                EventKind::Objected,
                &[Effect::SuppressAll(SuppressionReason::Objected), Effect::CancelMail, Effect::Sync],
            ),
        },
        Command::Lapse => match standing.state {
            S::Pending if state != S::Pending => Ok(Decision {
                next: settle(standing, standing.fallback),
                event: Some(EventKind::Lapsed),
                effects: &[Effect::CancelMail],
            }),
            S::Pending => Err(Refusal::NotDue),
            S::Unknown
            | S::Confirmed
            | S::Renewed
            | S::Refused
            | S::Withdrawn
            | S::Objected
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => Err(Refusal::NothingToChange),
        },
        Command::Expire => match standing.state {
            S::Confirmed | S::Renewed if state == S::Expired => {
                stop(standing, S::Expired, EventKind::Expired, &[Effect::CancelMail, Effect::Sync])
            }
            S::Confirmed | S::Renewed => Err(Refusal::NotDue),
            S::Unknown
            | S::Pending
            | S::Refused
            | S::Withdrawn
            | S::Objected
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => Err(Refusal::NothingToChange),
        },
        Command::GoDormant => match state {
            S::Confirmed | S::Renewed => {
                stop(standing, S::Dormant, EventKind::Dormant, &[Effect::CancelMail, Effect::Sync])
            }
            S::Unknown
            | S::Pending
            | S::Refused
            | S::Withdrawn
            | S::Objected
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => Err(Refusal::NothingToChange),
        },
        Command::Terminate => match state {
            S::Refused | S::Withdrawn | S::Objected | S::Terminated => Ok(unchanged(standing, state)),
            S::Pending if standing.fallback.is_never() => Ok(Decision {
                next: settle(standing, standing.fallback),
                event: Some(EventKind::Lapsed),
                effects: &[Effect::CancelMail],
            }),
            S::Unknown | S::Pending | S::Confirmed | S::Renewed | S::Expired | S::Dormant | S::Invalidated => {
                stop(standing, S::Terminated, EventKind::Terminated, &[Effect::CancelMail, Effect::Sync])
            }
        },
        Command::Invalidate => match state {
            S::Confirmed | S::Renewed => {
                stop(standing, S::Invalidated, EventKind::Invalidated, &[Effect::CancelMail, Effect::Sync])
            }
            S::Unknown if standing.basis.is_some() => {
                stop(standing, S::Invalidated, EventKind::Invalidated, &[Effect::CancelMail, Effect::Sync])
            }
            S::Unknown
            | S::Pending
            | S::Refused
            | S::Withdrawn
            | S::Objected
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => Err(Refusal::NothingToChange),
        },
        Command::RequireRefresh => match state {
            S::Confirmed | S::Renewed if standing.needs_refresh => Ok(unchanged(standing, state)),
            S::Confirmed | S::Renewed => {
                Ok(record(Standing { needs_refresh: true, ..*standing }, EventKind::NeedsRefresh))
            }
            S::Unknown
            | S::Pending
            | S::Refused
            | S::Withdrawn
            | S::Objected
            | S::Expired
            | S::Dormant
            | S::Terminated
            | S::Invalidated => Err(Refusal::NothingToChange),
        },
        // A list speaks of where the person stood before a request that is open; the request itself goes on.
        Command::RecordBasis(basis) => match if state == S::Pending { standing.fallback } else { state } {
            S::Refused | S::Withdrawn | S::Objected => Err(Refusal::Stopped),
            S::Unknown | S::Pending if standing.basis == Some(basis) => {
                Ok(Decision { next: *standing, event: None, effects: &[] })
            }
            S::Unknown | S::Pending => {
                Ok(record(Standing { basis: Some(basis), ..*standing }, EventKind::BasisRecorded))
            }
            S::Confirmed | S::Renewed => Err(Refusal::AlreadyConfirmed),
            S::Expired | S::Dormant | S::Invalidated => Err(Refusal::EndedHere),
            S::Terminated => Err(Refusal::PurposeEnded),
        },
    }
}

/// A yes. Which acts suffice depends on where the person stands.
fn give(standing: &Standing, state: ConsentState, act: Act, terms: Terms, now: Timestamp) -> Result<Decision, Refusal> {
    use ConsentState as S;
    let given = |event: EventKind, effects: &'static [Effect]| {
        let next = Standing {
            state: if event == EventKind::Renewed { S::Renewed } else { S::Confirmed },
            fallback: S::Unknown,
            request_until: None,
            basis: standing.basis,
            terms: Some(terms),
            needs_refresh: false,
        };
        Ok(Decision { next, event: Some(event), effects })
    };
    const FRESH: &[Effect] = &[Effect::LiftSuppression, Effect::Sync];
    const PLAIN: &[Effect] = &[Effect::Sync];
    match (act, state) {
        (_, S::Terminated) => Err(Refusal::PurposeEnded),
        (Act::ConfirmedByLink, S::Pending) => given(EventKind::Given, FRESH),
        (Act::ConfirmedByLink, _)
            if standing.state == S::Pending && standing.request_until.is_none_or(|until| until <= now) =>
        {
            Err(Refusal::RequestExpired)
        }
        (
            Act::ConfirmedByLink,
            S::Unknown
            | S::Confirmed
            | S::Renewed
            | S::Refused
            | S::Withdrawn
            | S::Objected
            | S::Expired
            | S::Dormant
            | S::Invalidated,
        ) => Err(Refusal::NotRequested),
        (Act::AnsweredByLink | Act::SingleOptIn, S::Refused | S::Withdrawn | S::Objected) => Err(match act {
            Act::SingleOptIn => Refusal::NeedsConfirmation,
            Act::ConfirmedByLink | Act::AnsweredByLink => Refusal::Stopped,
        }),
        (Act::AnsweredByLink, S::Pending) if standing.fallback.is_never() => Err(Refusal::Stopped),
        (Act::SingleOptIn, S::Pending) if standing.fallback.is_never() => Err(Refusal::NeedsConfirmation),
        (Act::AnsweredByLink, S::Confirmed | S::Renewed) => given(EventKind::Renewed, PLAIN),
        (Act::SingleOptIn, S::Confirmed | S::Renewed) => Ok(record(*standing, EventKind::Reaffirmed)),
        (
            Act::AnsweredByLink | Act::SingleOptIn,
            S::Unknown | S::Pending | S::Expired | S::Dormant | S::Invalidated,
        ) => given(EventKind::Given, PLAIN),
    }
}

fn withdrawal_effects(reason: SuppressionReason) -> &'static [Effect] {
    use SuppressionReason as R;
    match reason {
        R::Withdrawn => &[Effect::Suppress(R::Withdrawn), Effect::CancelMail, Effect::Sync],
        R::Objected => &[Effect::SuppressAll(R::Objected), Effect::CancelMail, Effect::Sync],
        R::Complained => &[Effect::SuppressAll(R::Complained), Effect::CancelMail, Effect::Sync],
        R::HardBounce => &[Effect::SuppressAll(R::HardBounce), Effect::CancelMail, Effect::Sync],
        R::Invalid => &[Effect::SuppressAll(R::Invalid), Effect::CancelMail, Effect::Sync],
        R::NotMe => &[Effect::SuppressAll(R::NotMe), Effect::CancelMail, Effect::Sync],
        R::Child => &[Effect::SuppressAll(R::Child), Effect::CancelMail, Effect::Sync],
        R::Legal => &[Effect::SuppressAll(R::Legal), Effect::CancelMail, Effect::Sync],
        R::Manual => &[Effect::SuppressAll(R::Manual), Effect::CancelMail, Effect::Sync],
        R::Refused => &[Effect::Suppress(R::Refused), Effect::CancelMail, Effect::Sync],
    }
}

/// What a withdrawal of somebody who has stopped already still has to do.
fn repeated(reason: SuppressionReason) -> &'static [Effect] {
    use SuppressionReason as R;
    match reason {
        R::Withdrawn | R::Refused => &[],
        R::Objected | R::Complained | R::HardBounce | R::Invalid | R::NotMe | R::Child | R::Legal | R::Manual => {
            withdrawal_effects(reason)
        }
    }
}

/// The standing with a pending request closed.
fn settle(standing: &Standing, state: ConsentState) -> Standing {
    Standing { state, fallback: ConsentState::Unknown, request_until: None, ..*standing }
}

fn stop(
    standing: &Standing,
    state: ConsentState,
    event: EventKind,
    effects: &'static [Effect],
) -> Result<Decision, Refusal> {
    let next = Standing { needs_refresh: false, terms: standing.terms, ..settle(standing, state) };
    Ok(Decision { next, event: Some(event), effects })
}

fn record(next: Standing, event: EventKind) -> Decision {
    Decision { next, event: Some(event), effects: &[] }
}

/// Nothing to record; a request whose time has passed is closed on the way.
fn unchanged(standing: &Standing, state: ConsentState) -> Decision {
    let next = if standing.state == ConsentState::Pending && state != ConsentState::Pending {
        settle(standing, state)
    } else {
        *standing
    };
    Decision { next, event: None, effects: &[] }
}
