//! The Campaign Monitor client against a small server that answers as the contract says.
// A test that cannot go on says so by ending.
#![allow(clippy::unwrap_used)]

mod bearer;
mod faults;
mod reads;
mod server;
mod subscribers;
mod webhooks;
