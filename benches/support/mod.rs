//! What the benchmarks stand on: the built service as a process of its own, a throw-away PostgreSQL, a load generator,
//! an SMTP sink, readings from `/proc`, and a printer. Everything is on loopback and gone afterwards.
#![allow(dead_code, reason = "what is here is for all benchmarks; not every one of them uses all of it")]

pub mod bytes;
pub mod cluster;
pub mod fill;
pub mod house;
pub mod library;
pub mod load;
pub mod options;
pub mod process;
pub mod round;
pub mod rows;
pub mod rows_postgres;
pub mod rows_sqlite;
pub mod shop;
pub mod sink;
pub mod table;

/// A benchmark that cannot go on says why and ends.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An error in words.
pub fn fault<T>(words: impl Into<String>) -> Outcome<T> {
    Err(words.into().into())
}
