//! Mails that are handed over and not yet written down, and how many of them there should be: enough that no connection
//! waits for a commit, and few enough that each goes out soon after the gate has let it through (RP-05) and that a crash
//! leaves few in doubt.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// A relay that takes a batch within this time may be given larger ones.
const SOON: Duration = Duration::from_millis(40);
/// One that has not begun with a mail by then is given smaller ones. Far below the second for which the gate's yes holds.
const LATE: Duration = Duration::from_millis(200);
/// Batches in hand: one that is being handed over, two before or with the relay, one that is being written down.
const BATCHES: usize = 4;
/// A batch begins with so many, and shrinks to no fewer.
const LEAST: usize = 8;

/// Counts the mails in hand, and how long they wait for a connection.
pub(super) struct InHand {
    mails: watch::Sender<usize>,
    waited: AtomicU64,
}

/// A mail in hand, until this is dropped.
pub(super) struct Place(Arc<InHand>);

impl InHand {
    pub(super) fn none() -> Arc<Self> {
        Arc::new(Self { mails: watch::Sender::new(0), waited: AtomicU64::new(0) })
    }

    pub(super) fn count(&self) -> usize {
        *self.mails.borrow()
    }

    /// Places for so many, as soon as no more than `others` are in hand beside them.
    pub(super) async fn places(self: &Arc<Self>, mails: usize, others: usize) -> Vec<Place> {
        let mut looking = self.mails.subscribe();
        let fits = |in_hand: &mut usize| {
            let fits = *in_hand <= others;
            *in_hand += if fits { mails } else { 0 };
            fits
        };
        while !self.mails.send_if_modified(fits) {
            // The sender is ours: it cannot be gone.
            let _ = looking.wait_for(|in_hand| *in_hand <= others).await;
        }
        (0..mails).map(|_| Place(Arc::clone(self))).collect()
    }

    /// A mail has waited so long for its connection.
    pub(super) fn has_waited(&self, time: Duration) {
        self.waited.fetch_max(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The longest that one has waited since this was asked last.
    pub(super) fn longest_wait(&self) -> Duration {
        Duration::from_micros(self.waited.swap(0, Ordering::Relaxed))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.mails.send_modify(|mails| *mails -= 1);
    }
}

/// How many mails are handed over in one commit, at the pace that the relay keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tempo {
    size: usize,
    least: usize,
    most: usize,
    in_hand: usize,
}

impl Tempo {
    /// With at most so many in hand.
    pub(super) fn within(mails_in_hand: usize) -> Self {
        let in_hand = mails_in_hand.clamp(1, 10_000);
        let most = (in_hand / BATCHES).max(1);
        let least = LEAST.min(most);
        Self { size: least, least, most, in_hand }
    }

    /// Mails in one batch.
    pub(super) const fn size(&self) -> usize {
        self.size
    }

    /// The largest batch.
    pub(super) const fn most(&self) -> usize {
        self.most
    }

    /// A batch is handed over when no more than these are in hand.
    pub(super) fn others(&self) -> usize {
        (self.size * BATCHES).min(self.in_hand) - self.size
    }

    /// Goes by the longest that a mail has waited lately.
    #[must_use]
    pub(super) fn after(self, waited: Duration) -> Self {
        let size = match waited {
            soon if soon < SOON => (self.size * 2).min(self.most),
            late if late > LATE => (self.size / 2).max(self.least),
            _ => self.size,
        };
        Self { size, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_that_keeps_up_is_given_larger_batches_and_a_slow_one_smaller_ones() {
        let mut tempo = Tempo::within(256);
        assert_eq!((tempo.size(), tempo.others()), (8, 24));
        for size in [16, 32, 64, 64] {
            tempo = tempo.after(Duration::from_millis(5));
            assert_eq!(tempo.size(), size);
        }
        assert_eq!(tempo.after(Duration::from_millis(100)), tempo, "neither soon nor late");
        for size in [32, 16, 8, 8] {
            tempo = tempo.after(Duration::from_millis(300));
            assert_eq!(tempo.size(), size);
        }
    }

    #[test]
    fn no_more_are_in_hand_than_were_allowed() {
        for allowed in [1, 2, 3, 4, 5, 7, 10, 79, 256, 10_000] {
            let mut tempo = Tempo::within(allowed);
            for _ in 0..20 {
                assert!(tempo.size() >= 1 && tempo.size() + tempo.others() <= allowed, "{allowed}: {tempo:?}");
                tempo = tempo.after(Duration::ZERO);
            }
            assert_eq!(tempo.size(), tempo.most());
        }
    }
}
