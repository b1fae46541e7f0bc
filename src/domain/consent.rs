//! The consent state machine, per (controller, subject, purpose). [`decide`] is the whole of it: what stands on
//! record and a command go in, and out comes what shall stand, what is to be recorded and what must follow, or the
//! rule that said no. Nothing else in the house changes a consent.
//!
//! Withdrawal is forgiving, consent is strict: a withdrawal always succeeds, and only the person's own act makes a
//! consent. Nobody but the person, by a fresh request that the mailbox confirms, leaves a "never" state (RP-04).

use super::basis::Basis;
use super::coded::coded;
use super::event::EventKind;
use super::purpose::Terms;
use super::suppression::SuppressionReason;
use super::time::Timestamp;

pub use super::decide::decide;

coded! {
    /// Where a person stands towards one purpose (consent-law section 3.1, DPV).
    ConsentState {
        /// Nothing was ever said here.
        Unknown = 1 "unknown",
        /// A form was posted; the mailbox has not confirmed.
        Pending = 2 "pending",
        /// The person said yes.
        Confirmed = 3 "confirmed",
        /// The person said yes again.
        Renewed = 4 "renewed",
        /// The person said no.
        Refused = 5 "refused",
        /// The person took the yes back.
        Withdrawn = 6 "withdrawn",
        /// The person objected to all direct marketing.
        Objected = 7 "objected",
        /// The yes ran to its end.
        Expired = 8 "expired",
        /// The yes fell out of use (EX-05).
        Dormant = 9 "dormant",
        /// The controller ended the purpose.
        Terminated = 10 "terminated",
        /// The yes was found defective.
        Invalidated = 11 "invalidated",
    }
}

impl ConsentState {
    /// The two valid states; the only ones that are active at a destination (CR-04, PR-10).
    pub const fn is_valid(self) -> bool {
        match self {
            Self::Confirmed | Self::Renewed => true,
            Self::Unknown
            | Self::Pending
            | Self::Refused
            | Self::Withdrawn
            | Self::Objected
            | Self::Expired
            | Self::Dormant
            | Self::Terminated
            | Self::Invalidated => false,
        }
    }

    /// The states that only a fresh act of the person leaves (RP-01 "never", RP-04).
    pub const fn is_never(self) -> bool {
        match self {
            Self::Refused | Self::Withdrawn | Self::Objected => true,
            Self::Unknown
            | Self::Pending
            | Self::Confirmed
            | Self::Renewed
            | Self::Expired
            | Self::Dormant
            | Self::Terminated
            | Self::Invalidated => false,
        }
    }
}

/// What stands on record about one person and one purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub state: ConsentState,
    /// What a pending request falls back to when nobody confirms it.
    pub fallback: ConsentState,
    /// Until when a pending request may be confirmed.
    pub request_until: Option<Timestamp>,
    /// The basis that an import recorded.
    pub basis: Option<Basis>,
    /// How long the consent holds, and from when it may be renewed.
    pub terms: Option<Terms>,
    /// The wording or policy changed materially since: ask again, but the consent stands (EX-04).
    pub needs_refresh: bool,
}

impl Standing {
    /// Nothing on record.
    pub const NONE: Self = Self {
        state: ConsentState::Unknown,
        fallback: ConsentState::Unknown,
        request_until: None,
        basis: None,
        terms: None,
        needs_refresh: false,
    };

    /// The state with time taken into account: a consent past its end is expired even before the clerk has noted
    /// it, and a pending request past its end has fallen back.
    pub fn effective(&self, now: Timestamp) -> ConsentState {
        match self.state {
            ConsentState::Confirmed | ConsentState::Renewed if self.terms.is_some_and(|t| t.valid_until <= now) => {
                ConsentState::Expired
            }
            ConsentState::Pending if self.request_until.is_none_or(|until| until <= now) => self.fallback,
            state => state,
        }
    }

    /// Whether the person is in a "never" state, or was before a request that is still open.
    pub fn is_never(&self) -> bool {
        self.state.is_never() || (self.state == ConsentState::Pending && self.fallback.is_never())
    }
}

/// By which act of the person a yes came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// The link of a confirmation mail, after a form or a site asked for it.
    ConfirmedByLink,
    /// The link of a re-permission mail, or one shown on the site to this person.
    AnsweredByLink,
    /// A form whose controller chose to do without confirmation (DO-01).
    SingleOptIn,
}

/// What somebody wants to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// A form or a site posted a yes; the mailbox is to confirm it before `until`.
    Request {
        /// End of the confirmation link.
        until: Timestamp,
    },
    /// The person says yes.
    Give {
        /// By which act.
        act: Act,
        /// For how long.
        terms: Terms,
    },
    /// The person says no.
    Refuse,
    /// The person stops it, by whatever channel (WD-03).
    Withdraw {
        /// What the suppression entry says.
        reason: SuppressionReason,
    },
    /// The person objects to all direct marketing (WD-04).
    Object,
    /// The confirmation never came (DO-03).
    Lapse,
    /// The end of the consent has come (EX-03).
    Expire,
    /// Long disuse ends it (EX-05).
    GoDormant,
    /// The controller ends the purpose.
    Terminate,
    /// The consent was found defective.
    Invalidate,
    /// A material change of policy or wording (EX-04).
    RequireRefresh,
    /// An import states why the person may be mailed; it never confirms anybody.
    RecordBasis(Basis),
}

/// What must follow the commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// A confirmation mail, if the caps allow it (DO-06).
    MailConfirmation,
    /// Bring the destination in step.
    Sync,
    /// Cancel what is queued for this person and purpose.
    CancelMail,
    /// Put the address on the "never mail" list for this purpose.
    Suppress(SuppressionReason),
    /// Put the address on the "never mail" list for everything (WD-04).
    SuppressAll(SuppressionReason),
    /// Take off the list what a fresh confirmed opt-in lifts (RP-04, SU-06).
    LiftSuppression,
}

/// What shall stand, be recorded and follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The new standing.
    pub next: Standing,
    /// What to record; nothing when the command changed nothing.
    pub event: Option<EventKind>,
    /// What must follow.
    pub effects: &'static [Effect],
}

/// The rule that said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Confirming what nobody asked for (AP-12: no step is skipped).
    #[error("nobody asked for this consent, or it was decided otherwise since")]
    NotRequested,
    /// The confirmation came too late.
    #[error("the time to confirm has passed")]
    RequestExpired,
    /// The person stopped it; only a fresh sign-up, confirmed, starts it again.
    #[error("the person stopped this; only a new sign-up by the person starts it again")]
    Stopped,
    /// This yes needs confirming by link.
    #[error("this yes has to be confirmed by a link to the mailbox")]
    NeedsConfirmation,
    /// The purpose has ended.
    #[error("the controller has ended this purpose")]
    PurposeEnded,
    /// The consent has not reached its end.
    #[error("it is not due yet")]
    NotDue,
    /// There is no consent that this could apply to.
    #[error("there is no consent on record that this could apply to")]
    NothingToChange,
    /// A confirmed person needs no imported basis.
    #[error("the person has already confirmed here")]
    AlreadyConfirmed,
    /// A consent that ended here is not brought back by a list.
    #[error("a consent ended here; a list cannot bring it back")]
    EndedHere,
}
