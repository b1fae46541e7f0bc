//! What can become of a change of address: it is asked for at one mailbox and decided at another (DR-05).

use super::coded::coded;

coded! {
    /// How a change of address ended.
    ChangeOutcome {
        /// The new mailbox said yes, and the person is reached there.
        Moved = 1 "moved",
        /// The new mailbox said no.
        Refused = 2 "refused",
        /// Another change took its place.
        Superseded = 3 "superseded",
        /// Somebody else was on record under the new address by then.
        Taken = 4 "taken",
        /// The new address, or the person, was on the "never mail" list by then.
        Suppressed = 5 "suppressed",
        /// The mail that asks was not sent: the gate or a cap said no.
        NotSent = 6 "not_sent",
        /// The new mailbox does not exist.
        Undeliverable = 7 "undeliverable",
    }
}
