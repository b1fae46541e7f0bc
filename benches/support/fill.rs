//! People on record in numbers, written by the raw loop.

use std::time::Duration;

use super::house::Engine;
use super::{Outcome, rows_postgres, rows_sqlite};

/// What stands on record about people: themselves, events, and where they stand.
const ON_RECORD: [&str; 3] = ["subjects", "consent_events", "consents"];

/// Adds people with an event each, after the pattern of one who is there.
pub async fn fill(engine: Engine, database: &str, events: usize) -> Outcome<()> {
    let (database, time) = (database.to_owned(), Duration::from_secs(1800));
    let (written, took) = match engine {
        Engine::Postgres => {
            rows_postgres::write(&database, &ON_RECORD, rows_postgres::Shape::One, 512, events, time).await?
        }
        Engine::Sqlite => {
            let work = move || rows_sqlite::write(&database, &ON_RECORD, 512, events, time);
            tokio::task::spawn_blocking(work).await??
        }
    };
    println!("{written} people with an event each, written in {:.0} s\n", took.as_secs_f64());
    Ok(())
}
