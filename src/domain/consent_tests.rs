//! The state machine against the law papers: every cell of (where a person stands) x (what somebody wants), written
//! out by hand.

use std::collections::BTreeMap;
use std::time::Duration;

use super::basis::{Basis, BasisKind};
use super::consent::{Act, Command, ConsentState, Decision, Effect, Refusal, Standing, decide};
use super::event::EventKind;
use super::purpose::Terms;
use super::suppression::SuppressionReason;
use super::time::Timestamp;

pub(super) const DAY: Duration = Duration::from_secs(86_400);

/// 2026-11-24T12:00:00Z
pub(super) const fn now() -> Timestamp {
    Timestamp::from_micros(1_795_521_600_000_000)
}

fn old_terms(over: bool) -> Terms {
    let valid_until = if over { now() } else { now().plus(DAY) };
    Terms { valid_until, refresh_from: now().minus(60 * DAY) }
}

fn new_terms() -> Terms {
    Terms { valid_until: now().plus(730 * DAY), refresh_from: now().plus(670 * DAY) }
}

fn new_until() -> Timestamp {
    now().plus(7 * DAY)
}

pub(super) fn basis(how_sure: bool) -> Basis {
    Basis { kind: BasisKind::Consent, evidenced: how_sure, collected_at: None, valid_until: None }
}

/// The states that a request may start from, and so fall back to. `confirmed`, `renewed` and `terminated` never open a
/// request, and a pending one keeps what it has.
pub(super) fn falls_back_to(state: ConsentState) -> bool {
    use ConsentState as S;
    match state {
        S::Unknown | S::Refused | S::Withdrawn | S::Objected | S::Expired | S::Dormant | S::Invalidated => true,
        S::Pending | S::Confirmed | S::Renewed | S::Terminated => false,
    }
}

/// Every place a person can stand in, by name. A state more, and there are rows missing in the table.
fn situations() -> BTreeMap<String, Standing> {
    use ConsentState as S;
    let mut all = BTreeMap::new();
    let mut put = |name: String, standing: Standing| assert!(all.insert(name, standing).is_none());
    for state in S::ALL.iter().copied() {
        let plain = Standing { state, ..Standing::NONE };
        match state {
            S::Unknown => {
                put("unknown".into(), plain);
                put("unknown+basis".into(), Standing { basis: Some(basis(false)), ..plain });
            }
            S::Pending => {
                for fallback in S::ALL.iter().copied().filter(|state| falls_back_to(*state)) {
                    let open = Standing { fallback, request_until: Some(now().plus(DAY)), ..plain };
                    put(format!("pending<{fallback}"), open);
                    put(format!("pending<{fallback},over"), Standing { request_until: Some(now()), ..open });
                }
            }
            S::Confirmed | S::Renewed => {
                let valid = Standing { terms: Some(old_terms(false)), ..plain };
                put(format!("{state}"), valid);
                put(format!("{state}+refresh"), Standing { needs_refresh: true, ..valid });
                put(format!("{state},over"), Standing { terms: Some(old_terms(true)), ..plain });
            }
            S::Refused | S::Withdrawn | S::Objected | S::Expired | S::Dormant | S::Terminated | S::Invalidated => {
                put(format!("{state}"), Standing { terms: Some(old_terms(true)), ..plain });
            }
        }
    }
    all
}

const COLUMNS: usize = 14;

/// The column of a command. A command more does not compile here until it has one.
fn column(command: &Command) -> usize {
    match command {
        Command::Request { .. } => 0,
        Command::Give { act: Act::ConfirmedByLink, .. } => 1,
        Command::Give { act: Act::AnsweredByLink, .. } => 2,
        Command::Give { act: Act::SingleOptIn, .. } => 3,
        Command::Refuse => 4,
        Command::Withdraw { .. } => 5,
        Command::Object => 6,
        Command::Lapse => 7,
        Command::Expire => 8,
        Command::GoDormant => 9,
        Command::Terminate => 10,
        Command::Invalidate => 11,
        Command::RequireRefresh => 12,
        Command::RecordBasis(_) => 13,
    }
}

