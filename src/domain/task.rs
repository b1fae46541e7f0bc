//! What must happen after a commit, as plain ids: never personal data (MN-02).

use super::coded::coded;

coded! {
    /// The kinds of work in the outbox.
    TaskKind {
        /// Hand one mail over; the reference is the mail's id.
        Mail = 1 "mail",
        /// Bring one person in step at the destinations; the reference is the subject's id.
        Sync = 2 "sync",
        /// Read an uploaded list; the reference is the import's id.
        Import = 3 "import",
        /// Freeze a round's audience; the reference is the campaign's id.
        Launch = 4 "launch",
        /// Mark consents that a material change concerns (EX-04); the reference is the policy version's or notice's id.
        Refresh = 5 "refresh",
        /// Bring people in step after a purpose's list has changed; the reference is the controller's id.
        Remap = 6 "remap",
        /// Seal anew what older versions of the controller's key seal; the reference is the controller's id.
        Reseal = 7 "reseal",
        /// See that a destination's webhooks are there and on; the reference is the destination's id.
        Watch = 8 "watch",
        /// Compare both sides, or put right what was found; the reference is the reconcile's id.
        Reconcile = 9 "reconcile",
        /// Write people to a list made for a round at the provider, or empty it; the reference is the campaign's id.
        Round = 10 "round",
    }
}

coded! {
    /// Where a task stands. A task that is done is no longer there.
    TaskState {
        /// Waits until it is due.
        Queued = 1 "queued",
        /// A worker holds it under a lease.
        Claimed = 2 "claimed",
        /// Given up; a person has to look.
        Parked = 3 "parked",
    }
}
