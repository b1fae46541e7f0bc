//! How a command ends: a number for scripts, and a sentence for people.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::config::ConfigError;
use crate::store::StoreError;
use crate::usecases::Error;

/// The numbers, as `reconsent --help` documents them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// It failed while doing what was asked.
    Failed = 1,
    /// The command line does not read.
    Usage = 2,
    /// The settings do not read or contradict each other.
    Configuration = 3,
    /// The database cannot be reached, or its schema is behind or newer.
    Database = 4,
    /// The root key is missing, or is not this database's.
    RootKey = 5,
    /// A rule refused it, or there is no such thing.
    Refused = 6,
}

/// What `reconsent --help` says about them.
pub const DOCUMENTED: &str = "\
Exit codes:
  0  done
  1  failed while doing it; the message says why
  2  the command line does not read
  3  a setting is unknown, unfit or missing, or settings contradict each other
  4  the database cannot be reached, or its schema is behind or newer than this program
  5  the root key is missing, or is not the one this database was set up with
  6  refused by a rule, already there, or not found

Settings come from the environment and an optional TOML file; `reconsent config` lists them all.";

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    message: String,
}

impl Failure {
    /// With its number and its sentence.
    pub fn new(exit: Exit, message: impl Display) -> Self {
        Self { exit, message: message.to_string() }
    }

    /// While doing it.
    pub fn failed(message: impl Display) -> Self {
        Self::new(Exit::Failed, message)
    }

    /// The number.
    pub const fn exit(&self) -> Exit {
        self.exit
    }

    /// The same, with words before its sentence.
    pub fn while_doing(self, what: impl Display) -> Self {
        Self { message: format!("{what}: {}", self.message), ..self }
    }

    /// Tells people, and gives the number for the operating system.
    pub fn tell(&self) -> ExitCode {
        // Nobody is left to hear that standard error is closed.
        let _ = writeln!(std::io::stderr(), "reconsent: {}", self.message);
        ExitCode::from(self.exit as u8)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::new(Exit::Configuration, error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match error {
            StoreError::NotFound | StoreError::Conflict => Exit::Refused,
            StoreError::Busy(_) | StoreError::Retry | StoreError::Failed(_) => Exit::Failed,
        };
        Self::new(exit, error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Store(error) => error.into(),
            Error::Invalid(faults) => {
                let faults: Vec<_> = faults.iter().map(|fault| format!("{}: {}", fault.field, fault.message)).collect();
                Self::new(Exit::Refused, faults.join("; "))
            }
            Error::Internal(_) => Self::failed(error),
            other => Self::new(Exit::Refused, other),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::failed(error)
    }
}

/// Writes to standard output. A reader that has gone away (`| head`) is no failure.
pub fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::from(error).while_doing("writing to standard output"))
        }
        _ => Ok(()),
    }
}

/// Writes one line of JSON to standard output.
pub fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    print(serde_json::to_string(value).map_err(Failure::failed)?)
}
