//! What a signed link lets its holder do, and what the key that signed it is still good for.

use super::coded::coded;

coded! {
    /// What a link lets its holder do. Each has its own letter in the token, so that none passes for another (LK-07).
    LinkAction {
        /// Confirm a sign-up from the mailbox.
        Confirm = 1 "confirm",
        /// Answer "may we still write to you?".
        Answer = 2 "answer",
        /// Stop it.
        Withdraw = 3 "withdraw",
        /// "This was not me".
        NotMe = 4 "not_me",
        /// See what stands, and stop it: the link in each mail that the provider sends.
        Manage = 5 "manage",
        /// Say whether a new address is one's own (DR-05).
        Move = 6 "move",
    }
}

impl LinkAction {
    /// The token's audience.
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Confirm => "c",
            Self::Answer => "r",
            Self::Withdraw => "u",
            Self::NotMe => "n",
            Self::Manage => "p",
            Self::Move => "a",
        }
    }

    /// The first segment of the address that serves it, as in `/u/{token}`. The letter too: an address is short.
    pub const fn path(self) -> &'static str {
        self.letter()
    }

    /// Whether its links end. Those that stop something stand in mails of long ago and never do (LK-06); so they open under
    /// any standing of their key, and under [`KeyStanding::Retired`] and [`KeyStanding::Compromised`] nothing but a stop
    /// may be had with one (WD-06, LK-12).
    pub const fn ends(self) -> bool {
        match self {
            Self::Confirm | Self::Answer | Self::NotMe | Self::Move => true,
            Self::Withdraw | Self::Manage => false,
        }
    }
}

coded! {
    /// What a key is still good for (LK-12).
    KeyStanding {
        /// Signs and verifies.
        Active = 1 "active",
        /// Signs no more; what it signed still counts.
        VerifyOnly = 2 "verify_only",
        /// Somebody else may hold it: nothing counts that is had with what it signed, but a stop.
        Compromised = 3 "compromised",
        /// Past the longest life of a link that ends; its links that stop go on.
        Retired = 4 "retired",
    }
}

impl KeyStanding {
    /// Whether more than a stop may be had with a link of this key. Whoever lets a preference link do more than stop has to
    /// ask this first: [`LinkAction::Manage`] opens under every standing.
    pub const fn opens_all(self) -> bool {
        match self {
            Self::Active | Self::VerifyOnly => true,
            Self::Compromised | Self::Retired => false,
        }
    }
}
