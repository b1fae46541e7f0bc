//! Group commit. Writing calls wait in a bounded queue; a writer takes what waits, runs it in one transaction,
//! commits once, and only then answers each caller. It never lingers for more.
//!
//! A call that is refused by a rule before it wrote anything costs its neighbours nothing. A call that failed after
//! it wrote, or that spoiled the transaction, is set aside: the batch is rolled back and run again without it, and
//! then it runs alone. Calls may therefore run more than once; what they do has to go through the transaction.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::StoreSettings;
use super::connection::{Conn, DatabaseUrl, Purpose, on};
use super::error::StoreError;
use super::reading::ReadTx;

/// What a writing call works on: everything a reading call can do, and the writes.
pub struct WriteTx<'a> {
    read: ReadTx<'a>,
    wrote: bool,
}

impl WriteTx<'_> {
    /// The connection, for a statement that writes.
    pub(super) fn writing(&mut self) -> &mut Conn {
        self.wrote = true;
        self.read.conn
    }
}

impl<'a> Deref for WriteTx<'a> {
    type Target = ReadTx<'a>;
    fn deref(&self) -> &ReadTx<'a> {
        &self.read
    }
}

impl<'a> DerefMut for WriteTx<'a> {
    fn deref_mut(&mut self) -> &mut ReadTx<'a> {
        &mut self.read
    }
}

/// The error of a writing call: it can carry the store's, and shows it.
pub trait Fault: From<StoreError> {
    /// The store's error, if it is one.
    fn store_error(&self) -> Option<&StoreError>;
}

impl Fault for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

/// How a run of a call ended, as the writer sees it.
enum Ran {
    /// Keep what it wrote.
    Keep,
    /// It said no and wrote nothing.
    Refused,
    /// Roll back: it failed after writing, or the transaction is spoiled.
    Spoiled {
        /// Whether it may do better alone.
        again: bool,
    },
}

trait Call: Send {
    /// What the call is about; a batch runs in this order, so that instances lock rows in one order.
    fn route(&self) -> uuid::Uuid;
    fn run(&mut self, tx: &mut WriteTx<'_>) -> Ran;
    fn answer(self: Box<Self>);
    fn fail(self: Box<Self>, error: StoreError);
}

struct TypedCall<T, E, F> {
    route: uuid::Uuid,
    call: F,
    result: Option<Result<T, E>>,
    answer: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Call for TypedCall<T, E, F>
where
    F: FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: Fault + Send,
{
    fn route(&self) -> uuid::Uuid {
        self.route
    }

    fn run(&mut self, tx: &mut WriteTx<'_>) -> Ran {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| (self.call)(tx)))
            .unwrap_or_else(|_| Err(StoreError::Failed("a writing call panicked".into()).into()));
        let ran = match &result {
            Ok(_) => Ran::Keep,
            Err(error) => match error.store_error() {
                Some(store) if store.spoils_the_transaction() => {
                    Ran::Spoiled { again: matches!(store, StoreError::Retry) }
                }
                _ if tx.wrote => Ran::Spoiled { again: false },
                _ => Ran::Refused,
            },
        };
        self.result = Some(result);
        ran
    }

    fn answer(self: Box<Self>) {
        let result =
            self.result.unwrap_or_else(|| Err(StoreError::Failed("a call was answered before it ran".into()).into()));
        // The caller may have gone away; what was committed stays committed.
        let _ = self.answer.send(result);
    }

    fn fail(self: Box<Self>, error: StoreError) {
        let _ = self.answer.send(Err(error.into()));
    }
}

pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Call>>,
    depth: Arc<AtomicUsize>,
}

impl Writer {
    pub(super) fn start(number: usize, settings: &StoreSettings, runtime: Handle) -> Result<Self, StoreError> {
        let (queue, calls) = mpsc::channel(settings.write_queue.max(1));
        let depth = Arc::new(AtomicUsize::new(0));
        let conn = Conn::open(&settings.url, Purpose::Write, &runtime)?;
        let mut clerk = Clerk {
            conn: Some(conn),
            calls,
            depth: Arc::clone(&depth),
            url: settings.url.clone(),
            batch: settings.batch.max(1),
            runtime,
        };
        std::thread::Builder::new()
            .name(format!("writer-{number}"))
            .spawn(move || clerk.work())
            .map_err(|error| StoreError::Failed(format!("cannot start a writer: {error}")))?;
        Ok(Self { queue, depth })
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    pub(super) async fn run<T, E, F>(&self, route: uuid::Uuid, call: F) -> Result<T, E>
    where
        F: FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let call = Box::new(TypedCall { route, call, result: None, answer });
        self.depth.fetch_add(1, Ordering::Relaxed);
        if let Err(full) = self.queue.try_send(call) {
            self.depth.fetch_sub(1, Ordering::Relaxed);
            return Err(match full {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy("the queue for writing is full"),
                mpsc::error::TrySendError::Closed(_) => StoreError::Failed("the writer has stopped".into()),
            }
            .into());
        }
        result.await.unwrap_or_else(|_| Err(StoreError::Failed("the writer has stopped".into()).into()))
    }
}

/// The one who holds the writing connection.
struct Clerk {
    conn: Option<Conn>,
    calls: mpsc::Receiver<Box<dyn Call>>,
    depth: Arc<AtomicUsize>,
    url: DatabaseUrl,
    batch: usize,
    runtime: Handle,
}

impl Clerk {
    fn work(&mut self) {
        let runtime = self.runtime.clone();
        let _inside = runtime.enter();
        let mut batch = Vec::with_capacity(self.batch);
        while self.calls.blocking_recv_many(&mut batch, self.batch) > 0 {
            self.depth.fetch_sub(batch.len(), Ordering::Relaxed);
            metrics::histogram!("reconsent_commit_batch_calls").record(u32::try_from(batch.len()).unwrap_or(u32::MAX));
            self.settle(std::mem::take(&mut batch));
        }
    }

