//! The gate against RP-01, over the full product of what it looks at. The oracle below is written from the paper, as
//! a list of everything that speaks against a mail in the order of its weight; it shares no code with the gate.

use std::time::Duration;

use super::basis::{Basis, BasisKind};
use super::consent::{ConsentState, Standing};
use super::gate::{GateInput, MailKind, Reason, SubjectFlags, gate};
use super::purpose::Terms;
use super::suppression::SuppressionReason;
use super::time::Timestamp;

const DAY: Duration = Duration::from_secs(86_400);

/// 2026-11-24T12:00:00Z
const fn now() -> Timestamp {
    Timestamp::from_micros(1_795_521_600_000_000)
}

/// One point of the product, in words rather than in the types of the house.
#[derive(Debug, Clone, Copy)]
struct Case {
    state: ConsentState,
    /// Where a pending request came from.
    fallback: ConsentState,
    /// The consent, or the pending request, is past its end.
    over: bool,
    in_window: bool,
    needs_refresh: bool,
    basis: Option<(BasisKind, bool)>,
    basis_over: bool,
    suppression: Option<SuppressionReason>,
    erased: bool,
    restricted: bool,
    undeliverable: bool,
    mail_corporate: bool,
    asked_recently: bool,
}

impl Case {
    fn standing(&self) -> Standing {
        let valid_until = if self.over { now() } else { now().plus(DAY) };
        let refresh_from = if self.in_window { now() } else { now().plus(Duration::from_secs(1)) };
        let basis_end = if self.basis_over { now() } else { now().plus(DAY) };
        Standing {
            state: self.state,
            fallback: self.fallback,
            request_until: (self.state == ConsentState::Pending).then_some(valid_until),
            basis: self.basis.map(|(kind, evidenced)| Basis {
                kind,
                evidenced,
                collected_at: Some(now().minus(DAY)),
                valid_until: Some(basis_end),
            }),
            terms: Some(Terms { valid_until, refresh_from }),
            needs_refresh: self.needs_refresh,
        }
    }

    fn asked(&self, kind: MailKind) -> Result<(), Reason> {
        let standing = self.standing();
        let flags =
            SubjectFlags { erased: self.erased, restricted: self.restricted, undeliverable: self.undeliverable };
        let input = GateInput {
            standing: &standing,
            flags,
            suppression: self.suppression,
            mail_corporate: self.mail_corporate,
            asked_recently: self.asked_recently,
        };
        gate(kind, &input, now())
    }
}

