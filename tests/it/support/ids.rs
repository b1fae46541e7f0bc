//! Ids that come out the same in every run: rows count up under the frozen clock, and what must not be guessed in
//! earnest comes from a seed here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use reconsent::domain::clock::{Clock, Ids};
use uuid::Uuid;

use super::FrozenClock;

/// Ids from a counter and a seed.
pub struct SeededIds {
    clock: Arc<FrozenClock>,
    rows: AtomicU64,
    state: Mutex<u64>,
}

impl SeededIds {
    /// Ids under this clock.
    pub fn new(clock: Arc<FrozenClock>, seed: u64) -> Self {
        Self { clock, rows: AtomicU64::new(0), state: Mutex::new(seed | 1) }
    }

    /// Xorshift (Marsaglia 2003), 64 bits.
    fn next(&self) -> u64 {
        let mut state = self.state.lock().expect("nobody panics while holding the seed");
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        *state
    }
}

impl Ids for SeededIds {
    fn row(&self) -> Uuid {
        let millis = u128::try_from(self.clock.now().micros() / 1000).expect("tests happen after 1970");
        let count = u128::from(self.rows.fetch_add(1, Ordering::SeqCst));
        // RFC 9562: 48 bits of milliseconds, version 7, variant 10; the count stands in the lowest 62 bits.
        Uuid::from_u128(millis << 80 | 0x7 << 76 | 0x2 << 62 | count)
    }

    fn random(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.next()) << 64 | u128::from(self.next()))
    }
}
