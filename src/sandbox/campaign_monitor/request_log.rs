//! The newest API calls, for tests that assert what was never asked.
//!
//! Promises: 10,000 calls and 64 MiB of bodies at most; the total counts everything. No credential
//! is kept.

use super::desk::lock;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Mutex;

const CALLS: usize = 10_000;
const BYTES: usize = 64 * 1024 * 1024;

/// One call to the API.
#[derive(Clone)]
pub struct LoggedRequest {
    /// When it came, by the emulator's clock.
    pub at: Timestamp,
    /// HTTP method.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// The body as JSON; null when there was none or it could not be read.
    pub body: Value,
    /// Status answered; 0 when the connection was closed instead.
    pub status: u16,
    /// The `Code` of the body answered, if it had one.
    pub code: Option<u64>,
}

impl fmt::Debug for LoggedRequest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Path and body name people.
        out.debug_struct("LoggedRequest")
            .field("method", &self.method)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

struct Entry {
    at: Timestamp,
    method: String,
    path: String,
    body: Vec<u8>,
    status: u16,
    code: Option<u64>,
}

#[derive(Default)]
struct Inner {
    entries: VecDeque<Entry>,
    bytes: usize,
    total: u64,
}

#[derive(Default)]
pub(super) struct RequestLog(Mutex<Inner>);

impl RequestLog {
    pub(super) fn note(&self, at: Timestamp, method: &str, path: String, body: Vec<u8>, answered: (u16, Option<u64>)) {
        let mut inner = lock(&self.0);
        inner.total += 1;
        inner.bytes += body.len();
        let method = method.to_owned();
        let (status, code) = answered;
        inner.entries.push_back(Entry { at, method, path, body, status, code });
        while inner.entries.len() > CALLS || (inner.bytes > BYTES && inner.entries.len() > 1) {
            if let Some(oldest) = inner.entries.pop_front() {
                inner.bytes -= oldest.body.len();
            }
        }
    }

    /// Oldest first. Bodies are parsed here, so that noting stays cheap.
    pub(super) fn all(&self) -> Vec<LoggedRequest> {
        lock(&self.0)
            .entries
            .iter()
            .map(|entry| LoggedRequest {
                at: entry.at,
                method: entry.method.clone(),
                path: entry.path.clone(),
                body: serde_json::from_slice(&entry.body).unwrap_or_default(),
                status: entry.status,
                code: entry.code,
            })
            .collect()
    }

    /// The newest calls, newest first, without their bodies.
    pub(super) fn newest(&self, count: usize) -> Vec<LoggedRequest> {
        let show = |entry: &Entry| LoggedRequest {
            at: entry.at,
            method: entry.method.clone(),
            path: entry.path.clone(),
            body: Value::Null,
            status: entry.status,
            code: entry.code,
        };
        lock(&self.0).entries.iter().rev().take(count).map(show).collect()
    }

    pub(super) fn total(&self) -> u64 {
        lock(&self.0).total
    }

    pub(super) fn clear(&self) {
        *lock(&self.0) = Inner::default();
    }
}
