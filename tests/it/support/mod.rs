//! The harness: a house per test with its own database, port, clock and ids; and those who knock on its door.
//!
//! ```text
//! both_engines! {
//!     async fn a_sentence_that_is_true(app: TestApp) {
//!         app.api().get("/v1/purposes").await.expect(200);
//!     }
//! }
//! ```
#![allow(dead_code, reason = "what is here is for all tests; not every one of them uses all of it")]

mod api;
mod app;
pub mod browser;
mod clock;
mod database;
mod ids;
pub mod pages;
mod people;
mod process;
pub mod reckoning;
mod settings;
pub mod world;

pub use api::{Answer, Api};
pub use app::{ROOT_KEY, RunningServer, TestApp, run, settings};
pub use clock::FrozenClock;
pub use database::{Database, Engine};
pub use people::find_or_add;
pub use process::Process;
pub use settings::wording;

/// Writes a test once and runs it on both engines: `mod NAME { on_sqlite, on_postgres }`.
macro_rules! both_engines {
    ($($(#[$attribute:meta])* async fn $name:ident($app:ident: TestApp) $body:block)+) => {$(
        $(#[$attribute])*
        mod $name {
            use super::*;

            async fn body($app: TestApp) $body

            #[test]
            fn on_sqlite() {
                $crate::support::run($crate::support::Engine::Sqlite, body);
            }

            #[test]
            fn on_postgres() {
                $crate::support::run($crate::support::Engine::Postgres, body);
            }
        }
    )+};
}
