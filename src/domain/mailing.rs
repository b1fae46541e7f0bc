//! The life of one mail, from the outbox to the relay, as a table of outcomes. A failure after the final dot
//! is `uncertain`, never `deferred`: the relay may have taken the mail.

use super::coded::coded;
use super::gate::MailKind;

coded! {
    /// Where a mail stands.
    MailState {
        /// Waits.
        Queued = 1 "queued",
        /// A worker holds it under a lease.
        Claimed = 2 "claimed",
        /// Committed before DATA: from here on it may have been sent.
        HandingOver = 3 "handing_over",
        /// The relay took it.
        Accepted = 4 "accepted",
        /// The relay asked to try later.
        Deferred = 5 "deferred",
        /// The relay refused it for good.
        Bounced = 6 "bounced",
        /// The answer was lost after the final dot.
        Uncertain = 7 "uncertain",
        /// Given up after too many attempts; a person has to look.
        Parked = 8 "parked",
        /// The gate said no, or the person stopped it.
        Cancelled = 9 "cancelled",
    }
}

impl MailState {
    /// Whether nothing more will happen by itself.
    pub const fn is_final(self) -> bool {
        match self {
            Self::Accepted | Self::Bounced | Self::Parked | Self::Cancelled => true,
            Self::Queued | Self::Claimed | Self::HandingOver | Self::Deferred | Self::Uncertain => false,
        }
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// The relay said yes.
    Accepted,
    /// The relay said "not now", or could not be reached before the final dot.
    NotNow,
    /// The relay said no, for this mailbox.
    Refused,
    /// The relay said no because of us: authentication, policy, content (ML-20 "sender fault").
    SenderFault,
    /// Something broke after the final dot.
    Lost,
}

/// What to do when the answer was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UncertainPolicy {
    /// One more try with identical bytes.
    RetryOnce,
    /// Leave it.
    Hold,
}

/// What becomes of the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is over, in this state.
    Final(MailState),
    /// Try again after the back-off, from this state.
    Again(MailState),
}

/// The outcome table. `attempts` counts this one; `lost_before` counts earlier lost answers.
pub fn settle(
    attempt: Attempt,
    attempts: u32,
    max_attempts: u32,
    lost_before: u32,
    policy: UncertainPolicy,
) -> Settled {
    let exhausted = attempts >= max_attempts;
    match attempt {
        Attempt::Accepted => Settled::Final(MailState::Accepted),
        Attempt::Refused => Settled::Final(MailState::Bounced),
        Attempt::NotNow | Attempt::SenderFault if exhausted => Settled::Final(MailState::Parked),
        Attempt::NotNow | Attempt::SenderFault => Settled::Again(MailState::Deferred),
        Attempt::Lost => match policy {
            UncertainPolicy::RetryOnce if lost_before == 0 && !exhausted => Settled::Again(MailState::Uncertain),
            UncertainPolicy::RetryOnce | UncertainPolicy::Hold => Settled::Final(MailState::Uncertain),
        },
    }
}

/// The lane of a kind of mail: confirmations are waited for, a round is not (R-49, P12).
pub const fn lane(kind: MailKind) -> i16 {
    match kind {
        MailKind::Confirmation | MailKind::AddressChange => 1,
        MailKind::Repermission => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_table_of_r42_and_r43() {
        use MailState as S;
        use UncertainPolicy::*;
        for (attempt, attempts, lost, policy, expected) in [
            (Attempt::Accepted, 1, 0, RetryOnce, Settled::Final(S::Accepted)),
            (Attempt::Refused, 1, 0, RetryOnce, Settled::Final(S::Bounced)),
            (Attempt::NotNow, 1, 0, RetryOnce, Settled::Again(S::Deferred)),
            (Attempt::NotNow, 8, 0, RetryOnce, Settled::Final(S::Parked)),
            (Attempt::SenderFault, 3, 0, RetryOnce, Settled::Again(S::Deferred)),
            (Attempt::SenderFault, 8, 0, RetryOnce, Settled::Final(S::Parked)),
            (Attempt::Lost, 1, 0, RetryOnce, Settled::Again(S::Uncertain)),
            (Attempt::Lost, 2, 1, RetryOnce, Settled::Final(S::Uncertain)),
            (Attempt::Lost, 8, 0, RetryOnce, Settled::Final(S::Uncertain)),
            (Attempt::Lost, 1, 0, Hold, Settled::Final(S::Uncertain)),
        ] {
            assert_eq!(
                settle(attempt, attempts, 8, lost, policy),
                expected,
                "{attempt:?} {attempts} {lost} {policy:?}"
            );
        }
    }
}
