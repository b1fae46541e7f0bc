//! Keys and ciphers, without storage. Root key → controller keys → subject keys: each is kept only sealed under the
//! one above it, so that destroying a subject key makes a person unreadable everywhere at once.

pub mod alarm;
pub mod canary;
pub mod commitment;
pub mod field;
pub mod index;
pub mod keyring;
pub mod root;
pub mod secret;

pub use alarm::Alarms;
pub use field::{Place, SealError};
pub use keyring::{ControllerKeys, KeyUse, SubjectKey};
pub use root::RootKeys;
pub use secret::{Key, SecretText};
