//! A connection to either engine, by the scheme of the address. SQLite is bundled; PostgreSQL is spoken to without
//! libpq, through the asynchronous driver inside its synchronous wrapper, so only from blocking threads.

use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::AsyncPgConnection;
use diesel_async::async_connection_wrapper::{AsyncConnectionWrapper, BlockOn as _};

use super::checkpoint::{LOG_PAGES, PAGE_BYTES};
use super::driver::Driver;
use super::error::StoreError;

/// The PostgreSQL connection as the query code sees it.
pub type PgConn = AsyncConnectionWrapper<AsyncPgConnection, Driver>;

/// A connection to one of the two engines.
pub enum Conn {
    /// Embedded.
    Sqlite(Box<SqliteConnection>),
    /// A server.
    Postgres(Box<PgConn>),
}

/// Runs one query body on whichever engine the connection is to: the body is compiled once for each.
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::connection::Conn::Sqlite($c) => {
                let $c = &mut **$c;
                $body
            }
            $crate::store::connection::Conn::Postgres($c) => {
                let $c = &mut **$c;
                $body
            }
        }
    };
}
pub(crate) use on;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file.
    Sqlite(std::path::PathBuf),
    /// The whole address, with its password.
    Postgres(String),
}

/// The address was of neither engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDatabaseUrl {
    /// Another scheme.
    #[error("DATABASE_URL begins with `{0}:`; it has to begin with `sqlite:` or `postgres:`")]
    Scheme(String),
    /// No file is named.
    #[error("DATABASE_URL names no file: expected sqlite:PATH, such as sqlite:reconsent.db")]
    NoFile,
    /// Only in memory.
    #[error("DATABASE_URL asks for a database in memory; consent has to be kept on disk: expected sqlite:PATH")]
    InMemory,
}

impl DatabaseUrl {
    /// Chooses the engine by the scheme and by nothing else; creates nothing.
    pub fn parse(text: &str) -> Result<Self, InvalidDatabaseUrl> {
        let (scheme, rest) = text.split_once(':').unwrap_or((text, ""));
        match scheme {
            "sqlite" => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() {
                    return Err(InvalidDatabaseUrl::NoFile);
                }
                if path.contains(":memory:") {
                    return Err(InvalidDatabaseUrl::InMemory);
                }
                Ok(Self::Sqlite(path.into()))
            }
            "postgres" | "postgresql" => Ok(Self::Postgres(text.to_owned())),
            // Only the scheme is shown: the rest may hold a password.
            other => Err(InvalidDatabaseUrl::Scheme(other.chars().take(20).collect())),
        }
    }

    /// The address without its password, for messages.
    pub fn redacted(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(text) => match text.parse::<url::Url>() {
                Ok(mut url) => {
                    if url.password().is_some() && url.set_password(Some("***")).is_err() {
                        return "postgres:***".to_owned();
                    }
                    url.set_query(None);
                    url.to_string()
                }
                Err(_) => "postgres:***".to_owned(),
            },
        }
    }
}

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// What a connection will be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Migrations and everything that writes.
    Write,
    /// Reading beside the writer.
    Read,
    /// Bringing the log of an embedded database into its file.
    Checkpoint,
}

impl Conn {
    /// Opens a connection. On SQLite, `busy` is how long a statement waits for another process.
    pub fn open(url: &DatabaseUrl, purpose: Purpose, busy: Duration) -> Result<Self, StoreError> {
        match url {
            DatabaseUrl::Sqlite(path) => open_sqlite(path, purpose, busy),
            DatabaseUrl::Postgres(address) => {
                let driver = Driver::start()
                    .map_err(|error| StoreError::Failed(format!("a connection cannot be driven: {error}")))?;
                let conn = driver.block_on(super::postgres::connect(address)).map_err(StoreError::Failed)?;
                let mut conn = driver.lend(|| PgConn::from(conn));
                check_postgres(&mut conn)?;
                // Plans are kept, and one made while a table was empty would scan it for ever (stack findings, the
                // generic-plan trap). Every query here has an index, so the other ways are closed to the planner rather
                // than each statement, and each look at a foreign key, planned anew. And rows are what counts: at the usual
                // cost of a row, an index that finds a controller's rows and one that finds the very row are a tie
                // while a table is small, and the smaller index may win it, for as long as the plan is kept. That cost
                // makes every plan look dear, and PostgreSQL would compare the kept one with a new one at each call,
                // which took longer than most calls: it is told to keep it. Work is shared out among connections, not
                // within a statement.
                conn.batch_execute(
                    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
                     SET cpu_tuple_cost = 1; SET max_parallel_workers_per_gather = 0; \
                     SET plan_cache_mode = force_generic_plan",
                )?;
                Ok(Self::Postgres(Box::new(conn)))
            }
        }
    }
}