/// RP-01, line by line.
fn repermission_by_the_paper(case: &Case) -> Result<(), Reason> {
    use ConsentState as S;
    use SuppressionReason as R;
    let mut against = Vec::new();
    // "suppressed for any reason; erased: never"
    if case.erased {
        against.push(Reason::Erased);
    }
    // "refused, withdrawn, objected, unsubscribed in Campaign Monitor, complaint: never", before a new sign-up of the
    // person is confirmed as well (RP-04), and whether the state or the list says so
    let never = [S::Refused, S::Withdrawn, S::Objected];
    if never.contains(&case.state) || (case.state == S::Pending && never.contains(&case.fallback)) {
        against.push(Reason::OptedOut);
    }
    let said_no = [R::Withdrawn, R::Objected, R::Complained, R::NotMe, R::Manual, R::Refused];
    if case.suppression.is_some_and(|reason| said_no.contains(&reason)) {
        against.push(Reason::OptedOut);
    }
    // "hard-bounced / invalid: never (deliverability)"
    if case.undeliverable || case.suppression == Some(R::HardBounce) || case.suppression == Some(R::Invalid) {
        against.push(Reason::Undeliverable);
    }
    // "suppressed for any reason", and with it "below age of consent without authorisation"
    if case.suppression.is_some() {
        against.push(Reason::Suppressed);
    }
    // DR-10
    if case.restricted {
        against.push(Reason::Restricted);
    }
    // "DOI pending: no"; one that is over leaves the person where they were
    let mut state = case.state;
    if state == S::Pending && case.over {
        state = case.fallback;
    }
    if state == S::Pending {
        against.push(Reason::Unconfirmed);
    }
    // "consent given but expired/lapsed: no", noted by the clerk or not
    let confirmed = state == S::Confirmed || state == S::Renewed;
    if state == S::Expired || state == S::Dormant || (confirmed && case.over) {
        against.push(Reason::Expired);
    }
    // the invalid rest of the vocabulary (CR-04)
    if state == S::Terminated || state == S::Invalidated {
        against.push(Reason::Ended);
    }
    // "provable valid consent, not expired, inside refresh window", or needing a refresh
    if confirmed && !case.over && !case.in_window && !case.needs_refresh {
        against.push(Reason::NotDue);
    }
    // "no evidence either way; imported without evidence: no"
    if state == S::Unknown {
        match case.basis {
            None | Some((BasisKind::None, _) | (_, false)) => against.push(Reason::NoEvidence),
            Some((kind, true)) => {
                // "valid soft opt-in: within its limits"; a list's consent that has ended is an ended consent
                if case.basis_over {
                    against.push(Reason::Expired);
                }
                // "UK corporate subscriber: tenant option, default no"
                if kind == BasisKind::Corporate && !case.mail_corporate {
                    against.push(Reason::CorporateNotChosen);
                }
            }
        }
    }
    // RP-07
    if case.asked_recently {
        against.push(Reason::AskedRecently);
    }
    against.first().map_or(Ok(()), |reason| Err(*reason))
}

/// DO-02, R-22, SU-06, DR-10.
fn confirmation_by_the_paper(case: &Case) -> Result<(), Reason> {
    use SuppressionReason as R;
    let for_good = [R::NotMe, R::Child, R::Legal, R::Invalid];
    if case.erased {
        Err(Reason::Erased)
    } else if case.suppression.is_some_and(|reason| for_good.contains(&reason)) {
        Err(Reason::Suppressed)
    } else if case.restricted {
        Err(Reason::Restricted)
    } else if case.state == ConsentState::Pending && !case.over {
        Ok(())
    } else {
        Err(Reason::NothingToConfirm)
    }
}

/// Calls `look` for the whole product and returns how many points it has.
fn every_case(mut look: impl FnMut(Case)) -> usize {
    let flip = [false, true];
    let mut bases = vec![None];
    for kind in BasisKind::ALL {
        bases.extend(flip.map(|evidenced| Some((*kind, evidenced))));
    }
    let suppressions: Vec<_> = std::iter::once(None).chain(SuppressionReason::ALL.iter().copied().map(Some)).collect();
    let mut places = Vec::new();
    for state in ConsentState::ALL.iter().copied() {
        if state == ConsentState::Pending {
            places.extend(
                ConsentState::ALL
                    .iter()
                    .filter(|fallback| is_a_fallback(**fallback))
                    .map(|fallback| (state, *fallback)),
            );
        } else {
            places.push((state, ConsentState::Unknown));
        }
    }
    let mut count = 0;
    for (state, fallback) in places {
        for basis in &bases {
            for suppression in &suppressions {
                for bits in 0..1_u32 << 9 {
                    let bit = |n: u32| bits & (1 << n) != 0;
                    look(Case {
                        state,
                        fallback,
                        over: bit(0),
                        in_window: bit(1),
                        needs_refresh: bit(2),
                        basis: *basis,
                        basis_over: bit(3),
                        suppression: *suppression,
                        erased: bit(4),
                        restricted: bit(5),
                        undeliverable: bit(6),
                        mail_corporate: bit(7),
                        asked_recently: bit(8),
                    });
                    count += 1;
                }
            }
        }
    }
    count
}

/// What a request can start from; a state more has to be placed here.
fn is_a_fallback(state: ConsentState) -> bool {
    use ConsentState as S;
    match state {
        S::Unknown | S::Refused | S::Withdrawn | S::Objected | S::Expired | S::Dormant | S::Invalidated => true,
        S::Pending | S::Confirmed | S::Renewed | S::Terminated => false,
    }
}

