//! What has to hold for any sequence of commands, however unlikely, in the life of one person and one purpose.

use proptest::prelude::*;

use super::consent::{Act, Command, ConsentState, Decision, Effect, Refusal, Standing, decide};
use super::consent_tests::{DAY, basis, falls_back_to, now};
use super::event::EventKind;
use super::gate::{GateInput, MailKind, Reason, SubjectFlags, gate};
use super::purpose::Terms;
use super::replay::{Told, replay};
use super::suppression::SuppressionReason;
use super::time::Timestamp;

/// A command, given the moment at which it is given.
type At = fn(Timestamp) -> Command;

/// A life: commands, each some days after the one before.
type Life = Vec<(At, u32)>;

fn any_command() -> impl Strategy<Value = At> {
    fn terms(at: Timestamp) -> Terms {
        Terms { valid_until: at.plus(100 * DAY), refresh_from: at.plus(40 * DAY) }
    }
    let all: [At; 17] = [
        |at| Command::Request { until: at.plus(7 * DAY) },
        |at| Command::Request { until: at.plus(7 * DAY) },
        |at| Command::Give { act: Act::ConfirmedByLink, terms: terms(at) },
        |at| Command::Give { act: Act::AnsweredByLink, terms: terms(at) },
        |at| Command::Give { act: Act::SingleOptIn, terms: terms(at) },
        |_| Command::Refuse,
        |_| Command::Withdraw { reason: SuppressionReason::Withdrawn },
        |_| Command::Withdraw { reason: SuppressionReason::Complained },
        |_| Command::Object,
        |_| Command::Lapse,
        |_| Command::Expire,
        |_| Command::GoDormant,
        |_| Command::Terminate,
        |_| Command::Invalidate,
        |_| Command::RequireRefresh,
        |_| Command::RecordBasis(basis(true)),
        |_| Command::RecordBasis(basis(false)),
    ];
    prop::sample::select(all.to_vec())
}

fn any_life() -> impl Strategy<Value = Life> {
    prop::collection::vec((any_command(), prop_oneof![0_u32..3, 0_u32..12, 30_u32..120]), 1..40)
}

/// One step of a life.
struct Step {
    before: Standing,
    command: Command,
    at: Timestamp,
    decided: Result<Decision, Refusal>,
    after: Standing,
}

fn live(life: &[(At, u32)]) -> Vec<Step> {
    let mut standing = Standing::NONE;
    let mut at = now();
    let mut steps = Vec::new();
    for (command, days) in life {
        at = at.plus(*days * DAY);
        let command = command(at);
        let decided = decide(&standing, command, at);
        let after = decided.as_ref().map_or(standing, |decision| decision.next);
        steps.push(Step { before: standing, command, at, decided, after });
        standing = after;
    }
    steps
}