/// WAL, FULL, foreign keys, no memory mapping, and a bundled library that does not corrupt in WAL mode.
fn open_sqlite(path: &std::path::Path, purpose: Purpose, busy: Duration) -> Result<Conn, StoreError> {
    let name = path.to_str().ok_or_else(|| StoreError::Failed("the database's path is not UTF-8".into()))?;
    let mut conn = SqliteConnection::establish(name).map_err(|_| StoreError::Failed(format!("cannot open {name}")))?;
    let busy = busy.as_millis();
    // In kilobytes. The operating system's cache is the larger one and shared; more here makes the writer no faster.
    let cache = match purpose {
        Purpose::Write => 8192,
        Purpose::Read => 2048,
        Purpose::Checkpoint => 512,
    };
    conn.batch_execute(&format!(
        "PRAGMA busy_timeout = {busy}; PRAGMA page_size = {PAGE_BYTES}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -{cache}; PRAGMA secure_delete = FAST; \
         PRAGMA wal_autocheckpoint = {LOG_PAGES};"
    ))?;
    if purpose == Purpose::Read {
        conn.batch_execute("PRAGMA query_only = ON;")?;
    }
    let version: String =
        diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>("sqlite_version()")).get_result(&mut conn)?;
    if version_parts(&version) < version_parts("3.51.3") {
        return Err(StoreError::Failed(format!("SQLite {version} can corrupt in WAL mode; 3.51.3 or newer is needed")));
    }
    Ok(Conn::Sqlite(Box::new(conn)))
}

fn version_parts(version: &str) -> Vec<u32> {
    version.split('.').map(|part| part.parse().unwrap_or(0)).collect()
}

/// a server that may lose what it has acknowledged is refused.
fn check_postgres(conn: &mut PgConn) -> Result<(), StoreError> {
    for setting in ["fsync", "synchronous_commit"] {
        let value: String =
            diesel::select(diesel::dsl::sql::<diesel::sql_types::Text>(&format!("current_setting('{setting}')")))
                .get_result(conn)?;
        if value == "off" {
            return Err(StoreError::Failed(format!(
                "PostgreSQL runs with {setting}=off and may lose confirmed consents; switch it on"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_chosen_by_scheme_alone() {
        assert_eq!(DatabaseUrl::parse("sqlite:a.db").unwrap(), DatabaseUrl::Sqlite("a.db".into()));
        assert_eq!(DatabaseUrl::parse("sqlite:///var/a.db").unwrap(), DatabaseUrl::Sqlite("/var/a.db".into()));
        assert!(matches!(DatabaseUrl::parse("postgres://u@h/db"), Ok(DatabaseUrl::Postgres(_))));
        assert_eq!(DatabaseUrl::parse("mysql://u:secret@h/db"), Err(InvalidDatabaseUrl::Scheme("mysql".into())));
        assert_eq!(DatabaseUrl::parse("sqlite:"), Err(InvalidDatabaseUrl::NoFile));
        assert_eq!(DatabaseUrl::parse("sqlite::memory:"), Err(InvalidDatabaseUrl::InMemory));
    }

    #[test]
    fn a_password_is_not_shown() {
        let url = DatabaseUrl::parse("postgres://reconsent:hunter2@db/reconsent?password=hunter2").unwrap();
        assert!(!format!("{url:?}").contains("hunter2"));
    }
}
