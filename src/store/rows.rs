//! Closed sets that only the store and the floors above it know: how uploads and their rows stand.

use crate::domain::coded::coded;

coded! {
    /// What an upload is.
    ImportKind {
        /// People with a basis.
        Contacts = 1 "contacts",
        /// People who are never to be mailed.
        DoNotMail = 2 "do-not-mail",
    }
}

coded! {
    /// Where an upload stands.
    ImportStatus {
        /// Its bytes are coming in.
        Receiving = 1 "receiving",
        /// It waits for a worker.
        Queued = 2 "queued",
        /// It is being read.
        Reading = 3 "reading",
        /// Every row has an outcome.
        Done = 4 "done",
        /// The file as a whole could not be read.
        Failed = 5 "failed",
    }
}

coded! {
    /// Which entries of a provider's list are being read. Stops come first, so that nobody is taken in who has stopped,
    /// and once more at the end, as people stop while a long list is read.
    ImportLeg {
        /// None yet: the list itself is looked for.
        Beginning = 1 "beginning",
        /// Who left the list.
        Unsubscribed = 2 "unsubscribed",
        /// Whose mailbox refused mail.
        Bounced = 3 "bounced",
        /// Whom the client mails from none of its lists.
        Suppressed = 4 "suppressed",
        /// Who gets mail.
        Active = 5 "active",
        /// Who left since the reading began.
        UnsubscribedSince = 6 "unsubscribed_since",
        /// Whose mailbox refused mail since.
        BouncedSince = 7 "bounced_since",
        /// Who was put on the client's list since.
        SuppressedSince = 8 "suppressed_since",
    }
}

coded! {
    /// What became of a row.
    RowOutcome {
        /// A new person.
        Added = 1 "added",
        /// A person already known; the basis is recorded.
        Updated = 2 "updated",
        /// The same address occurred earlier in this file.
        Duplicate = 3 "duplicate",
        /// The address does not read.
        InvalidAddress = 4 "invalid_address",
        /// Another cell, or the record as a whole, does not read.
        InvalidRow = 5 "invalid_row",
        /// On the "never mail" list, or stopped by the person; stays so (RP-04).
        Suppressed = 6 "suppressed",
        /// Confirmed here already; the list adds nothing.
        AlreadyConfirmed = 7 "already_confirmed",
        /// Put on the "never mail" list.
        OptOutRecorded = 8 "opt_out_recorded",
        /// A consent ended here; a list cannot bring it back.
        EndedHere = 9 "ended_here",
        /// Stopped at the provider, and put on the "never mail" list here; not a person to be asked.
        StoppedThere = 10 "stopped_there",
    }
}