fn commands() -> [Command; COLUMNS] {
    let give = |act| Command::Give { act, terms: new_terms() };
    [
        Command::Request { until: new_until() },
        give(Act::ConfirmedByLink),
        give(Act::AnsweredByLink),
        give(Act::SingleOptIn),
        Command::Refuse,
        Command::Withdraw { reason: SuppressionReason::Withdrawn },
        Command::Object,
        Command::Lapse,
        Command::Expire,
        Command::GoDormant,
        Command::Terminate,
        Command::Invalidate,
        Command::RequireRefresh,
        Command::RecordBasis(basis(true)),
    ]
}

/// What shall come of each command in each place. The words:
///
/// * `pend`: a request is open (DO-01, RP-04); `given`, `renew`: a yes; `again`: a confirmed person signed up once
///   more, noted and nothing else (AD-06);
/// * `ref`, `wd`, `obj`, `exp`, `dorm`, `term`, `inv`: the state of that name, with its event;
/// * `back`: an open request is closed and the person stands where they stood before it;
/// * `refr`: to be asked again, the consent stands (EX-04); `basis`: a list's reason is noted (RP-03);
/// * `same`: nothing to record, since it was so already (WD-06);
/// * `!notreq` nobody asked (AP-12), `!late` the request is over (LK-06), `!stop` a "never" state (RP-01, RP-03),
///   `!needs` a "never" state that only a confirmed sign-up leaves (RP-04), `!ended` the purpose is over, `!notdue` too
///   early, `!none` there is nothing it could apply to, `!conf` a list does not touch a confirmed person, `!here` a
///   list does not bring back what ended here (EX-03).
const TABLE: &str = "
                          request  by-link  answer  single  refuse  withdraw  object  lapse    expire   dormant  terminate  invalid.  refresh  basis
unknown                   pend     !notreq  given   given   ref     wd        obj     !none    !none    !none    term       !none     !none    basis
unknown+basis             pend     !notreq  given   given   ref     wd        obj     !none    !none    !none    term       inv       !none    basis
pending<unknown           pend     given    given   given   ref     wd        obj     !notdue  !none    !none    term       !none     !none    basis
pending<refused           pend     given    !stop   !needs  back    wd        obj     !notdue  !none    !none    back       !none     !none    !stop
pending<withdrawn         pend     given    !stop   !needs  back    wd        obj     !notdue  !none    !none    back       !none     !none    !stop
pending<objected          pend     given    !stop   !needs  back    back      obj     !notdue  !none    !none    back       !none     !none    !stop
pending<expired           pend     given    given   given   ref     wd        obj     !notdue  !none    !none    term       !none     !none    !here
pending<dormant           pend     given    given   given   ref     wd        obj     !notdue  !none    !none    term       !none     !none    !here
pending<invalidated       pend     given    given   given   ref     wd        obj     !notdue  !none    !none    term       !none     !none    !here
pending<unknown,over      pend     !late    given   given   ref     wd        obj     back     !none    !none    term       !none     !none    basis
pending<refused,over      pend     !late    !stop   !needs  same    wd        obj     back     !none    !none    same       !none     !none    !stop
pending<withdrawn,over    pend     !late    !stop   !needs  same    same      obj     back     !none    !none    same       !none     !none    !stop
pending<objected,over     pend     !late    !stop   !needs  same    same      same    back     !none    !none    same       !none     !none    !stop
pending<expired,over      pend     !late    given   given   ref     wd        obj     back     !none    !none    term       !none     !none    !here
pending<dormant,over      pend     !late    given   given   ref     wd        obj     back     !none    !none    term       !none     !none    !here
pending<invalidated,over  pend     !late    given   given   ref     wd        obj     back     !none    !none    term       !none     !none    !here
confirmed                 again    !notreq  renew   again   ref     wd        obj     !none    !notdue  dorm     term       inv       refr     !conf
confirmed+refresh         again    !notreq  renew   again   ref     wd        obj     !none    !notdue  dorm     term       inv       same     !conf
confirmed,over            pend     !notreq  given   given   ref     wd        obj     !none    exp      !none    term       !none     !none    !here
renewed                   again    !notreq  renew   again   ref     wd        obj     !none    !notdue  dorm     term       inv       refr     !conf
renewed+refresh           again    !notreq  renew   again   ref     wd        obj     !none    !notdue  dorm     term       inv       same     !conf
renewed,over              pend     !notreq  given   given   ref     wd        obj     !none    exp      !none    term       !none     !none    !here
refused                   pend     !notreq  !stop   !needs  same    wd        obj     !none    !none    !none    same       !none     !none    !stop
withdrawn                 pend     !notreq  !stop   !needs  same    same      obj     !none    !none    !none    same       !none     !none    !stop
objected                  pend     !notreq  !stop   !needs  same    same      same    !none    !none    !none    same       !none     !none    !stop
expired                   pend     !notreq  given   given   ref     wd        obj     !none    !none    !none    term       !none     !none    !here
dormant                   pend     !notreq  given   given   ref     wd        obj     !none    !none    !none    term       !none     !none    !here
invalidated               pend     !notreq  given   given   ref     wd        obj     !none    !none    !none    term       !none     !none    !here
terminated                !ended   !ended   !ended  !ended  ref     wd        obj     !none    !none    !none    same       !none     !none    !ended
";

