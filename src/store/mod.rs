//! The cellar: the only place that knows diesel. One query code base for SQLite and PostgreSQL; writes go through
//! group commit, reads through a bounded pool beside it. Nothing is answered before the commit that holds it, and no
//! query can be expressed without the controller it belongs to.

pub mod addresses;
mod among;
mod bells;
pub mod buckets;
mod bulk;
pub mod campaigns;
mod checkpoint;
pub mod connection;
pub mod consents;
pub mod controllers;
pub mod destinations;
mod dialect;
mod driver;
mod error;
pub mod events;
pub mod former_lists;
mod group_commit;
pub mod idempotency;
pub mod import_sources;
pub mod imports;
pub mod key_rows;
pub mod links;
pub mod mails;
mod migrate;
mod old_mails;
mod one_of;
pub mod outbox;
pub mod policies;
mod postgres;
mod prepared;
pub mod provider_connections;
pub mod purposes;
mod reading;
pub mod reconciles;
pub mod round_entries;
pub mod rows;
mod schema;
pub mod sheet;
pub mod sightings;
pub mod sites;
mod statistics;
pub mod subjects;
pub mod suppressions;
mod types;
pub mod upkeep;
mod work;

pub use connection::{DatabaseUrl, InvalidDatabaseUrl};
pub use error::StoreError;
pub use migrate::SchemaStanding;
pub use reading::ReadTx;
pub use work::{Command, Fault, Outcomes, WriteTx};

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;

use crate::domain::task::TaskKind;

use bells::Bells;
use checkpoint::Checkpoints;
use connection::{Conn, Purpose};
use group_commit::Writer;
use reading::ReadPool;

/// How long work on the schema waits for another process that holds an embedded database.
const SCHEMA_BUSY: Duration = Duration::from_secs(10);

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct StoreSettings {
    /// Where the database is.
    pub url: DatabaseUrl,
    /// Connections for reading.
    pub readers: usize,
    /// Connections for writing on PostgreSQL; SQLite always has one.
    pub writers: usize,
    /// Calls that may wait for a writer; one more is answered with `Busy`.
    pub write_queue: usize,
    /// Calls in one commit, at most.
    pub batch: usize,
    /// How long a read may wait for a connection before it is answered with `Busy`.
    pub read_wait: Duration,
    /// How often work is tried that another transaction was in the way of.
    pub write_attempts: u32,
    /// How long SQLite waits for another process that holds the database.
    pub busy_timeout: Duration,
}

/// The store, shared by all who need it; cloning is cheap.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    writers: Vec<Writer>,
    readers: ReadPool,
    bells: Arc<Bells>,
    runtime: Handle,
}

impl Store {
    /// Opens connections; changes nothing. On a thread that may block.
    pub fn open(settings: &StoreSettings, runtime: Handle) -> Result<Self, StoreError> {
        let writers = match settings.url {
            DatabaseUrl::Sqlite(_) => 1,
            DatabaseUrl::Postgres(_) => settings.writers.max(1),
        };
        let bells = Arc::<Bells>::default();
        let checkpoints = Checkpoints::start(settings)?;
        let start = |n| Writer::start(n, settings, Arc::clone(&bells), checkpoints.clone());
        let writers = (0..writers).map(start).collect::<Result<_, _>>()?;
        let readers = ReadPool::open(settings)?;
        Ok(Self { inner: Arc::new(Inner { writers, readers, bells, runtime }) })
    }

    /// Runs a reading call beside the writer, on a thread that may block.
    pub async fn read<T, E, F>(&self, call: F) -> Result<T, E>
    where
        F: FnOnce(&mut ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.readers.run(&self.inner.runtime, false, call).await
    }

    /// A read that much else waits for, a stop among it: short, and seldom made. There is a connection for these
    /// alone, so that they come through while others keep the rest busy.
    pub async fn read_pressing<T, E, F>(&self, call: F) -> Result<T, E>
    where
        F: FnOnce(&mut ReadTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.inner.readers.run(&self.inner.runtime, true, call).await
    }

    /// Runs a writing call in the next group commit and answers once it is durable. `route` names what the call is
    /// about (a subject, a campaign): calls with the same route share a writer and keep their order. The call may be
    /// run more than once, when a neighbour in its batch failed; all its effects go through the transaction.
    pub async fn write<T, E, F>(&self, route: uuid::Uuid, call: F) -> Result<T, E>
    where
        F: FnMut(&mut WriteTx<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: Fault,
    {
        self.writer_of(route).call(route, call).await
    }

    /// Has a command carried out with others of its kind in the next group commit, and answers once it is durable.
    pub async fn submit<C: Command>(&self, command: C) -> Result<C::Answer, C::Error> {
        self.writer_of(command.route()).submit(command).await
    }

    /// [`submit`](Self::submit) for several at once, which stay together: one place in the queue, one batch, and one
    /// outcome for each, in their order. However many they are, they are one piece of work: it is for the caller to bound
    /// them.
    pub async fn submit_all<C: Command>(&self, commands: Vec<C>) -> Outcomes<C> {
        // They are of many routes: whichever writer is least busy.
        match self.inner.writers.iter().min_by_key(|writer| writer.load()) {
            Some(writer) => writer.submit_all(commands).await,
            None => Vec::new(),
        }
    }

    fn writer_of(&self, route: uuid::Uuid) -> &Writer {
        // The last bytes of a UUIDv7 are random.
        &self.inner.writers[usize::from(route.as_bytes()[15]) % self.inner.writers.len()]
    }

    /// Rung after each commit of this process that asks for work of this kind.
    pub fn bell(&self, kind: TaskKind) -> &Notify {
        self.inner.bells.of(kind)
    }

    /// Calls waiting for a writer, for metrics and readiness.
    pub fn write_queue_depth(&self) -> usize {
        self.inner.writers.iter().map(Writer::depth).sum()
    }

    /// How the database's schema compares with this program. On a thread that may block.
    pub fn schema_standing(url: &DatabaseUrl) -> Result<SchemaStanding, StoreError> {
        migrate::standing(&mut Conn::open(url, Purpose::Write, SCHEMA_BUSY)?)
    }

    /// Brings the schema up to date and says which steps were run. On a thread that may block.
    pub fn migrate(url: &DatabaseUrl) -> Result<Vec<String>, StoreError> {
        let mut conn = Conn::open(url, Purpose::Write, SCHEMA_BUSY)?;
        let steps = migrate::run(&mut conn)?;
        migrate::check_columns(&mut conn)?;
        Ok(steps)
    }

    /// Takes the last migration back. On a thread that may block.
    pub fn revert_last(url: &DatabaseUrl) -> Result<String, StoreError> {
        migrate::revert_last(&mut Conn::open(url, Purpose::Write, SCHEMA_BUSY)?)
    }
}
