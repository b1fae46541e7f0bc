//! How a call can fail, told without any personal data.
//!
//! The provider's `Message` texts are dropped on purpose: they are not stable and may quote an
//! address. The number is the fact; [`CallError::verdict`] says what to do about it.

use std::time::Duration;

use super::verdict::{self, Reason, Verdict};

/// Why a call did not give what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The provider answered with one of its codes.
    #[error("the provider refused: HTTP {status}, code {code}")]
    Refused {
        /// HTTP status of the answer.
        status: u16,
        /// `Code` in its body.
        code: u32,
        /// How long the headers ask us to wait.
        wait: Option<Duration>,
    },
    /// An error status without a readable code: a gateway's page, or nothing.
    #[error("the provider answered HTTP {status} without a code")]
    Unexplained {
        /// HTTP status of the answer.
        status: u16,
        /// How long the headers ask us to wait.
        wait: Option<Duration>,
    },
    /// A success status over a body that is not what this call promises.
    #[error("the provider's answer to a successful call (HTTP {status}) could not be read")]
    Unreadable {
        /// HTTP status of the answer.
        status: u16,
    },
    /// More bytes than we are willing to read.
    #[error("the provider's answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit in force.
        limit: usize,
    },
    /// No connection: nothing was sent. The detail names hosts and causes, never a request.
    #[error("the provider cannot be reached: {detail}")]
    Unreachable {
        /// Chain of causes for the operator.
        detail: String,
    },
    /// Our patience ran out; the call may have been carried out.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The connection ended before the answer; the call may have been carried out.
    #[error("the connection to the provider broke before its answer")]
    LostAnswer,
    /// The connection by OAuth was revoked, or could not be renewed for good: a person has to allow it again.
    #[error("the connection to the provider has ended: connect again")]
    ConnectAgain,
    /// The access token has run out and could not be renewed just now; nothing was carried out.
    #[error("the access token has run out and could not be renewed just now")]
    NotRenewed,
    /// We would have sent something the contract forbids; nothing was sent.
    #[error("not sent: {0}")]
    Input(#[from] InputError),
}

/// What makes a call not worth sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// An id that could change the path of the call.
    #[error("an id must be 1 to 64 letters, digits, dashes or underscores")]
    BadId,
    /// Too few or too many in one call.
    #[error("{given} entries in one call; 1 to {limit} are allowed")]
    Count {
        /// Entries given.
        given: usize,
        /// Entries allowed.
        limit: usize,
    },
    /// Two rows of one import mean the same address; which one wins is not defined.
    #[error("row {row} repeats an address of an earlier row")]
    Duplicate {
        /// Index of the later row.
        row: usize,
    },
    /// Page numbers start at 1.
    #[error("page numbers start at 1")]
    PageNumber,
    /// Pages hold 10 to 1000 entries.
    #[error("a page holds 10 to 1000 entries, not {0}")]
    PageSize(u16),
    /// This listing has no such order.
    #[error("this listing cannot be ordered that way")]
    Order,
}

impl CallError {
    /// What to do about it.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Refused { status, code, wait } => verdict::of_code(*code, *status, *wait),
            Self::Unexplained { status, wait } => verdict::of_status(*status, *wait),
            // All our writes to subscribers are upserts or reach a goal: repeating is safe.
            Self::Unreadable { .. }
            | Self::Unreachable { .. }
            | Self::TimedOut
            | Self::LostAnswer
            | Self::NotRenewed => Verdict::Retry { after: None },
            Self::ConnectAgain => Verdict::NeedsPerson(Reason::Credential),
            Self::TooLarge { .. } => Verdict::NeedsPerson(Reason::AnswerTooLarge),
            Self::Input(_) => Verdict::NeedsPerson(Reason::RequestRefused),
        }
    }

    /// The provider's code, if it gave one.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// Whether the provider may have carried out the call although we do not know it.
    pub fn may_have_happened(&self) -> bool {
        match self {
            Self::Unreadable { .. } | Self::TooLarge { .. } | Self::TimedOut | Self::LostAnswer => true,
            Self::Refused { status, .. } | Self::Unexplained { status, .. } => *status >= 500,
            Self::Unreachable { .. } | Self::ConnectAgain | Self::NotRenewed | Self::Input(_) => false,
        }
    }

    /// Whether this speaks against the provider as a whole, for the account's [`super::Breaker`].
    ///
    /// A considered refusal proves that the provider is well. A 429 counts as well, too: it is
    /// usually about one address written too often, and its own waiting time handles it.
    pub fn counts_against_breaker(&self) -> bool {
        match self {
            Self::Input(_) | Self::ConnectAgain | Self::NotRenewed => false,
            Self::Refused { code: 429, .. } | Self::Unexplained { status: 429, .. } => false,
            Self::Refused { status, code, .. } => *status >= 500 || *code == 500,
            Self::Unexplained { .. } => matches!(self.verdict(), Verdict::Retry { .. }),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_doubtful_ends_may_have_happened() {
        let status = |status| CallError::Unexplained { status, wait: None };
        for doubtful in [CallError::TimedOut, CallError::LostAnswer, status(502)] {
            assert!(doubtful.may_have_happened());
        }
        let away = CallError::Unreachable { detail: String::new() };
        for sure in [away, CallError::Input(InputError::BadId), status(429)] {
            assert!(!sure.may_have_happened());
        }
    }

    #[test]
    fn the_breaker_hears_of_trouble_and_not_of_refusals() {
        let code = |status, code| CallError::Refused { status, code, wait: None };
        let bare = |status| CallError::Unexplained { status, wait: None };
        for trouble in [CallError::TimedOut, CallError::LostAnswer, bare(502), code(500, 500)] {
            assert!(trouble.counts_against_breaker(), "{trouble}");
        }
        for fine in [code(400, 206), code(401, 100), code(429, 429), bare(429), bare(404)] {
            assert!(!fine.counts_against_breaker(), "{fine}");
        }
    }
}
