//! Reads beside the writer: a bounded set of connections, each used by one call at a time on a blocking thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::StoreSettings;
use super::connection::{Conn, DatabaseUrl, Purpose};
use super::error::StoreError;

/// What a reading call works on. Queries are methods, in the file of the kind of row they read.
pub struct ReadTx<'a> {
    pub(super) conn: &'a mut Conn,
}

pub(super) struct ReadPool {
    url: DatabaseUrl,
    idle: Arc<Mutex<Vec<Conn>>>,
    slots: Arc<Semaphore>,
    /// One more, for what everything else waits for.
    spare: Arc<Semaphore>,
    wait: Duration,
    busy: Duration,
}

impl ReadPool {
    pub(super) fn open(settings: &StoreSettings) -> Result<Self, StoreError> {
        let size = settings.readers.max(1);
        // The first is opened now, so that a wrong address shows at once; the others when they are needed.
        let first = Conn::open(&settings.url, Purpose::Read, settings.busy_timeout)?;
        Ok(Self {
            url: settings.url.clone(),
            idle: Arc::new(Mutex::new(vec![first])),
            slots: Arc::new(Semaphore::new(size)),
            spare: Arc::new(Semaphore::new(1)),
            wait: settings.read_wait,
            busy: settings.busy_timeout,
        })
    }

    /// Runs a call on a connection that is free, or becomes free in time; a pressing one may use the spare one too.
    pub(super) async fn run<T, E, F>(&self, runtime: &Handle, pressing: bool, call: F) -> Result<T, E>
    where
        F: FnOnce(&mut ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let free = async {
            tokio::select! {
                biased;
                slot = Arc::clone(&self.slots).acquire_owned() => slot,
                slot = Arc::clone(&self.spare).acquire_owned(), if pressing => slot,
            }
        };
        let slot = match tokio::time::timeout(self.wait, free).await {
            Ok(Ok(slot)) => slot,
            Ok(Err(_)) | Err(_) => return Err(StoreError::Busy("no connection for reading was free in time").into()),
        };
        let (idle, url, busy) = (Arc::clone(&self.idle), self.url.clone(), self.busy);
        let work = runtime.spawn_blocking(move || {
            let _slot = slot;
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut conn = match taken {
                Some(conn) => conn,
                None => Conn::open(&url, Purpose::Read, busy)?,
            };
            let result = call(&mut ReadTx { conn: &mut conn });
            // A server that went away leaves dead connections behind; only a live one goes back.
            if result.is_ok() || conn.is_alive() {
                idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
            }
            result
        });
        work.await.unwrap_or_else(|_| Err(StoreError::Failed("a reading call panicked".into()).into()))
    }
}
