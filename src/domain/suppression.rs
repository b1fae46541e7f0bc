//! "Never mail": a keyed hash per controller that outlives erasure (SU-01 to SU-07). The hash itself is made in
//! `crypto`; here stand the reasons and what may lift them.

use super::coded::coded;

coded! {
    /// Why an address is on the list (SU-03).
    SuppressionReason {
        /// The person withdrew.
        Withdrawn = 1 "withdrawn",
        /// The person objected to all direct marketing (GDPR Art 21).
        Objected = 2 "objected",
        /// A complaint came back through a mailbox provider.
        Complained = 3 "complained",
        /// The mailbox does not exist.
        HardBounce = 4 "hard_bounce",
        /// The address cannot be mailed.
        Invalid = 5 "invalid",
        /// "This was not me": no further confirmation mails.
        NotMe = 6 "not_me",
        /// A child without verified authorisation (CH-01).
        Child = 7 "child",
        /// Legal reasons.
        Legal = 8 "legal",
        /// Entered by staff, or from a do-not-mail list.
        Manual = 9 "manual",
        /// The person said no when asked.
        Refused = 10 "refused",
    }
}

impl SuppressionReason {
    /// Whether the person's own fresh sign-up, once confirmed, takes the entry away (RP-04, SU-06). Until then it
    /// stands, and lets through nothing but that one neutral confirmation mail.
    pub const fn lifted_by_fresh_opt_in(self) -> bool {
        match self {
            Self::Withdrawn | Self::Objected | Self::Complained | Self::HardBounce | Self::Manual | Self::Refused => {
                true
            }
            Self::Invalid | Self::NotMe | Self::Child | Self::Legal => false,
        }
    }

    /// Whether it says something of the mailbox alone, and nothing of the person or another mailbox of theirs.
    pub const fn is_about_mailbox(self) -> bool {
        matches!(self, Self::HardBounce | Self::Invalid)
    }

    /// Whether the person stopped it, as opposed to the mailbox or the law.
    pub const fn is_opt_out(self) -> bool {
        match self {
            Self::Withdrawn | Self::Objected | Self::Complained | Self::NotMe | Self::Manual | Self::Refused => true,
            Self::HardBounce | Self::Invalid | Self::Child | Self::Legal => false,
        }
    }
}
