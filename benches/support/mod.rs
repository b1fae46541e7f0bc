//! What the benchmarks stand on: the built service as a process of its own, a throw-away PostgreSQL, a load generator,
//! an SMTP sink, readings from `/proc`, and a printer. Everything is on loopback and gone afterwards.
#![allow(dead_code, reason = "what is here is for all benchmarks; not every one of them uses all of it")]

pub mod bytes;
pub mod cluster;
pub mod figures;
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

/// Measures on each engine that is asked for, PostgreSQL on a cluster of its own; `threads` are the benchmark's own.
pub fn on_each(
    threads: usize,
    measure: impl AsyncFn(house::Engine, Option<&cluster::Cluster>, &options::Options) -> Outcome<()>,
) -> Outcome<()> {
    let options = options::Options::read();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    runtime.block_on(async {
        for engine in options.engines() {
            let cluster = (*engine == house::Engine::Postgres).then(cluster::Cluster::start).transpose()?;
            println!("## {}: {}, load {}\n", engine.name(), process::machine(), process::load());
            measure(*engine, cluster.as_ref(), &options).await?;
        }
        Ok(())
    })
}

/// An error in words.
pub fn fault<T>(words: impl Into<String>) -> Outcome<T> {
    Err(words.into().into())
}
