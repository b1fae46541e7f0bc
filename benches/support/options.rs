//! What is said on the command line: `--quick` for a run of seconds that only proves that it runs, `--sqlite` or
//! `--postgres` for one engine, `--runs N`, `--size N`, `--keep` for figures that the README's picture is
//! drawn from, `--hold SECONDS`, `--worker` for a held house that also works off what it takes in.

use super::cluster::Cluster;
use super::house::Engine;

/// The options of a run.
pub struct Options {
    /// Tiny numbers.
    pub quick: bool,
    /// Rounds of all variants, one after the other.
    pub runs: usize,
    /// Whether the figures are kept for the picture.
    pub keep: bool,
    /// Keeps the service under load for this many seconds and measures nothing, for a profile taken from outside.
    pub hold: Option<u64>,
    /// Whether the house that is held has its worker.
    pub worker: bool,
    /// People in a campaign, or events on record, when another number is wanted than usual.
    pub size: Option<u64>,
    engines: Vec<Engine>,
}

impl Options {
    /// Reads them; what is unknown (cargo adds `--bench`) is passed over.
    pub fn read() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let has = |word: &str| words.iter().any(|given| given == word);
        let after = |word: &str| {
            let at = words.iter().position(|given| given == word)?;
            words.get(at + 1)?.parse::<u64>().ok()
        };
        let quick = has("--quick");
        let runs = after("--runs").unwrap_or(if quick { 1 } else { 3 });
        let mut engines = Vec::new();
        if !has("--postgres") {
            engines.push(Engine::Sqlite);
        }
        if !has("--sqlite") {
            match Cluster::programs() {
                Some(_) => engines.push(Engine::Postgres),
                None => println!("PostgreSQL is left out: no initdb under /usr/lib/postgresql/*/bin"),
            }
        }
        Self {
            quick,
            runs: usize::try_from(runs).unwrap_or(3).max(1),
            keep: has("--keep") && !quick,
            hold: after("--hold"),
            worker: has("--worker"),
            size: after("--size"),
            engines,
        }
    }

    /// The engines to measure.
    pub fn engines(&self) -> &[Engine] {
        &self.engines
    }

    /// How many there are to be.
    pub fn size(&self, whole: u64, quick: u64) -> usize {
        usize::try_from(self.size.unwrap_or(self.pick(whole, quick))).unwrap_or(usize::MAX)
    }

    /// One of two, by whether the run is quick.
    pub fn pick<T>(&self, whole: T, quick: T) -> T {
        if self.quick { quick } else { whole }
    }
}
