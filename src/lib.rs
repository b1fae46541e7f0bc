//! Reconsent asks people for consent, keeps the proof, and keeps the mailing provider honest.
//!
//! The house has floors and one direction; `tests/architecture.rs` keeps it:
//!
//! * ground: [`domain`] (rules only, no I/O) and [`crypto`] (keys and ciphers, no storage);
//! * crafts: [`links`], [`mail`], [`campaign_monitor`];
//! * cellar: [`store`], the only place that knows diesel;
//! * first floor: [`usecases`], one function per thing asked;
//! * doors: [`http`] and [`worker`];
//! * beside it: [`sandbox`], the outside world in a box, and [`telemetry`];
//! * [`config`] gathers the settings, and [`cli`] builds the house from them.
#![forbid(unsafe_code)]

pub mod campaign_monitor;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod http;
pub mod links;
pub mod mail;
pub mod sandbox;
pub mod store;
pub mod telemetry;
pub mod usecases;
pub mod worker;
