//! What can go wrong in the cellar, in four words that the floors above understand: not found, conflict, busy,
//! failed. Constraint names are not relied on, as SQLite has none to give.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

/// What the store answers instead of rows.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// No such row for this controller.
    #[error("not found")]
    NotFound,
    /// A unique key is taken.
    #[error("already there")]
    Conflict,
    /// The queue or the pool is full, or the disk is: try again later.
    #[error("the store is busy: {0}")]
    Busy(&'static str),
    /// Another transaction was in the way; the store itself tries again.
    #[error("another transaction was in the way")]
    Retry,
    /// Anything else; the text is for the log, never for an answer.
    #[error("the store failed: {0}")]
    Failed(String),
}

impl StoreError {
    /// Whether the transaction is of no use after this error.
    pub(crate) const fn spoils_the_transaction(&self) -> bool {
        match self {
            Self::NotFound => false,
            Self::Conflict | Self::Busy(_) | Self::Retry | Self::Failed(_) => true,
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        match error {
            DieselError::NotFound => Self::NotFound,
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => Self::Conflict,
            DieselError::DatabaseError(DatabaseErrorKind::SerializationFailure, _) => Self::Retry,
            DieselError::DatabaseError(_, ref info) => {
                let message = info.message();
                if message.contains("deadlock detected") || message.contains("database is locked") {
                    Self::Retry
                } else if message.contains("database or disk is full") || message.contains("No space left on device") {
                    Self::Busy("the disk is full")
                } else {
                    // A message of the database may quote values; its kind is enough to search by.
                    Self::Failed(masked(message))
                }
            }
            other => Self::Failed(masked(&other.to_string())),
        }
    }
}

impl From<crate::crypto::SealError> for StoreError {
    fn from(error: crate::crypto::SealError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(format!("a stored document does not read: {:?} at column {}", error.classify(), error.column()))
    }
}

/// The first line, with everything in quotes or brackets cut out.
fn masked(message: &str) -> String {
    let mut kept = String::new();
    let mut hidden = false;
    for c in message.lines().next().unwrap_or_default().chars().take(300) {
        match c {
            '"' | '\'' => {
                hidden = !hidden;
                if !hidden {
                    kept.push('…');
                }
            }
            c if !hidden => kept.push(c),
            _ => {}
        }
    }
    kept
}
