//! What is known about a mail after one attempt to hand it over.
//!
//! The line that matters is the final dot: before it, nothing can have been delivered and a retry is safe; after
//! it, only a reply can tell, and without one the honest answer is [`Outcome::Uncertain`].

use std::{fmt, time::Duration};

use super::{
    bounce::{Class, EnhancedCode},
    wire::WireProblem,
};

/// The SMTP command that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// `MAIL FROM`
    Mail,
    /// `RCPT TO`
    Rcpt,
    /// `DATA`, before any byte of the message
    Data,
    /// The reply to the final dot
    Message,
}

impl Stage {
    /// Every stage, in the order they come.
    pub const ALL: [Self; 4] = [Self::Mail, Self::Rcpt, Self::Data, Self::Message];

    /// A stable word for storage and metrics labels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Message => "message",
        }
    }
}

/// The result of one attempt.
#[derive(Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The relay took responsibility for the mail.
    Accepted {
        /// The relay's words, often with its queue id.
        reply: String,
    },
    /// The relay said no; the connection stays usable unless it said 421.
    Refused {
        /// The command it refused.
        stage: Stage,
        /// The reply code, 400 to 599.
        code: u16,
        /// The enhanced code, when given.
        enhanced: Option<EnhancedCode>,
        /// The relay's words. May hold the address: personal data.
        text: String,
        /// What it means for the person (ML-20).
        class: Class,
    },
    /// Failed before the final dot was written: certainly not delivered, safe to retry.
    NotStarted(SendError),
    /// Failed after the final dot was written: may or may not have been delivered.
    Uncertain(SendError),
}

impl Outcome {
    /// A stable word for storage and metrics labels.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted { .. } => "accepted",
            Self::Refused { .. } => "refused",
            Self::NotStarted(_) => "not_started",
            Self::Uncertain(_) => "uncertain",
        }
    }
}

/// Relay texts often repeat the recipient's address, so they are left out.
impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted { .. } => f.write_str("Accepted"),
            Self::Refused { stage, code, enhanced, class, .. } => f
                .debug_struct("Refused")
                .field("stage", stage)
                .field("code", code)
                .field("enhanced", enhanced)
                .field("class", class)
                .finish_non_exhaustive(),
            Self::NotStarted(error) => f.debug_tuple("NotStarted").field(error).finish(),
            Self::Uncertain(error) => f.debug_tuple("Uncertain").field(error).finish(),
        }
    }
}

/// Why a connection could not be made or used. Holds no address and no text of a relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The relay's name did not resolve or nobody answered.
    #[error("cannot connect to the relay: {0}")]
    Connect(std::io::ErrorKind),
    /// The socket failed.
    #[error("the connection to the relay failed: {0}")]
    Io(std::io::ErrorKind),
    /// The relay closed the connection.
    #[error("the relay closed the connection")]
    Closed,
    /// No answer in time.
    #[error("no answer from the relay within {0:?}")]
    TimedOut(Duration),
    /// The relay's answer breaks the protocol or a bound.
    #[error("the relay's answer is not SMTP: {0}")]
    Protocol(&'static str),
    /// TLS is required but not offered.
    #[error("the relay does not offer STARTTLS, and TLS is required")]
    TlsUnavailable,
    /// The TLS handshake failed, the certificate included.
    #[error("TLS with the relay failed")]
    TlsFailed,
    /// The relay refused the greeting, EHLO, STARTTLS or RSET.
    #[error("the relay refused {during} with {code}")]
    NotReady {
        /// What was being done.
        during: &'static str,
        /// The reply code.
        code: u16,
    },
    /// The relay refused the credentials.
    #[error("the relay refused our credentials with {0}")]
    Credentials(u16),
    /// Credentials are set, but the relay offers neither PLAIN nor LOGIN.
    #[error("the relay offers no way to sign in that we know (PLAIN, LOGIN)")]
    NoMechanism,
    /// The address needs SMTPUTF8 and the relay does not offer it (AD-04).
    #[error("eai_unsupported: the relay does not offer SMTPUTF8")]
    EaiUnsupported,
    /// The message exceeds the size that the relay announced.
    #[error("the message exceeds the relay's limit of {limit} octets")]
    TooLarge {
        /// The announced limit.
        limit: usize,
    },
    /// The last check on the bytes failed.
    #[error("the message is not fit for the wire: {0}")]
    Unfit(#[from] WireProblem),
    /// The pool has been closed.
    #[error("the relay pool is closed")]
    PoolClosed,
}

impl SendError {
    /// A stable word for storage and metrics labels.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect_failed",
            Self::Io(_) => "io",
            Self::Closed => "closed",
            Self::TimedOut(_) => "timed_out",
            Self::Protocol(_) => "protocol",
            Self::TlsUnavailable => "tls_unavailable",
            Self::TlsFailed => "tls_failed",
            Self::NotReady { .. } => "not_ready",
            Self::Credentials(_) => "credentials",
            Self::NoMechanism => "no_mechanism",
            Self::EaiUnsupported => "eai_unsupported",
            Self::TooLarge { .. } => "too_large",
            Self::Unfit(_) => "unfit",
            Self::PoolClosed => "pool_closed",
        }
    }

    /// Whether the fault lies in this message, so that another attempt with the same bytes is pointless.
    #[must_use]
    pub const fn is_about_the_message(&self) -> bool {
        matches!(self, Self::EaiUnsupported | Self::TooLarge { .. } | Self::Unfit(_))
    }

    /// Whether a fresh connection may fare better at once: the mark of a connection that died while idle.
    #[must_use]
    pub(super) const fn is_broken_connection(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Closed)
    }
}
