//! Everything the emulator works on, behind one lock: the world, queued adds, webhook queues.
//!
//! Promises: a call sees every queued add that is due; every event that fired reaches the queue of
//! each webhook that wants it before the call is answered. All queues are bounded.

use super::api::TokenState;
use super::body::Row;
use super::delivery::WebhookTrouble;
use super::error::ApiError;
use super::faults::Faults;
use super::model::World;
use super::request_log::RequestLog;
use super::transactional::Mails;
use super::writing::Door;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const QUEUED_ADDS: usize = 100_000;
const QUEUED_EVENTS: usize = 200_000;
const REMEMBERED_WRITES: usize = 100_000;

/// What waits for one webhook.
#[derive(Default)]
pub(super) struct HookQueue {
    pub(super) events: VecDeque<Value>,
    /// When the first of them came.
    pub(super) waiting_since: Option<Instant>,
    pub(super) in_flight: bool,
    /// By the emulator's clock, so that a week can be made to pass.
    pub(super) failing_since: Option<Timestamp>,
}

/// A list that the list of lists does not know of yet, or still knows of.
pub(super) struct Lag {
    pub(super) client_id: String,
    pub(super) list_id: String,
    pub(super) title: String,
    pub(super) gone: bool,
    at: Instant,
}

struct QueuedAdd {
    due: Instant,
    list_id: String,
    row: Row,
    resubscribe: bool,
}

pub(super) struct Desk {
    pub(super) world: World,
    pub(super) tokens: BTreeMap<String, TokenState>,
    pub(super) hooks: HashMap<String, HookQueue>,
    pub(super) add_delay: Duration,
    pub(super) repeat_limit: Option<Duration>,
    /// How long the list of lists lags behind.
    pub(super) list_lag: Duration,
    pub(super) trouble: WebhookTrouble,
    pub(super) mails: Mails,
    /// Grows with every change; the snapshot compares it with what it wrote last.
    pub(super) changes: u64,
    lags: Vec<Lag>,
    adds: VecDeque<QueuedAdd>,
    writes: HashMap<(String, String), Instant>,
}

impl Desk {
    pub(super) fn new(world: World, tokens: BTreeMap<String, TokenState>, add_delay: Duration) -> Self {
        Self {
            world,
            tokens,
            hooks: HashMap::new(),
            add_delay,
            repeat_limit: None,
            list_lag: Duration::ZERO,
            trouble: WebhookTrouble::default(),
            mails: Mails::default(),
            lags: Vec::new(),
            changes: 1,
            adds: VecDeque::new(),
            writes: HashMap::new(),
        }
    }

    pub(super) fn queue_add(&mut self, list_id: &str, row: Row, resubscribe: bool) -> Result<(), ApiError> {
        if self.adds.len() >= QUEUED_ADDS {
            return Err(ApiError::new(429, 429, "Too many subscribers wait to be added"));
        }
        self.adds.push_back(QueuedAdd {
            due: Instant::now() + self.add_delay,
            list_id: list_id.to_owned(),
            row,
            resubscribe,
        });
        Ok(())
    }

    /// Writes queued adds that are due, or all of them. One that is refused by now (somebody left in
    /// between, the list is gone) is lost without a word, as integrators report of the provider.
    pub(super) fn settle_adds(&mut self, now: Timestamp, all: bool) {
        let moment = Instant::now();
        while self.adds.front().is_some_and(|add| all || add.due <= moment) {
            if let Some(add) = self.adds.pop_front() {
                let _ = self.world.add(&add.list_id, &add.row, add.resubscribe, Door::Asks, now);
                self.changes += 1;
            }
        }
    }

    /// Refuses a write to an address that was written a moment ago, when that is switched on.
    pub(super) fn mind_repeats(&mut self, list_id: &str, key: &str) -> Result<(), ApiError> {
        let Some(limit) = self.repeat_limit else {
            return Ok(());
        };
        if self.writes.len() >= REMEMBERED_WRITES {
            self.writes.retain(|_, at| at.elapsed() < limit);
        }
        let who = (list_id.to_owned(), key.to_owned());
        if self.writes.get(&who).is_some_and(|at| at.elapsed() < limit) {
            let text = "This subscriber was added too often too quickly, try again later";
            return Err(ApiError::new(429, 429, text));
        }
        self.writes.insert(who, Instant::now());
        Ok(())
    }

    /// Notes that a list came or goes; before it is gone.
    pub(super) fn note_lag(&mut self, list_id: &str, gone: bool) {
        let limit = self.list_lag;
        self.lags.retain(|lag| lag.at.elapsed() < limit && lag.list_id != list_id);
        if let Some(list) = self.world.lists.get(list_id).filter(|_| !limit.is_zero()) {
            self.lags.push(Lag {
                client_id: list.client_id.clone(),
                list_id: list.id.clone(),
                title: list.title.clone(),
                gone,
                at: Instant::now(),
            });
        }
    }

    pub(super) fn lagging(&self, client_id: &str) -> impl Iterator<Item = &Lag> {
        self.lags.iter().filter(move |lag| lag.client_id == client_id && lag.at.elapsed() < self.list_lag)
    }

    /// Puts fired events into the queue of each webhook that wants them.
    fn spread(&mut self) {
        for fired in std::mem::take(&mut self.world.fired) {
            let Some(list) = self.world.lists.get(&fired.list_id) else {
                continue;
            };
            for hook in &list.webhooks {
                if hook.active && hook.events.iter().any(|event| event == fired.kind) {
                    let queue = self.hooks.entry(hook.id.clone()).or_default();
                    if queue.events.len() >= QUEUED_EVENTS {
                        queue.events.pop_front();
                    }
                    queue.waiting_since.get_or_insert_with(Instant::now);
                    queue.events.push_back(fired.event.clone());
                }
            }
        }
    }
}

/// What the web listener, its background work and the handle share.
pub(super) struct Shared {
    desk: Mutex<Desk>,
    frozen: Mutex<Option<Timestamp>>,
    pub(super) faults: Faults,
    pub(super) log: RequestLog,
}

impl Shared {
    pub(super) fn new(desk: Desk) -> Self {
        Self { desk: Mutex::new(desk), frozen: Mutex::default(), faults: Faults::default(), log: RequestLog::default() }
    }

    /// Does something at the desk, with due adds settled before and events spread after.
    pub(super) fn work<T>(&self, changes: bool, task: impl FnOnce(&mut Desk, Timestamp) -> T) -> T {
        let now = self.now();
        let mut desk = lock(&self.desk);
        desk.settle_adds(now, false);
        let done = task(&mut desk, now);
        desk.spread();
        if changes {
            desk.changes += 1;
        }
        done
    }

    pub(super) fn now(&self) -> Timestamp {
        lock(&self.frozen).unwrap_or_else(Timestamp::now)
    }

    pub(super) fn freeze(&self, at: Option<Timestamp>) {
        *lock(&self.frozen) = at;
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic in one call must not take the whole emulator down with it.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
