//! Messages as files: `DIR/mail/{id}.eml` with `{id}.json` beside it for the envelope.
//!
//! Promises: a message counts only once its side file exists, which is written last and whole; files
//! of ids we did not make are left alone. No fsync: the catcher is a box for demos and tests.

use super::store::CaughtMail;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// How many messages come back at a start; older ones stay on disk only.
const LOADED: usize = 1_000;

#[derive(Serialize, Deserialize)]
struct Side {
    envelope_from: String,
    recipients: Vec<String>,
    received_at: Timestamp,
}

/// The folder of one catcher.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let mail = folder.join("mail");
        fs::create_dir_all(&mail)?;
        Ok(Self(mail))
    }

    pub(super) fn write(&self, message: &CaughtMail) -> io::Result<()> {
        fs::write(self.path(&message.id, "eml"), &message.raw)?;
        let side = Side {
            envelope_from: message.envelope_from.clone(),
            recipients: message.recipients.clone(),
            received_at: message.received_at,
        };
        let part = self.path(&message.id, "part");
        fs::write(&part, serde_json::to_vec(&side)?)?;
        fs::rename(part, self.path(&message.id, "json"))
    }

    /// The newest messages, oldest of them first. Messages beyond `keep` are removed from disk.
    pub(super) fn load(&self, keep: usize) -> io::Result<Vec<CaughtMail>> {
        let mut ids = self.ids("json")?;
        ids.sort_unstable();
        let surplus = ids.len().saturating_sub(keep);
        for id in ids.drain(..surplus) {
            self.remove(&id);
        }
        let skipped = ids.len().saturating_sub(LOADED);
        Ok(ids.into_iter().skip(skipped).filter_map(|id| self.read(id).ok()).collect())
    }

    fn read(&self, id: String) -> io::Result<CaughtMail> {
        let side: Side = serde_json::from_slice(&fs::read(self.path(&id, "json"))?)?;
        Ok(CaughtMail {
            raw: fs::read(self.path(&id, "eml"))?,
            id,
            envelope_from: side.envelope_from,
            recipients: side.recipients,
            received_at: side.received_at,
        })
    }

    pub(super) fn remove(&self, id: &str) {
        for ending in ["json", "eml"] {
            // Gone already is as good as removed.
            let _ = fs::remove_file(self.path(id, ending));
        }
    }

    pub(super) fn clear(&self) -> io::Result<()> {
        for ending in ["json", "eml", "part"] {
            for id in self.ids(ending)? {
                fs::remove_file(self.path(&id, ending))?;
            }
        }
        Ok(())
    }

    fn ids(&self, ending: &str) -> io::Result<Vec<String>> {
        let mut ids = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            if path.extension().is_some_and(|found| found == ending)
                && let Some(id) = stem.filter(|stem| is_id(stem))
            {
                ids.push(id.to_owned());
            }
        }
        Ok(ids)
    }

    fn path(&self, id: &str, ending: &str) -> PathBuf {
        self.0.join(format!("{id}.{ending}"))
    }
}

fn is_id(stem: &str) -> bool {
    stem.len() == 32 && stem.bytes().all(|byte| byte.is_ascii_hexdigit())
}
