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
    }
}
