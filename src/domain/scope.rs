//! What a bearer token may do (AP-10): a site records and nothing else, a marketer asks and sees no evidence, a
//! compliance officer sees evidence and sends nothing.

use super::coded::coded;

coded! {
    /// One right of a token.
    Scope {
        /// Controllers themselves: create and list. Belongs to the operator's token alone.
        Operator = 1 "operator",
        /// Purposes, policies, notices, senders, forms, destination: read and change.
        Settings = 2 "settings",
        /// Record choices server to server, and issue on-site links.
        Consents = 3 "consents",
        /// Upload lists and watch them.
        Imports = 4 "imports",
        /// Plan, launch and watch rounds.
        Campaigns = 5 "campaigns",
        /// Look up persons with their history and evidence; enter a stop.
        Subjects = 6 "subjects",
        /// Download confirmed people and suppressions.
        Exports = 7 "exports",
        /// Create and revoke tokens.
        Tokens = 8 "tokens",
    }
}

impl Scope {
    /// Everything that a controller's own administrator may do.
    pub const CONTROLLER: &'static [Self] =
        &[Self::Settings, Self::Consents, Self::Imports, Self::Campaigns, Self::Subjects, Self::Exports, Self::Tokens];
}
