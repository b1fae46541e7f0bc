//! The ground floor: rules, and nothing but rules. No clock, no I/O, no storage. Whatever stands here can be
//! tested as a table, and everything above it has to ask here before it changes what is on record about a person.

pub(crate) mod coded;
mod decide;

pub mod address;
pub mod basis;
pub mod campaign;
pub mod clock;
pub mod consent;
pub mod destination;
pub mod email;
pub mod event;
pub mod gate;
pub mod ids;
pub mod link;
pub mod list;
pub mod mailing;
pub mod name;
pub mod notice;
pub mod policy;
pub mod purpose;
pub mod reconcile;
pub mod replay;
pub mod scope;
pub mod slug;
pub mod suppression;
pub mod task;
pub mod throttle;
pub mod time;

#[cfg(test)]
mod consent_life_tests;
#[cfg(test)]
mod consent_tests;
#[cfg(test)]
mod gate_tests;