/// What a word of the table says in full.
fn spelled_out(word: &str, before: &Standing, command: &Command) -> Result<Decision, Refusal> {
    use ConsentState as S;
    use SuppressionReason as R;
    const STOPPED: &[Effect] = &[Effect::CancelMail, Effect::Sync];
    const WITHDRAWN: &[Effect] = &[Effect::Suppress(R::Withdrawn), Effect::CancelMail, Effect::Sync];
    let effective = before.effective(now());
    // Where the person stands with no request open.
    let closed = |state| Standing { state, fallback: S::Unknown, request_until: None, ..*before };
    let ends = |state, event, effects| {
        Ok(Decision { next: Standing { needs_refresh: false, ..closed(state) }, event: Some(event), effects })
    };
    let yes = |state, event| {
        let by_link = matches!(command, Command::Give { act: Act::ConfirmedByLink, .. });
        Ok(Decision {
            next: Standing { terms: Some(new_terms()), needs_refresh: false, ..closed(state) },
            event: Some(event),
            effects: if by_link { &[Effect::LiftSuppression, Effect::Sync] } else { &[Effect::Sync] },
        })
    };
    let noted = |next, event| Ok(Decision { next, event, effects: &[] });
    match word {
        "pend" => Ok(Decision {
            next: Standing {
                state: S::Pending,
                fallback: if effective == S::Pending { before.fallback } else { effective },
                request_until: Some(new_until()),
                ..*before
            },
            event: Some(EventKind::Requested),
            effects: if before.state.is_valid() {
                &[Effect::MailConfirmation, Effect::Sync]
            } else {
                &[Effect::MailConfirmation]
            },
        }),
        "given" => yes(S::Confirmed, EventKind::Given),
        "renew" => yes(S::Renewed, EventKind::Renewed),
        "again" => noted(*before, Some(EventKind::Reaffirmed)),
        "ref" => {
            ends(S::Refused, EventKind::Refused, &[Effect::Suppress(R::Refused), Effect::CancelMail, Effect::Sync])
        }
        "wd" => ends(S::Withdrawn, EventKind::Withdrawn, WITHDRAWN),
        "obj" => ends(
            S::Objected,
            EventKind::Objected,
            &[Effect::SuppressAll(R::Objected), Effect::CancelMail, Effect::Sync],
        ),
        "exp" => ends(S::Expired, EventKind::Expired, STOPPED),
        "dorm" => ends(S::Dormant, EventKind::Dormant, STOPPED),
        "term" => ends(S::Terminated, EventKind::Terminated, STOPPED),
        "inv" => ends(S::Invalidated, EventKind::Invalidated, STOPPED),
        "back" => match command {
            Command::Refuse => ends(before.fallback, EventKind::Refused, &[Effect::CancelMail]),
            Command::Withdraw { .. } => ends(before.fallback, EventKind::Withdrawn, WITHDRAWN),
            _ => ends(before.fallback, EventKind::Lapsed, &[Effect::CancelMail]),
        },
        "refr" => noted(Standing { needs_refresh: true, ..*before }, Some(EventKind::NeedsRefresh)),
        "basis" => noted(Standing { basis: Some(basis(true)), ..*before }, Some(EventKind::BasisRecorded)),
        "same" => noted(if before.state == effective { *before } else { closed(effective) }, None),
        "!notreq" => Err(Refusal::NotRequested),
        "!late" => Err(Refusal::RequestExpired),
        "!stop" => Err(Refusal::Stopped),
        "!needs" => Err(Refusal::NeedsConfirmation),
        "!ended" => Err(Refusal::PurposeEnded),
        "!notdue" => Err(Refusal::NotDue),
        "!none" => Err(Refusal::NothingToChange),
        "!conf" => Err(Refusal::AlreadyConfirmed),
        "!here" => Err(Refusal::EndedHere),
        other => panic!("the table has a word it does not explain: {other}"),
    }
}

