//! The service, asked through its public door: a real server on a port of its own, a database of its own, a clock
//! that stands still. Each test is written once and runs on SQLite and on PostgreSQL.

#[macro_use]
mod support;

mod cm_client;
mod house;
mod mail_smtp;
mod sandbox;
mod smtp_relay;
mod store;
