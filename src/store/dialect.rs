//! What truly differs between the engines, kept together: row locks, and the database's own clock.

use diesel::prelude::*;

use super::connection::Conn;
use super::error::StoreError;

/// Runs a query for one row and locks it until the commit. On SQLite the single writer is the lock.
macro_rules! first_locked {
    ($conn:expr, $query:expr) => {
        match $conn {
            $crate::store::connection::Conn::Sqlite(c) => $query.first(&mut **c),
            $crate::store::connection::Conn::Postgres(c) => $query.for_update().first(&mut **c),
        }
    };
}
pub(super) use first_locked;

/// Runs a query for several rows and locks them until the commit, in the order that the query names.
macro_rules! load_locked {
    ($conn:expr, $query:expr) => {
        match $conn {
            $crate::store::connection::Conn::Sqlite(c) => $query.load(&mut **c),
            $crate::store::connection::Conn::Postgres(c) => $query.for_update().load(&mut **c),
        }
    };
}
pub(super) use load_locked;

/// Runs a query for several rows and locks them, passing over those that somebody else holds.
macro_rules! load_unclaimed {
    ($conn:expr, $query:expr) => {
        match $conn {
            $crate::store::connection::Conn::Sqlite(c) => $query.load(&mut **c),
            $crate::store::connection::Conn::Postgres(c) => $query.for_update().skip_locked().load(&mut **c),
        }
    };
}
pub(super) use load_unclaimed;

/// The database's clock in microseconds since 1970 UTC: the one clock that all instances share.
pub fn database_now(conn: &mut Conn) -> Result<i64, StoreError> {
    use diesel::dsl::sql;
    use diesel::sql_types::BigInt;
    Ok(match conn {
        Conn::Sqlite(c) => {
            diesel::select(sql::<BigInt>("CAST(unixepoch('subsec') * 1000000 AS INTEGER)")).get_result(&mut **c)?
        }
        Conn::Postgres(c) => {
            diesel::select(sql::<BigInt>("CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT)"))
                .get_result(&mut **c)?
        }
    })
}
