//! Twin migrations, embedded. A database that is newer than this program is refused, never guessed at.

use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::connection::{Conn, on};
use super::error::StoreError;

const SQLITE: EmbeddedMigrations = embed_migrations!("migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// How a database compares with this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaStanding {
    /// In step.
    Current,
    /// This many migrations are to be run.
    Behind(usize),
    /// It holds a migration that this program does not know.
    Newer(String),
}

fn known(conn: &Conn) -> EmbeddedMigrations {
    match conn {
        Conn::Sqlite(_) => SQLITE,
        Conn::Postgres(_) => POSTGRES,
    }
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
    StoreError::Failed(format!("migrating: {error}"))
}

/// Compares without changing anything but diesel's own bookkeeping table.
pub fn standing(conn: &mut Conn) -> Result<SchemaStanding, StoreError> {
    let known = known(conn);
    let applied = on!(conn, c => c.applied_migrations()).map_err(failed)?;
    let names: Vec<String> = match conn {
        Conn::Sqlite(_) => names::<diesel::sqlite::Sqlite>(&known)?,
        Conn::Postgres(_) => names::<diesel::pg::Pg>(&known)?,
    };
    if let Some(unknown) = applied.iter().find(|version| !names.contains(&version.to_string())) {
        return Ok(SchemaStanding::Newer(unknown.to_string()));
    }
    match names.len() - applied.len() {
        0 => Ok(SchemaStanding::Current),
        behind => Ok(SchemaStanding::Behind(behind)),
    }
}

fn names<DB: diesel::backend::Backend>(known: &EmbeddedMigrations) -> Result<Vec<String>, StoreError> {
    use diesel::migration::MigrationSource;
    let migrations: Vec<Box<dyn diesel::migration::Migration<DB>>> = known.migrations().map_err(failed)?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Runs what is pending, each step in a transaction of its own; returns the names.
pub fn run(conn: &mut Conn) -> Result<Vec<String>, StoreError> {
    if let SchemaStanding::Newer(version) = standing(conn)? {
        return Err(StoreError::Failed(format!(
            "the database has migration {version}, which this program does not know"
        )));
    }
    let known = known(conn);
    on!(conn, c => c.run_pending_migrations(known).map(|done| done.iter().map(ToString::to_string).collect()))
        .map_err(failed)
}

/// Takes the last migration back; for the test that goes down and up again, and for a careful operator.
pub fn revert_last(conn: &mut Conn) -> Result<String, StoreError> {
    let known = known(conn);
    on!(conn, c => c.revert_last_migration(known).map(|version| version.to_string())).map_err(failed)
}

/// Selects every column of every table, without rows: shows that tables and code agree.
pub fn check_columns(conn: &mut Conn) -> Result<usize, StoreError> {
    macro_rules! check {
        ($conn:expr, $($table:ident),+ $(,)?) => {{
            let mut tables = 0;
            $(
                on!(&mut *$conn, c => {
                    use diesel::prelude::*;
                    super::schema::$table::table.select(super::schema::$table::all_columns).limit(0).execute(c)
                })?;
                tables += 1;
            )+
            tables
        }};
    }
    Ok(check!(
        conn,
        install,
        controllers,
        controller_keys,
        key_canaries,
        link_keys,
        api_tokens,
        purposes,
        policies,
        policy_versions,
        notices,
        senders,
        forms,
        subjects,
        consents,
        consent_events,
        suppressions,
        links,
        imports,
        import_chunks,
        import_rows,
        import_counts,
        campaigns,
        campaign_members,
        campaign_counts,
        mails,
        outbox,
        destinations,
        destination_lists,
        former_lists,
        destination_states,
        idempotency_keys,
        mailbox_caps,
        send_buckets
    ))
}