#[test]
fn every_command_in_every_place_does_what_the_table_says() {
    let situations = situations();
    let commands = commands();
    for (expected, command) in commands.iter().enumerate() {
        assert_eq!(column(command), expected, "the columns are in order and whole");
    }
    let mut cells = 0;
    let mut rows = BTreeMap::new();
    for line in TABLE.lines().filter(|line| !line.trim().is_empty()).skip(1) {
        let mut words = line.split_whitespace();
        let name = words.next().unwrap();
        assert!(rows.insert(name, words.collect::<Vec<_>>()).is_none(), "{name} has two rows");
    }
    for (name, before) in &situations {
        let row = rows.get(name.as_str()).unwrap_or_else(|| panic!("the table has no row for {name}"));
        for (word, command) in row.iter().zip(&commands) {
            let decided = decide(before, *command, now());
            assert_eq!(decided, spelled_out(word, before, command), "{name}, {command:?}: the table says {word}");
            cells += 1;
        }
    }
    assert_eq!(
        (rows.len(), cells),
        (situations.len(), situations.len() * COLUMNS),
        "every cell was looked at, and no row is idle"
    );
}

#[test]
fn a_basis_that_is_known_already_is_not_recorded_twice() {
    for name in ["unknown+basis", "pending<unknown", "pending<unknown,over"] {
        let before = Standing { basis: Some(basis(true)), ..situations()[name] };
        let decided = decide(&before, Command::RecordBasis(basis(true)), now());
        assert_eq!(decided, Ok(Decision { next: before, event: None, effects: &[] }), "{name}");
    }
}

/// SU-03, WD-04, ML-21, R-22: how far each reason reaches, the first time and when the person had stopped already.
#[test]
fn a_reason_reaches_as_far_as_it_must_even_after_a_withdrawal() {
    use SuppressionReason as R;
    for reason in R::ALL.iter().copied() {
        let everything = match reason {
            R::Withdrawn | R::Refused => false,
            R::Objected | R::Complained | R::HardBounce | R::Invalid | R::NotMe | R::Child | R::Legal | R::Manual => {
                true
            }
        };
        let entry = if everything { Effect::SuppressAll(reason) } else { Effect::Suppress(reason) };
        for (name, before) in situations() {
            let decided = decide(&before, Command::Withdraw { reason }, now()).unwrap();
            assert!(decided.next.state.is_never(), "{name} by {reason}");
            let stopped_already = matches!(before.effective(now()), ConsentState::Withdrawn | ConsentState::Objected);
            assert_eq!(
                decided.event,
                (!stopped_already).then_some(EventKind::Withdrawn),
                "one event (WD-06): {name} by {reason}"
            );
            let suppresses = decided.effects.contains(&entry);
            assert_eq!(suppresses, everything || !stopped_already, "{name} by {reason}: {:?}", decided.effects);
            assert!(!suppresses || decided.effects.contains(&Effect::CancelMail));
        }
    }
}
