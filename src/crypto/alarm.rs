//! Alarms about keys: told in the log under a name of their own, counted, and kept for readiness until they no longer
//! hold. What is wrong with one controller's keys stops that controller's work and nobody else's: the others' people
//! must be able to withdraw.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// What has been seen in this process.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Controllers whose keys are not the ones they were; no more than there are controllers.
    wrong: Mutex<BTreeSet<Uuid>>,
    opened: AtomicU64,
}

impl Alarms {
    /// A key does not open its canary, or does not open itself. Logged once until it is right again, counted
    /// each time.
    pub fn wrong_key(&self, controller: Uuid, key_use: &str, version: i32) {
        metrics::counter!("reconsent_key_alarms_total", "kind" => "wrong_key").increment(1);
        if self.wrong.lock().unwrap_or_else(PoisonError::into_inner).insert(controller) {
            tracing::error!(event = "wrong_key", %controller, key_use, version, "a controller's key is not the one it was: nothing is done for this controller");
        }
    }

    /// All keys of a controller were found right.
    pub fn right_keys(&self, controller: Uuid) {
        if self.wrong.lock().unwrap_or_else(PoisonError::into_inner).remove(&controller) {
            tracing::warn!(event = "right_key", %controller, "a controller's keys are right again");
        }
    }

    /// Somebody opened a record that nobody has a reason to open.
    pub fn canary_opened(&self, controller: Uuid) {
        metrics::counter!("reconsent_key_alarms_total", "kind" => "canary_opened").increment(1);
        self.opened.fetch_add(1, Ordering::Relaxed);
        tracing::error!(event = "canary_opened", %controller, "a canary record was opened: somebody reads people they have no reason to read");
    }

    /// How many controllers have a key that is not the one it was.
    pub fn wrong_keys(&self) -> usize {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// How often a canary record was opened since this process began.
    pub fn canaries_opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }
}
