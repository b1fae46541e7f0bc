//! A re-permission round: its life, and where each person in it stands.

use super::coded::coded;

coded! {
    /// Where a round stands.
    CampaignStatus {
        /// Being prepared.
        Draft = 1 "draft",
        /// Its audience is being frozen.
        Launching = 2 "launching",
        /// Mails go out, answers come in.
        Running = 3 "running",
        /// No mail is handed over until it is resumed; answers still count.
        Paused = 4 "paused",
        /// The deadline has passed: the silent keep what they had, and nobody is mailed any more.
        Closed = 5 "closed",
        /// Stopped for good.
        Cancelled = 6 "cancelled",
    }
}

coded! {
    /// What somebody does with a round.
    CampaignAct {
        /// Freeze the audience and begin.
        Launch = 1 "launch",
        /// The audience is frozen.
        Frozen = 2 "frozen",
        /// Hold the mails back.
        Pause = 3 "pause",
        /// Go on.
        Resume = 4 "resume",
        /// Stop for good.
        Cancel = 5 "cancel",
        /// The deadline has come.
        Close = 6 "close",
    }
}

/// The act does not fit the state of the round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a round that is {status} cannot {act}")]
pub struct CampaignRefusal {
    /// Where the round stands.
    pub status: CampaignStatus,
    /// What was asked.
    pub act: CampaignAct,
}

impl CampaignStatus {
    /// The next state, or why there is none.
    pub fn after(self, act: CampaignAct) -> Result<Self, CampaignRefusal> {
        use CampaignAct as A;
        match (self, act) {
            (Self::Draft, A::Launch) => Ok(Self::Launching),
            (Self::Launching, A::Frozen) => Ok(Self::Running),
            (Self::Launching | Self::Running, A::Pause) => Ok(Self::Paused),
            (Self::Paused, A::Resume) => Ok(Self::Running),
            (Self::Draft | Self::Launching | Self::Running | Self::Paused, A::Cancel) => Ok(Self::Cancelled),
            (Self::Launching | Self::Running | Self::Paused, A::Close) => Ok(Self::Closed),
            (Self::Paused, A::Frozen) => Ok(Self::Paused),
            (status, act) => Err(CampaignRefusal { status, act }),
        }
    }

    /// Whether a mail of the round may be handed over.
    pub const fn sends(self) -> bool {
        match self {
            Self::Running | Self::Launching => true,
            Self::Draft | Self::Paused | Self::Closed | Self::Cancelled => false,
        }
    }
}

coded! {
    /// Who hands a round's links over.
    Delivery {
        /// We do, each in a mail.
        Mail = 1 "mail",
        /// The mailing provider: the links are written to a list made there for the round alone, for a design of the
        /// marketer's.
        Provider = 2 "provider",
        /// Somebody else, with a download of the links.
        Export = 3 "export",
    }
}

coded! {
    /// Where somebody stands whose link others hand over.
    EntryState {
        /// Not on the round's list.
        Waiting = 1 "waiting",
        /// About to be written to it; after a crash, perhaps there.
        Going = 2 "going",
        /// On it.
        There = 3 "there",
        /// Not, or no longer, to be on it.
        Gone = 4 "gone",
    }
}

coded! {
    /// Where one person in a round stands.
    MemberStatus {
        /// The mail waits in the outbox, or the link has not left the house.
        Queued = 1 "queued",
        /// The relay took the mail: asked.
        Delivered = 2 "delivered",
        /// The relay refused the mail for good.
        Bounced = 3 "bounced",
        /// Not asked: the gate said no, at launch or at hand-over.
        Excluded = 4 "excluded",
        /// The relay's answer was lost, and the policy says hold.
        Held = 5 "held",
        /// The provider, or whoever downloaded the links, has the person's link: asked.
        HandedToProvider = 6 "handed_to_provider",
    }
}

coded! {
    /// What a person answered.
    Answer {
        /// Nothing yet.
        Silent = 0 "silent",
        /// Yes.
        Yes = 1 "yes",
        /// No.
        No = 2 "no",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_moves_only_along_its_life() {
        use CampaignAct as A;
        use CampaignStatus as S;
        let allowed = [
            (S::Draft, A::Launch, S::Launching),
            (S::Draft, A::Cancel, S::Cancelled),
            (S::Launching, A::Frozen, S::Running),
            (S::Launching, A::Pause, S::Paused),
            (S::Launching, A::Cancel, S::Cancelled),
            (S::Launching, A::Close, S::Closed),
            (S::Running, A::Pause, S::Paused),
            (S::Running, A::Cancel, S::Cancelled),
            (S::Running, A::Close, S::Closed),
            (S::Paused, A::Frozen, S::Paused),
            (S::Paused, A::Resume, S::Running),
            (S::Paused, A::Cancel, S::Cancelled),
            (S::Paused, A::Close, S::Closed),
        ];
        for &status in S::ALL {
            for &act in A::ALL {
                let expected = allowed.iter().find(|(s, a, _)| (*s, *a) == (status, act)).map(|(_, _, next)| *next);
                assert_eq!(status.after(act).ok(), expected, "{status} {act}");
            }
        }
    }
}
