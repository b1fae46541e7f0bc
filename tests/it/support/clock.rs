//! A clock that stands until the test moves it.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use reconsent::domain::clock::Clock;
use reconsent::domain::time::Timestamp;

#[allow(clippy::disallowed_methods, reason = "the processes of a test and its provider have the machine's clock")]
fn machine() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// Stands at 2026-11-24T09:30:00Z unless moved.
pub struct FrozenClock {
    stands: AtomicI64,
    /// It runs as the machine's, with `stands` on top.
    runs: AtomicBool,
}

impl FrozenClock {
    /// The clock at its starting point.
    pub fn new() -> Self {
        let start = Timestamp::parse("2026-11-24T09:30:00Z").expect("a time as RFC 3339 writes it");
        Self { stands: AtomicI64::new(start.micros()), runs: AtomicBool::new(false) }
    }

    /// Moves on.
    pub fn advance(&self, by: Duration) {
        self.stands
            .fetch_add(i64::try_from(by.as_micros()).expect("a test moves by less than an age"), Ordering::SeqCst);
    }

    /// Moves on by whole days.
    pub fn advance_days(&self, days: u64) {
        self.advance(Duration::from_secs(days * 86_400));
    }

    /// Stands at the machine's own time, for a test with processes that have no other.
    pub fn follow_the_machine(&self) {
        self.stand_at(machine());
    }

    /// Runs as the machine's own from now on, for a test in which the provider's clock and ours are compared.
    pub fn run_with_the_machine(&self) {
        self.stands.store(0, Ordering::SeqCst);
        self.runs.store(true, Ordering::SeqCst);
    }

    /// Stands elsewhere from now on.
    pub fn set(&self, at: &str) {
        let at = Timestamp::parse(at).expect("a time as RFC 3339 writes it");
        self.stand_at(at.micros());
    }

    fn stand_at(&self, micros: i64) {
        self.runs.store(false, Ordering::SeqCst);
        self.stands.store(micros, Ordering::SeqCst);
    }
}

impl Clock for FrozenClock {
    fn now(&self) -> Timestamp {
        let since = if self.runs.load(Ordering::SeqCst) { machine() } else { 0 };
        Timestamp::from_micros(since + self.stands.load(Ordering::SeqCst))
    }
}
