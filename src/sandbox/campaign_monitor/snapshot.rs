//! The world as a file, `DIR/campaign-monitor.json`.
//!
//! Promises: replaced whole (written beside, synced, renamed), soon after a change; a write that takes
//! long (very many people) is repeated less often, so that saving never takes most of the time.

use super::desk::Shared;
use super::model::World;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Changes wait this long, so that a burst is one write.
const PAUSE: Duration = Duration::from_millis(100);

/// A disk that refused once is left alone for a while.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

pub(super) struct Snapshot {
    path: PathBuf,
    written: u64,
    not_before: Instant,
}

impl Snapshot {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { path: folder.join("campaign-monitor.json"), written: 0, not_before: Instant::now() })
    }

    pub(super) fn load(&self) -> io::Result<Option<World>> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes if something changed and the pause is over.
    pub(super) fn tick(&mut self, shared: &Shared) {
        let started = Instant::now();
        if started < self.not_before {
            return;
        }
        match self.save(shared) {
            Ok(false) => {}
            Ok(true) => self.not_before = Instant::now() + PAUSE.max(started.elapsed() * 5),
            Err(error) => {
                tracing::warn!(%error, "the emulator's state could not be written");
                self.not_before = Instant::now() + AFTER_FAILURE;
            }
        }
    }

    /// Writes if something changed; says whether it did. A failed write is tried again later.
    pub(super) fn save(&mut self, shared: &Shared) -> io::Result<bool> {
        let written = self.written;
        let changed = shared
            .work(false, |desk, _| (desk.changes != written).then(|| (desk.changes, serde_json::to_vec(&desk.world))));
        let Some((changes, bytes)) = changed else {
            return Ok(false);
        };
        let part = self.path.with_extension("json.part");
        let mut file = fs::File::create(&part)?;
        file.write_all(&bytes?)?;
        file.sync_data()?;
        fs::rename(&part, &self.path)?;
        self.written = changes;
        Ok(true)
    }
}
