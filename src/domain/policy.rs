//! Versions of a controller's privacy policy: immutable bytes with their SHA-256, so that years later it can be
//! shown which text somebody had in front of them (PF-03).

use super::coded::coded;

coded! {
    /// The kinds of document that a policy version may be.
    PolicyFormat {
        /// HTML.
        Html = 1 "text/html",
        /// Markdown.
        Markdown = 2 "text/markdown",
        /// PDF.
        Pdf = 3 "application/pdf",
        /// Plain text.
        Text = 4 "text/plain",
    }
}

/// The largest policy document, in bytes (architecture section 0).
pub const MAX_POLICY_BYTES: usize = 10 * 1024 * 1024;