/// DR-05: the new mailbox is asked whatever the person has said of any purpose, unless nothing at all may be mailed, or
/// processing is restricted. `suppression` covers every purpose here.
fn address_change_by_the_paper(case: &Case) -> Result<(), Reason> {
    use SuppressionReason as R;
    if case.erased {
        return Err(Reason::Erased);
    }
    match case.suppression {
        Some(R::HardBounce | R::Invalid) => Err(Reason::Undeliverable),
        Some(R::Child | R::Legal) => Err(Reason::Suppressed),
        Some(R::Withdrawn | R::Objected | R::Complained | R::NotMe | R::Manual | R::Refused) => Err(Reason::OptedOut),
        None if case.restricted => Err(Reason::Restricted),
        None => Ok(()),
    }
}

#[test]
fn the_gate_is_rp01_over_the_whole_product() {
    let mut askable = 0;
    let count = every_case(|case| {
        let asked = case.asked(MailKind::Repermission);
        assert_eq!(asked, repermission_by_the_paper(&case), "{case:?}");
        assert_eq!(case.asked(MailKind::Confirmation), confirmation_by_the_paper(&case), "{case:?}");
        assert_eq!(case.asked(MailKind::AddressChange), address_change_by_the_paper(&case), "{case:?}");
        askable += usize::from(asked.is_ok());
    });
    let bases = 1 + 2 * BasisKind::ALL.len();
    let places = ConsentState::ALL.len() - 1 + 7;
    assert_eq!(count, places * bases * (1 + SuppressionReason::ALL.len()) * (1 << 9));
    // Few may be asked, but some may: an oracle and a gate that both said no to everybody would agree as well.
    assert!(askable > 0 && askable * 50 < count, "{askable} of {count}");
}

#[test]
fn who_may_be_asked_one_by_one() {
    let nobody = Case {
        state: ConsentState::Unknown,
        fallback: ConsentState::Unknown,
        over: false,
        in_window: false,
        needs_refresh: false,
        basis: None,
        basis_over: false,
        suppression: None,
        erased: false,
        restricted: false,
        undeliverable: false,
        mail_corporate: false,
        asked_recently: false,
    };
    let asked = |case: Case| case.asked(MailKind::Repermission);
    let confirmed = Case { state: ConsentState::Confirmed, ..nobody };
    let imported = |kind| Case { basis: Some((kind, true)), ..nobody };

    assert_eq!(asked(nobody), Err(Reason::NoEvidence), "Honda");
    assert_eq!(
        asked(Case { state: ConsentState::Withdrawn, ..imported(BasisKind::Consent) }),
        Err(Reason::OptedOut),
        "Flybe"
    );
    assert_eq!(asked(confirmed), Err(Reason::NotDue));
    assert_eq!(asked(Case { in_window: true, ..confirmed }), Ok(()));
    assert_eq!(asked(Case { needs_refresh: true, ..confirmed }), Ok(()));
    assert_eq!(asked(Case { in_window: true, over: true, ..confirmed }), Err(Reason::Expired), "EX-03");
    for kind in [BasisKind::Consent, BasisKind::SoftOptIn, BasisKind::CharitySoftOptIn] {
        assert_eq!(asked(imported(kind)), Ok(()), "{kind}: imported and never renewed here");
    }
    assert_eq!(asked(imported(BasisKind::Corporate)), Err(Reason::CorporateNotChosen));
    assert_eq!(asked(Case { mail_corporate: true, ..imported(BasisKind::Corporate) }), Ok(()));
}

#[test]
fn who_must_never_be_mailed_is_told_apart_from_who_may_not_now() {
    for reason in Reason::ALL.iter().copied() {
        let never = matches!(reason, Reason::OptedOut | Reason::Suppressed | Reason::Undeliverable | Reason::Erased);
        assert_eq!(reason.is_never(), never, "{reason}");
        assert!(!reason.explanation().is_empty());
    }
}
