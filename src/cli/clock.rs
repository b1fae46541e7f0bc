//! The real clock and real randomness. Everywhere else time and ids are inputs.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::domain::clock::{Clock, Ids};
use crate::domain::time::Timestamp;

/// The computer's clock.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        // A clock set before 1970 counts as 1970.
        #[expect(clippy::disallowed_methods, reason = "the real clock is made here")]
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }
}

/// Ids from the clock and the operating system's randomness.
#[derive(Debug, Clone, Copy)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "the real ids are made here")]
    fn row(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn random(&self) -> Uuid {
        let mut bytes = [0; 16];
        crate::crypto::secret::fill_random(&mut bytes);
        Uuid::from_bytes(bytes)
    }
}
