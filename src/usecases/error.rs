//! Where the rules' refusals and the store's errors meet. The doors translate each of these, without a wildcard, into
//! what their callers understand.

use crate::campaign_monitor::CallError;
use crate::domain::campaign::CampaignRefusal;
use crate::domain::consent::Refusal;
use crate::store::{Fault, StoreError};

/// Why something asked was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule said no.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A round cannot do this now.
    #[error("refused: {0}")]
    Campaign(#[from] CampaignRefusal),
    /// What it is about does not allow it as it stands now; the text says why.
    #[error("not now: {0}")]
    NotNow(String),
    /// The input does not hold together; each fault names its field.
    #[error("invalid input")]
    Invalid(Vec<FieldFault>),
    /// A name is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// The same `Idempotency-Key` came with another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// Nobody in the audience may lawfully be mailed (PR-02).
    #[error("nobody may be mailed")]
    NobodyToMail(Vec<(crate::domain::gate::Reason, u64)>),
    /// The token does not name anybody, or no longer.
    #[error("the credential is not known")]
    UnknownCredential,
    /// The link does not work, and nobody is told why.
    #[error("the link is not known")]
    UnknownLink,
    /// The provider did not do what was asked of it.
    #[error("the provider: {0}")]
    Provider(#[from] CallError),
    /// The operator has not set this up; the text says what is missing.
    #[error("{0}")]
    NotSetUp(&'static str),
    /// The store's own.
    #[error(transparent)]
    Store(StoreError),
    /// Something inside is broken; the text is for the log.
    #[error("internal: {0}")]
    Internal(String),
}

/// A fault in one field of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// The field, as the caller wrote it, such as `wording.title`.
    pub field: String,
    /// What was expected.
    pub message: String,
}

impl FieldFault {
    /// A fault.
    pub fn new(field: impl Into<String>, message: impl ToString) -> Self {
        Self { field: field.into(), message: message.to_string() }
    }
}

impl Error {
    /// One faulty field.
    pub fn field(field: impl Into<String>, message: impl ToString) -> Self {
        Self::Invalid(vec![FieldFault::new(field, message)])
    }

    /// For a reference to something that is not there: the field's fault rather than the resource's.
    pub fn missing_reference(field: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |error| match error {
            StoreError::NotFound => Self::field(field, "there is none with this id"),
            other => Self::Store(other),
        }
    }

    /// For an insert whose unique name may be taken.
    pub fn taken(what: &'static str) -> impl FnOnce(StoreError) -> Self {
        move |error| match error {
            StoreError::Conflict => Self::Taken(what),
            other => Self::Store(other),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<crate::crypto::SealError> for Error {
    fn from(error: crate::crypto::SealError) -> Self {
        Self::Store(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Fault for Error {
    fn store_error(&self) -> Option<&StoreError> {
        match self {
            Self::Store(error) => Some(error),
            // A unique key that was taken has spoiled the transaction on PostgreSQL.
            Self::Taken(_) => Some(&StoreError::Conflict),
            Self::Refused(_)
            | Self::Campaign(_)
            | Self::NotNow(_)
            | Self::Invalid(_)
            | Self::KeyReused
            | Self::NobodyToMail(_)
            | Self::UnknownCredential
            | Self::UnknownLink
            | Self::Provider(_)
            | Self::NotSetUp(_)
            | Self::Internal(_) => None,
        }
    }
}
