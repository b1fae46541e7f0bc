//! Where a person stood at a moment of the past, read off what was recorded until then. The facts are all that is kept
//! of a transition (PF-06), and they say enough: replayed in order, they lead to where [`decide`](super::decide::decide)
//! had led, at any moment.

use super::consent::{ConsentState, Standing};
use super::event::EventKind;
use super::purpose::Terms;
use super::time::Timestamp;

/// A fact about one person and one purpose, as far as it says where they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Until when what it brought about holds.
    pub valid_until: Option<Timestamp>,
}

/// What a fact made of where the person stood; nothing when it changed nothing about that. Of the standing that comes
/// back, the state and its ends count: the basis of a list, and what only the future is judged by, are not replayed.
pub fn replay(before: &Standing, told: Told) -> Option<Standing> {
    use ConsentState as S;
    let state = before.effective(told.at);
    let closed = |state| Standing { state, fallback: S::Unknown, request_until: None, ..*before };
    let given = |state| {
        let terms = told.valid_until.map(|valid_until| Terms { valid_until, refresh_from: valid_until });
        Standing { terms, ..closed(state) }
    };
    Some(match told.kind {
        EventKind::Requested => {
            let fallback = if state == S::Pending { before.fallback } else { state };
            Standing { state: S::Pending, fallback, request_until: told.valid_until, ..*before }
        }
        EventKind::Given => given(S::Confirmed),
        EventKind::Renewed => given(S::Renewed),
        // A no to a request leaves a stop that stood before it as it was; so does a withdrawal an objection (WD-04).
        EventKind::Refused if state == S::Pending && before.fallback.is_never() => closed(before.fallback),
        EventKind::Refused => closed(S::Refused),
        EventKind::Withdrawn if state == S::Pending && before.fallback == S::Objected => closed(S::Objected),
        EventKind::Withdrawn => closed(S::Withdrawn),
        EventKind::Objected => closed(S::Objected),
        EventKind::Lapsed => closed(before.fallback),
        EventKind::Expired => closed(S::Expired),
        EventKind::Dormant => closed(S::Dormant),
        EventKind::Terminated => closed(S::Terminated),
        EventKind::Invalidated => closed(S::Invalidated),
        EventKind::Reaffirmed
        | EventKind::NeedsRefresh
        | EventKind::BasisRecorded
        | EventKind::Asked
        | EventKind::Bounced
        | EventKind::AddressChanged => return None,
    })
}
