//! Time and randomness as inputs. The house is built with one clock and one source of ids; tests hand in a frozen
//! clock and seeded ids, so that what they see is plain values.

use uuid::Uuid;

use super::time::Timestamp;

/// What time it is.
pub trait Clock: Send + Sync {
    /// The present moment, UTC.
    fn now(&self) -> Timestamp;
}

/// Where new ids come from.
pub trait Ids: Send + Sync {
    /// A fresh UUID of version 7 for a row: in order of making, unique, not secret.
    fn row(&self) -> Uuid;
    /// 128 random bits for what must not be guessed, such as the record behind a link (LK-13).
    fn random(&self) -> Uuid;
}
