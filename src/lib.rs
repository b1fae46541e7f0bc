//! Reconsent asks people for consent, keeps the proof, and keeps the mailing provider honest.
#![forbid(unsafe_code)]
pub mod campaign_monitor;
pub mod crypto;
pub mod domain;
pub mod links;
pub mod store;
pub mod usecases;
