//! Destinations: what a controller may choose about how confirmed people are kept in step there.

use super::coded::coded;

coded! {
    /// What becomes of a person there when the consent has run to its end.
    ///
    /// An expiry is no word of the person. The convention that the provider suggests for two systems in step keeps
    /// *unsubscribed* for those who said stop and *deleted* for those whom the other system took off; so removing is the
    /// usual way: it says no more than what happened, ends no other list of that client, suppresses nothing, and a later
    /// yes starts the person again. Unsubscribing is for who would rather have the address kept from files that somebody
    /// imports there by hand.
    OnExpiry {
        /// Moved to *deleted*.
        Remove = 1 "remove",
        /// Unsubscribed, as if they had said stop.
        Unsubscribe = 2 "unsubscribe",
    }
}