fn effects(step: &Step) -> &'static [Effect] {
    step.decided.as_ref().map_or(&[], |decision| decision.effects)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_withdrawal_always_succeeds(life in any_life()) {
        for step in live(&life) {
            for (command, state) in [
                (Command::Withdraw { reason: SuppressionReason::Withdrawn }, None),
                (Command::Object, Some(ConsentState::Objected)),
            ] {
                let stopped = decide(&step.after, command, step.at).unwrap().next;
                prop_assert!(stopped.state.is_never() && stopped.effective(step.at) == stopped.state);
                prop_assert!(state.is_none_or(|state| stopped.state == state));
            }
            let refused = decide(&step.after, Command::Refuse, step.at).unwrap().next;
            prop_assert!(refused.state.is_never());
        }
    }

    /// CV-01, RP-06: silence, lists, clocks and controllers make no consent.
    #[test]
    fn only_the_persons_own_act_makes_a_consent(life in any_life()) {
        for step in live(&life) {
            if !step.before.state.is_valid() && step.after.state.is_valid() {
                prop_assert!(matches!(step.command, Command::Give { .. }), "{:?}", step.command);
            }
            // Nor does anything else make one last longer (EX-02).
            if step.after.state.is_valid() && step.after.terms != step.before.terms {
                prop_assert!(matches!(step.command, Command::Give { .. }), "{:?}", step.command);
            }
        }
    }

    /// PF-01: what was recorded tells where the person stood at any moment, without what stands now.
    #[test]
    fn what_was_recorded_leads_to_the_same_state_at_any_moment(life in any_life(), wait in 0_u32..200) {
        let mut replayed = Standing::NONE;
        for step in live(&life) {
            if let Ok(Decision { event: Some(kind), next, .. }) = step.decided {
                let valid_until = match kind {
                    EventKind::Given | EventKind::Renewed => next.terms.map(|terms| terms.valid_until),
                    EventKind::Requested => next.request_until,
                    _ => None,
                };
                replayed = replay(&replayed, Told { kind, at: step.at, valid_until }).unwrap_or(replayed);
            }
            for at in [step.at, step.at.plus(wait * DAY)] {
                prop_assert_eq!(replayed.effective(at), step.after.effective(at), "{:?} at {}", step.command, at);
            }
        }
    }

    /// RP-04.
    #[test]
    fn only_a_fresh_request_confirmed_by_link_leaves_a_never_state(life in any_life()) {
        let mut requested = false;
        for step in live(&life) {
            if step.before.is_never() {
                requested |= matches!(step.command, Command::Request { .. });
                if !step.after.is_never() {
                    prop_assert!(matches!(step.command, Command::Give { act: Act::ConfirmedByLink, .. }), "{:?}", step.command);
                    prop_assert!(requested, "confirmed without a request");
                    prop_assert!(step.after.state == ConsentState::Confirmed);
                }
            }
            if !step.before.is_never() || step.after.state.is_never() {
                requested = false;
            }
        }
    }

    /// RP-03: a list speaks about the past and changes nobody's state.
    #[test]
    fn a_list_never_changes_the_state(life in any_life()) {
        for step in live(&life) {
            if let Ok(decision) = decide(&step.after, Command::RecordBasis(basis(true)), step.at) {
                prop_assert_eq!(Standing { basis: step.after.basis, ..decision.next }, step.after);
                prop_assert!(!step.after.is_never() && decision.effects.is_empty());
            }
        }
    }

    /// RP-01, RP-05 and DO-02, for whatever else is known of the person.
    #[test]
    fn no_path_leads_from_a_never_state_to_a_mail(
        life in any_life(),
        mail_corporate: bool, asked_recently: bool, restricted: bool, undeliverable: bool, erased: bool,
        suppression in prop::option::of(prop::sample::select(SuppressionReason::ALL.to_vec())),
        wait in 0_u32..200,
    ) {
        for step in live(&life) {
            let flags = SubjectFlags { erased, restricted, undeliverable };
            let input = GateInput { standing: &step.after, flags, suppression, mail_corporate, asked_recently };
            let at = step.at.plus(wait * DAY);
            if step.after.is_never() {
                let asked = gate(MailKind::Repermission, &input, at);
                prop_assert!(asked.is_err_and(Reason::is_never), "{asked:?}");
            }
            if gate(MailKind::Confirmation, &input, at).is_ok() {
                prop_assert_eq!(step.after.state, ConsentState::Pending);
                prop_assert!(step.after.request_until.is_some_and(|until| at < until));
            }
        }
    }

    /// PR-09, PR-10, R-44, SU-01: what must follow a change does follow.
    #[test]
    fn what_must_follow_does_follow(life in any_life()) {
        for step in live(&life) {
            let effects = effects(&step);
            if step.before.state.is_valid() != step.after.state.is_valid() {
                prop_assert!(effects.contains(&Effect::Sync), "{:?} by {:?}", step.before, step.command);
            }
            if !step.before.is_never() && step.after.is_never() {
                let suppresses = effects.iter().any(|effect| matches!(effect, Effect::Suppress(_) | Effect::SuppressAll(_)));
                prop_assert!(suppresses && effects.contains(&Effect::CancelMail), "{effects:?}");
            }
            if effects.contains(&Effect::LiftSuppression) {
                let by_link = matches!(step.command, Command::Give { act: Act::ConfirmedByLink, .. });
                prop_assert!(by_link);
                prop_assert!(step.before.state == ConsentState::Pending && step.after.state == ConsentState::Confirmed);
            }
            if effects.contains(&Effect::MailConfirmation) {
                let requested = matches!(step.command, Command::Request { .. });
                prop_assert!(requested);
            }
            // A change is on record: the one thing that may be done without a word is closing what is over.
            let changed = step.after.effective(step.at) != step.before.effective(step.at);
            prop_assert!(!changed || step.decided.is_ok_and(|decision| decision.event.is_some()));
        }
    }

    /// What is pending has an end and a way back; what is not, has neither.
    #[test]
    fn a_standing_is_whole(life in any_life()) {
        for step in live(&life) {
            let pending = step.after.state == ConsentState::Pending;
            prop_assert_eq!(step.after.request_until.is_some(), pending);
            prop_assert!(falls_back_to(step.after.fallback));
            prop_assert!(pending || step.after.fallback == ConsentState::Unknown);
            prop_assert!(!step.after.state.is_valid() || step.after.terms.is_some());
            prop_assert!(!step.after.needs_refresh || !step.after.is_never());
        }
    }
}
