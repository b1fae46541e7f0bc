//! The service, asked through its public door: a real server on a port of its own, a database of its own, a clock
//! that stands still. Each test is written once and runs on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has to end there")]

#[macro_use]
mod support;

mod address;
mod authorisation;
mod campaigns;
mod cli;
mod clockwork;
mod cm_client;
mod connection;
mod demo;
mod distribution;
mod growth;
mod holding;
mod house;
mod idempotency;
mod imports;
mod instances;
mod keys;
mod kills;
mod limits;
mod mail_smtp;
mod mapping;
mod oauth;
mod openapi;
mod people;
mod plans;
mod preferences;
mod pressure;
mod reconcile;
mod refresh;
mod remap;
mod round;
mod sandbox;
mod scenarios;
mod secrecy;
mod settings;
mod sign_up;
mod smtp_relay;
mod stop_page;
mod store;
mod throttles;
mod together;
mod upkeep;
mod webhook;
