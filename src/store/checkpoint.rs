//! Checkpoints of an embedded database: what was committed to the write-ahead log is brought into the database's file by
//! a thread of its own, so that no commit waits for it. The log is durable without: a checkpoint that is late, or never
//! comes, costs disk space and nothing else.
//!
//! The writer begins the log anew when all of it has been brought over. Under a flood that never happens by itself, as
//! there is always a newer commit; so the writer still checkpoints when the log has grown to [`LOG_PAGES`], and finds
//! most of the work done.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use diesel::connection::SimpleConnection;

use super::StoreSettings;
use super::connection::{Conn, DatabaseUrl, Purpose};
use super::error::StoreError;

/// Bytes of a page of a new database. With twice the usual number a busy service waits less for its checkpoints, and
/// nothing that was measured is slower but commits of one row.
pub(super) const PAGE_BYTES: u32 = 8192;

/// Pages of the log at which the writer checkpoints by itself: 128 MB. As much may have to be read when a service starts
/// after a crash.
pub(super) const LOG_PAGES: u32 = 16_384;

/// How long commits gather before a checkpoint: pages that several of them change are then written once.
const GATHER: Duration = Duration::from_millis(200);

/// Tells the one who checkpoints that there is something to do.
#[derive(Debug, Clone)]
pub(super) struct Checkpoints(Option<SyncSender<()>>);

impl Checkpoints {
    /// Starts the thread, which ends when the last writer does. Nothing to do for a server, which looks after itself.
    pub(super) fn start(settings: &StoreSettings) -> Result<Self, StoreError> {
        if matches!(settings.url, DatabaseUrl::Postgres(_)) {
            return Ok(Self(None));
        }
        let conn = Conn::open(&settings.url, Purpose::Checkpoint, settings.busy_timeout)?;
        let (due, waiting) = sync_channel(1);
        std::thread::Builder::new()
            .name("checkpoints".to_owned())
            .spawn(move || work(conn, &waiting))
            .map_err(|error| StoreError::Failed(format!("cannot start checkpoints: {error}")))?;
        Ok(Self(Some(due)))
    }

    /// Something was committed.
    pub(super) fn due(&self) {
        // When it is told already, or has ended, there is nothing to tell.
        if let Some(due) = &self.0 {
            let (Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(()))) = due.try_send(());
        }
    }
}

fn work(mut conn: Conn, waiting: &Receiver<()>) {
    while waiting.recv().is_ok() {
        std::thread::sleep(GATHER);
        let Conn::Sqlite(conn) = &mut conn else { return };
        // Passive: it waits for nobody and nobody for it; what is in use stays for the next time.
        if let Err(error) = conn.batch_execute("PRAGMA wal_checkpoint(PASSIVE)") {
            tracing::warn!(%error, "a checkpoint failed; the next one does its work");
        }
    }
}
