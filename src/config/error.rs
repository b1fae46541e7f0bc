//! Why the settings were refused. A message names the key and what was expected, never the value: a password pasted
//! into the wrong variable must not end up in a log.

use std::fmt;
use std::path::{Path, PathBuf};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The environment of the process.
    Environment,
    /// The settings file.
    File(PathBuf),
    /// Options of the command line, which outrank the rest.
    CommandLine,
}

/// A key as the operator wrote it, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The name in the spelling of its place.
    pub name: String,
    /// The place.
    pub place: Place,
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A key from a file may hold anything, a line break among it.
        let name = self.name.escape_debug();
        match &self.place {
            Place::Environment => write!(f, "{name}"),
            Place::File(path) => write!(f, "{name} (in {})", path.display()),
            Place::CommandLine => write!(f, "{name} (on the command line)"),
        }
    }
}

/// The settings were refused; nothing was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No setting has this name.
    #[error("unknown setting {setting}; did you mean {nearest}?")]
    Unknown {
        /// The name nobody knows.
        setting: Setting,
        /// The known name most like it.
        nearest: String,
    },
    /// The value does not fit the setting.
    #[error("{setting}: expected {expected}")]
    Invalid {
        /// The setting.
        setting: Setting,
        /// What it takes.
        expected: &'static str,
    },
    /// The value is empty.
    #[error("{setting} is empty: give it a value or remove it; expected {expected}")]
    Empty {
        /// The setting.
        setting: Setting,
        /// What it takes.
        expected: &'static str,
    },
    /// A setting without a default was not given.
    #[error("{name} is not set: expected {expected}")]
    Missing {
        /// The setting's name in the environment.
        name: &'static str,
        /// What it takes.
        expected: &'static str,
    },
    /// A secret was given itself and as a file.
    #[error("both {setting} and {file_name} are given: expected one of them")]
    Twice {
        /// The secret.
        setting: Setting,
        /// The name of the setting that names its file.
        file_name: String,
    },
    /// The file of a secret could not be read. Its path is not shown: it may be the secret itself, misplaced.
    #[error("{setting}: expected the path of a readable text file of at most 64 KiB; {reason}")]
    SecretFile {
        /// The setting that names the file.
        setting: Setting,
        /// What was wrong.
        reason: String,
    },
    /// The settings file could not be read.
    #[error("{}: expected a readable settings file of at most 1 MiB; {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// The settings file is not TOML. The line itself is not shown: it may hold a secret.
    #[error("{}: expected TOML such as `listen = \"127.0.0.1:8080\"`; it cannot be read{}", path.display(), at(position))]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line and column, where the reader tells them.
        position: Option<String>,
    },
    /// A name or value of ours in the environment is not UTF-8.
    #[error("{name}: expected a value in UTF-8")]
    NotUtf8 {
        /// The variable, as far as it can be shown.
        name: String,
    },
    /// Two settings contradict each other.
    #[error("{first} {relation} {second}: {reason}")]
    Inconsistent {
        /// One setting.
        first: &'static str,
        /// How it has to stand to the other.
        relation: &'static str,
        /// The other.
        second: &'static str,
        /// Why.
        reason: &'static str,
    },
}

impl ConfigError {
    pub(super) fn file(path: &Path, reason: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), reason: reason.into() }
    }
}

fn at(position: &Option<String>) -> String {
    position.as_ref().map(|position| format!(" at {position}")).unwrap_or_default()
}
