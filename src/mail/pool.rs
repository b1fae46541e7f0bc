//! A bounded set of relay connections (one per mail in flight, never more than `max`).
//!
//! A worker first takes a [`Lease`], which waits for a place and for a connection that is really open, then commits the
//! hand-over, then sends: so the gate's decision is fresh when DATA goes out (RP-05). Idle connections are used last in,
//! first out; they are dropped when idle too long, after a number of mails, or when the relay has hung up. There is no
//! NOOP: a look at the socket costs no round trip. A reused connection that still turns out dead before DATA is
//! replaced once by a fresh one.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    address::Envelope,
    outcome::{Outcome, SendError, Stage},
    transport::{Relay, SmtpConnection},
};

/// The bounds of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolLimits {
    /// Most connections open at once; at least 1.
    pub max: usize,
    /// How long a connection may lie idle. Relays hang up after about five minutes.
    pub idle_timeout: Duration,
    /// Most mails on one connection; relays commonly stop at 100.
    pub mails_per_connection: u32,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { max: 8, idle_timeout: Duration::from_secs(60), mails_per_connection: 100 }
    }
}

/// A connection with its history.
struct Kept {
    connection: SmtpConnection,
    mails: u32,
    since: Instant,
}

/// A bounded set of connections to one relay. Cheap to clone.
#[derive(Clone)]
pub struct RelayPool {
    shared: Arc<Shared>,
}

struct Shared {
    relay: Relay,
    limits: PoolLimits,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Kept>>,
}

impl std::fmt::Debug for RelayPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayPool")
            .field("relay", &self.shared.relay)
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

impl RelayPool {
    /// A pool without connections; they are opened as needed.
    #[must_use]
    pub fn new(relay: Relay, limits: PoolLimits) -> Self {
        let limits = PoolLimits { max: limits.max.clamp(1, 1000), ..limits };
        let places = Arc::new(Semaphore::new(limits.max));
        Self { shared: Arc::new(Shared { relay, limits, places, idle: Mutex::new(Vec::new()) }) }
    }

    /// Most connections open at once.
    #[must_use]
    pub fn most(&self) -> usize {
        self.shared.limits.max
    }

    /// Waits for a place and an open connection.
    ///
    /// # Errors
    /// [`SendError`] when no connection could be made, or the pool is closed.
    pub async fn lease(&self) -> Result<Lease, SendError> {
        let place = Arc::clone(&self.shared.places).acquire_owned().await.map_err(|_| SendError::PoolClosed)?;
        let kept = match self.shared.take_idle() {
            Some(kept) => kept,
            None => self.shared.fresh().await?,
        };
        Ok(Lease { shared: Arc::clone(&self.shared), kept: Some(kept), _place: place })
    }

    /// Leases and sends in one step, where nothing has to be committed in between.
    pub async fn send(&self, envelope: &Envelope, bytes: &[u8]) -> Outcome {
        match self.lease().await {
            Ok(mut lease) => lease.send(envelope, bytes).await,
            Err(problem) => Outcome::NotStarted(problem),
        }
    }

    /// Refuses new leases and says goodbye on the idle connections. Leases already taken run on.
    pub async fn close(&self) {
        self.shared.places.close();
        let idle = std::mem::take(&mut *self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner));
        futures_util::future::join_all(idle.into_iter().map(|kept| kept.connection.quit())).await;
    }

    /// How many connections lie idle.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.shared.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Shared {
    /// The connection used last, if one is still good. Those that are not are dropped on the way.
    fn take_idle(&self) -> Option<Kept> {
        // A panic elsewhere cannot leave a list of connections half changed.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| kept.since.elapsed() < self.limits.idle_timeout);
        while let Some(mut kept) = idle.pop() {
            if kept.connection.still_open() {
                return Some(kept);
            }
        }
        None
    }

    async fn fresh(&self) -> Result<Kept, SendError> {
        let connection = self.relay.connection().await?;
        Ok(Kept { connection, mails: 0, since: Instant::now() })
    }

    fn give_back(&self, mut kept: Kept) {
        let worn = kept.mails >= self.limits.mails_per_connection;
        if !kept.connection.is_usable() || worn || self.places.is_closed() {
            return;
        }
        kept.since = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
    }
}

/// A connection and the right to use it; both return to the pool when this is dropped.
pub struct Lease {
    shared: Arc<Shared>,
    kept: Option<Kept>,
    _place: OwnedSemaphorePermit,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lease")
    }
}

impl Lease {
    /// Whether the relay behind this lease takes addresses outside ASCII; to be asked before freezing bytes.
    #[must_use]
    pub fn offers_smtputf8(&self) -> bool {
        self.kept.as_ref().is_some_and(|kept| kept.connection.offers_smtputf8())
    }

    /// Sends one mail. A connection that died while idle is replaced once; nothing is ever sent twice, since only a
    /// failure before DATA leads to the second try.
    pub async fn send(&mut self, envelope: &Envelope, bytes: &[u8]) -> Outcome {
        let mut kept = match self.kept.take() {
            Some(kept) if kept.connection.is_usable() => kept,
            _ => match self.shared.fresh().await {
                Ok(kept) => kept,
                Err(problem) => return Outcome::NotStarted(problem),
            },
        };
        let reused = kept.mails > 0;
        let mut outcome = kept.connection.send(envelope, bytes).await;
        if reused && died_while_idle(&outcome) {
            kept = match self.shared.fresh().await {
                Ok(kept) => kept,
                Err(problem) => return Outcome::NotStarted(problem),
            };
            outcome = kept.connection.send(envelope, bytes).await;
        }
        kept.mails = kept.mails.saturating_add(1);
        if kept.mails >= self.shared.limits.mails_per_connection {
            kept.connection.quit().await;
        } else {
            self.kept = Some(kept);
        }
        outcome
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(kept) = self.kept.take() {
            self.shared.give_back(kept);
        }
    }
}

/// A relay that tires of waiting either hangs up or answers MAIL with 421.
fn died_while_idle(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::NotStarted(problem) => problem.is_broken_connection(),
        Outcome::Refused { stage: Stage::Mail, code: 421, .. } => true,
        _ => false,
    }
}
