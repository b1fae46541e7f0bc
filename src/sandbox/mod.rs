//! The outside world in a box: a mail relay that keeps what it gets, and the mailing provider.
//!
//! Promises: both speak real protocols over real sockets, both are bounded in memory, and both run on
//! threads of their own, so that a handle is `Send + Sync` and works from any runtime or from none.
//! The demo and the test suite use the same two.
//!
//! Leaves to others: everything about consent. This module imports nothing of ours, so that it can
//! disagree with our clients instead of sharing their mistakes.

#![allow(clippy::disallowed_methods, reason = "the outside world has a clock and ids of its own")]

pub mod campaign_monitor;
pub mod mail_catcher;
mod web;

pub use campaign_monitor::{Emulator, EmulatorSettings};
pub use mail_catcher::{MailCatcher, MailCatcherSettings};
