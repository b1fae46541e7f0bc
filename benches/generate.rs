//! Makes a large database to measure on, see [`growth::generator`].
//!
//! ```text
//! cargo bench --bench generate -- --subjects 1000000 --url sqlite:growth.db
//! cargo bench --bench generate -- --subjects 1000000 --url postgres://me@127.0.0.1/growth?sslmode=disable
//! ```
//!
//! The database has to be empty. 10,000,000 people are for an evening, by hand.

mod growth;

use growth::{Failure, generator, option};

fn main() -> Result<(), Failure> {
    // `cargo bench` and `cargo test --benches` start every benchmark; without a database this one only says what it is.
    let Some(url) = option("--url") else {
        println!("generate: --subjects N --url URL");
        return Ok(());
    };
    let subjects: u64 = option("--subjects").unwrap_or_else(|| "10000".to_owned()).parse()?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(generator::generate(&url, subjects))
}
