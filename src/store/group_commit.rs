//! Group commit. What is to be written waits in a bounded queue; a writer takes what waits, runs it in one transaction,
//! commits once, and only then answers each caller. It never lingers for more.
//!
//! A batch is run without savepoints. If anything in it spoils the transaction, the batch is rolled back and run once
//! more with care: each piece under a savepoint, commands of a kind in halves, until the one that cannot be carried out
//! stands alone. It fails alone; its neighbours are kept in that second transaction.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use diesel::connection::SimpleConnection;
use tokio::sync::{mpsc, oneshot};

use super::StoreSettings;
use super::bells::{Asked, Bells};
use super::checkpoint::Checkpoints;
use super::connection::{Conn, DatabaseUrl, Purpose, on};
use super::error::StoreError;
use super::work::{Call, Command, Fault, Group, Outcomes, Queued, Ran, Submitted, Work, WriteTx, sort_out};

pub(super) struct Writer {
    queue: mpsc::Sender<Queued>,
    depth: Arc<AtomicUsize>,
    in_work: Arc<AtomicUsize>,
    ordinary: usize,
}

impl Writer {
    pub(super) fn start(
        number: usize,
        settings: &StoreSettings,
        bells: Arc<Bells>,
        checkpoints: Checkpoints,
    ) -> Result<Self, StoreError> {
        let ordinary = settings.write_queue.max(1);
        // The rest is kept for what must not be refused.
        let (queue, waiting) = mpsc::channel(ordinary + ordinary.div_ceil(8));
        let (depth, in_work) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let conn = Conn::open(&settings.url, Purpose::Write, settings.busy_timeout)?;
        let mut clerk = Clerk {
            conn: Some(conn),
            waiting,
            depth: Arc::clone(&depth),
            in_work: Arc::clone(&in_work),
            settings: settings.clone(),
            bells,
            checkpoints,
        };
        std::thread::Builder::new()
            .name(format!("writer-{number}"))
            .spawn(move || clerk.work())
            .map_err(|error| StoreError::Failed(format!("cannot start a writer: {error}")))?;
        Ok(Self { queue, depth, in_work, ordinary })
    }

    pub(super) fn depth(&self) -> usize {
        self.depth.load(Ordering::Relaxed)
    }

    /// What waits and what is being carried out.
    pub(super) fn load(&self) -> usize {
        self.depth() + self.in_work.load(Ordering::Relaxed)
    }

    pub(super) async fn call<T, E, F>(&self, route: uuid::Uuid, call: F) -> Result<T, E>
    where
        F: FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        let (caller, result) = oneshot::channel();
        self.enqueue(Queued::Call(route, Box::new(Call::new(call, caller))), false)?;
        result.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    pub(super) async fn submit<C: Command>(&self, command: C) -> Result<C::Answer, C::Error> {
        let (caller, outcome) = oneshot::channel();
        let group = Group(vec![Submitted::new(command, caller)]);
        self.enqueue(Queued::Command(Box::new(group)), C::URGENT)?;
        outcome.await.unwrap_or_else(|_| Err(stopped().into()))
    }

    /// Commands that take one place in the queue and are carried out in one batch.
    pub(super) async fn submit_all<C: Command>(&self, commands: Vec<C>) -> Outcomes<C> {
        let (group, callers): (Vec<_>, Vec<_>) = commands
            .into_iter()
            .map(|command| {
                let (caller, outcome) = oneshot::channel();
                (Submitted::new(command, caller), outcome)
            })
            .unzip();
        if group.is_empty() {
            return Vec::new();
        }
        if let Err(error) = self.enqueue(Queued::Command(Box::new(Group(group))), C::URGENT) {
            return callers.iter().map(|_| Err(error.clone().into())).collect();
        }
        let mut outcomes = Vec::with_capacity(callers.len());
        for outcome in callers {
            outcomes.push(outcome.await.unwrap_or_else(|_| Err(stopped().into())));
        }
        outcomes
    }

    fn enqueue(&self, queued: Queued, urgent: bool) -> Result<(), StoreError> {
        const FULL: StoreError = StoreError::Busy("the queue for writing is full");
        let waiting = self.depth.fetch_add(1, Ordering::Relaxed);
        let entered = if !urgent && waiting >= self.ordinary {
            Err(FULL)
        } else {
            self.queue.try_send(queued).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => FULL,
                mpsc::error::TrySendError::Closed(_) => stopped(),
            })
        };
        if entered.is_err() {
            self.depth.fetch_sub(1, Ordering::Relaxed);
        }
        entered
    }
}

fn stopped() -> StoreError {
    StoreError::Failed("the writer has stopped".into())
}

/// The one who holds the writing connection.
struct Clerk {
    conn: Option<Conn>,
    waiting: mpsc::Receiver<Queued>,
    depth: Arc<AtomicUsize>,
    in_work: Arc<AtomicUsize>,
    settings: StoreSettings,
    bells: Arc<Bells>,
    checkpoints: Checkpoints,
}

/// What a careful run came to.
#[derive(Default)]
struct Sorted {
    kept: Vec<Box<dyn Work>>,
    /// What those that are kept ask for.
    asked: Asked,
    /// Failed for good, and knows why.
    failed: Vec<Box<dyn Work>>,
    /// Another transaction was in the way.
    again: Vec<Box<dyn Work>>,
}