    /// An embedded database whose disk fails can promise nothing any more: the process ends, so that nobody is told
    /// otherwise. A server looks after itself.
    fn end_if_the_disk_fails(&self, error: &StoreError) {
        if matches!(self.url, DatabaseUrl::Sqlite(_)) && error.to_string().contains("disk I/O error") {
            tracing::error!(%error, "the disk under the database fails; the process ends");
            std::process::abort();
        }
    }

    /// Runs a batch; sets spoilers aside and runs them alone, a few times if another transaction was in the way.
    fn settle(&mut self, batch: Vec<Box<dyn Call>>) {
        let mut together = batch;
        // Stable: calls about one thing keep their order.
        together.sort_by_key(|call| call.route());
        let mut alone = Vec::new();
        while !together.is_empty() {
            match self.commit(&mut together) {
                Ok(()) => break,
                Err(Trouble::Call { at, again }) => {
                    let call = together.remove(at);
                    if again {
                        alone.push(call)
                    } else {
                        call.answer()
                    }
                    // Many spoilers at once: stop sorting them out of the batch, go one by one.
                    if alone.len() > 4 {
                        alone.append(&mut together);
                    }
                }
                Err(Trouble::Database(StoreError::Retry)) => alone.append(&mut together),
                Err(Trouble::Database(error)) => {
                    tracing::error!(%error, "a commit failed");
                    self.end_if_the_disk_fails(&error);
                    for call in together.drain(..) {
                        call.fail(error.clone());
                    }
                }
            }
        }
        for call in alone {
            self.settle_alone(call);
        }
    }

    fn settle_alone(&mut self, call: Box<dyn Call>) {
        let mut one = vec![call];
        let mut last = StoreError::Retry;
        for attempt in 0..5_u32 {
            match self.commit(&mut one) {
                Ok(()) => return,
                Err(Trouble::Call { again: true, .. } | Trouble::Database(StoreError::Retry)) => {
                    std::thread::sleep(std::time::Duration::from_millis(2 << attempt));
                }
                // Its own error, which it holds.
                Err(Trouble::Call { again: false, .. }) => return one.into_iter().for_each(|call| call.answer()),
                Err(Trouble::Database(error)) => {
                    tracing::error!(%error, "a commit failed");
                    self.end_if_the_disk_fails(&error);
                    last = error;
                    break;
                }
            }
        }
        // Nothing was committed: whatever the call had come to was rolled back with it.
        for call in one {
            call.fail(last.clone());
        }
    }

    /// One transaction over all calls. On success every call is answered and the batch is empty; on trouble nothing
    /// is committed, and nobody is answered but those who were refused before they wrote.
    fn commit(&mut self, batch: &mut Vec<Box<dyn Call>>) -> Result<(), Trouble> {
        if self.conn.is_none() {
            self.conn = Some(Conn::open(&self.url, Purpose::Write, &self.runtime).map_err(Trouble::Database)?);
        }
        let conn = self.conn.as_mut().expect("opened just now");
        let outcome = run_batch(conn, batch);
        if outcome.is_err() && !conn.is_alive() {
            self.conn = None;
        }
        outcome?;
        for call in batch.drain(..) {
            call.answer();
        }
        Ok(())
    }
}

enum Trouble {
    /// This call spoiled the transaction.
    Call { at: usize, again: bool },
    /// Begin, commit or the connection failed.
    Database(StoreError),
}

fn run_batch(conn: &mut Conn, batch: &mut [Box<dyn Call>]) -> Result<(), Trouble> {
    let begin = match conn {
        Conn::Sqlite(_) => "BEGIN IMMEDIATE",
        // What the row locks are written for, whatever the server's default is.
        Conn::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED",
    };
    execute(conn, begin).map_err(Trouble::Database)?;
    for (at, call) in batch.iter_mut().enumerate() {
        let mut tx = WriteTx { read: ReadTx { conn: &mut *conn }, wrote: false };
        match call.run(&mut tx) {
            // Refused calls are answered with the rest, after the commit: their answer may rest on a neighbour's rows.
            Ran::Keep | Ran::Refused => {}
            Ran::Spoiled { again } => {
                // A connection that cannot roll back is replaced by the caller.
                let _ = execute(conn, "ROLLBACK");
                return Err(Trouble::Call { at, again });
            }
        }
    }
    if let Err(error) = execute(conn, "COMMIT") {
        let _ = execute(conn, "ROLLBACK");
        return Err(Trouble::Database(error));
    }
    Ok(())
}

fn execute(conn: &mut Conn, statement: &str) -> Result<(), StoreError> {
    on!(conn, c => c.batch_execute(statement)).map_err(StoreError::from)
}

impl Conn {
    /// Whether the connection still answers.
    pub(super) fn is_alive(&mut self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(_) => execute(self, "SELECT 1").is_ok(),
        }
    }
}