impl Clerk {
    fn work(&mut self) {
        let most = self.settings.batch.max(1);
        let mut batch = Vec::with_capacity(most);
        while self.waiting.blocking_recv_many(&mut batch, most) > 0 {
            self.depth.fetch_sub(batch.len(), Ordering::Relaxed);
            let calls: usize = batch.iter().map(Queued::len).sum();
            metrics::histogram!("reconsent_commit_batch_calls").record(u32::try_from(calls).unwrap_or(u32::MAX));
            self.in_work.store(calls, Ordering::Relaxed);
            self.settle(sort_out(std::mem::take(&mut batch)));
            self.in_work.store(0, Ordering::Relaxed);
        }
    }

    fn settle(&mut self, mut batch: Vec<Box<dyn Work>>) {
        match self.at_once(&mut batch) {
            Ok(Some(asked)) => {
                self.bells.ring(asked);
                return batch.into_iter().for_each(Work::answer);
            }
            Ok(None) => {}
            Err(StoreError::Retry) => {}
            Err(error) => return self.fail(batch, &error),
        }
        let mut pending = batch;
        for attempt in 0..self.settings.write_attempts.max(1) {
            match self.with_care(pending) {
                Ok(again) if again.is_empty() => return,
                Ok(again) => pending = again,
                // Nobody was answered: all was rolled back, and those it befell have been told.
                Err(()) => return,
            }
            std::thread::sleep(std::time::Duration::from_millis(2 << attempt));
        }
        self.fail(pending, &StoreError::Retry);
    }

    /// One transaction without savepoints. Says what it asks for if it was committed; if something in it spoiled the
    /// transaction, it was rolled back.
    fn at_once(&mut self, batch: &mut [Box<dyn Work>]) -> Result<Option<Asked>, StoreError> {
        let mut asked = Asked::default();
        let committed = self.in_transaction(|conn| {
            for work in batch.iter_mut() {
                match work.run(conn) {
                    Ran::Keep(more) => asked.join(more),
                    Ran::Spoiled(_) => return Ok(false),
                }
            }
            Ok(true)
        })?;
        Ok(committed.then_some(asked))
    }

    /// One transaction with a savepoint around each piece. Answers those that are kept or failed for good, and gives
    /// back those that may do better later.
    fn with_care(&mut self, batch: Vec<Box<dyn Work>>) -> Result<Vec<Box<dyn Work>>, ()> {
        let mut sorted = Sorted::default();
        let mut stack: Vec<Box<dyn Work>> = batch.into_iter().rev().collect();
        let committed = self.in_transaction(|conn| {
            while let Some(mut work) = stack.pop() {
                execute(conn, "SAVEPOINT piece")?;
                match work.run(conn) {
                    Ran::Keep(asked) => {
                        sorted.asked.join(asked);
                        sorted.kept.push(work);
                    }
                    Ran::Spoiled(error) => {
                        match work.split() {
                            Some(rest) => stack.extend([rest, work]),
                            None if matches!(error, StoreError::Retry) => sorted.again.push(work),
                            None => sorted.failed.push(work),
                        }
                        // Some errors take the whole transaction with them, and are then everybody's.
                        execute(conn, "ROLLBACK TO SAVEPOINT piece").map_err(|_| error)?;
                    }
                }
                execute(conn, "RELEASE SAVEPOINT piece")?;
            }
            Ok(true)
        });
        sorted.failed.into_iter().for_each(Work::answer);
        match committed {
            Ok(_) => {
                self.bells.ring(sorted.asked);
                sorted.kept.into_iter().for_each(Work::answer);
                Ok(sorted.again)
            }
            Err(StoreError::Retry) => {
                sorted.again.extend(sorted.kept);
                sorted.again.extend(stack);
                Ok(sorted.again)
            }
            Err(error) => {
                let undone = sorted.kept.into_iter().chain(sorted.again).chain(stack);
                self.fail(undone.collect(), &error);
                Err(())
            }
        }
    }

    /// Begins, runs, and commits if the run says so. On every other way out all is rolled back.
    fn in_transaction(&mut self, run: impl FnOnce(&mut Conn) -> Result<bool, StoreError>) -> Result<bool, StoreError> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            none => none.insert(Conn::open(&self.settings.url, Purpose::Write, self.settings.busy_timeout)?),
        };
        let begin = match conn {
            Conn::Sqlite(_) => "BEGIN IMMEDIATE",
            // What the row locks are written for, whatever the server's default is.
            Conn::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED",
        };
        let outcome = execute(conn, begin).and_then(|()| {
            let outcome = run(conn).and_then(|keep| match keep {
                true => execute(conn, "COMMIT").map(|()| true),
                false => Ok(false),
            });
            if !matches!(outcome, Ok(true)) {
                // A connection that cannot roll back is replaced below.
                let _ = execute(conn, "ROLLBACK");
            }
            outcome
        });
        if matches!(outcome, Ok(true)) {
            self.checkpoints.due();
        } else if !conn.is_alive() {
            self.conn = None;
        }
        outcome
    }

    /// Nothing was committed: whatever the work had come to was rolled back with it.
    fn fail(&self, works: Vec<Box<dyn Work>>, error: &StoreError) {
        tracing::error!(%error, "a commit failed");
        // An embedded database whose disk fails can promise nothing any more: the process ends, so that nobody is told
        // otherwise. A server looks after itself.
        if matches!(self.settings.url, DatabaseUrl::Sqlite(_)) && error.to_string().contains("disk I/O error") {
            tracing::error!(%error, "the disk under the database fails; the process ends");
            std::process::abort();
        }
        for work in works {
            work.fail(error);
        }
    }
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
