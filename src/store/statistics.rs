//! What PostgreSQL's planner knows of how large tables are. Its own looks come a minute apart; a list of a million people
//! is read, and a round over them begins, in less, and until then plans are kept that were made for empty tables.

use diesel::prelude::*;
use diesel::sql_types::Text;

use super::connection::Conn;
use super::error::StoreError;
use super::{ReadTx, Store};

/// Tables of twice the size that the planner knows of. Each look doubles what it knows, so that the looks at a table
/// grow rarer as it grows.
const GROWN: &str = "SELECT quote_ident(relname) AS name FROM pg_class WHERE relkind = 'r' \
     AND relnamespace = current_schema()::regnamespace \
     AND pg_relation_size(oid) / current_setting('block_size')::bigint > 2 * GREATEST(relpages, 4) ORDER BY relname";

#[derive(QueryableByName)]
struct Grown {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Store {
    /// Has tables looked at that have grown much since the planner last knew; says which. All kept plans about them are
    /// made anew. Nothing to do for an embedded database, which plans by its indexes alone.
    pub async fn refresh_statistics(&self) -> Result<Vec<String>, StoreError> {
        self.read(|tx: &mut ReadTx<'_>| {
            let Conn::Postgres(conn) = &mut *tx.conn else { return Ok(Vec::new()) };
            let grown: Vec<Grown> = diesel::sql_query(GROWN).load(&mut **conn)?;
            for table in &grown {
                // Whoever else looks at it just now does it for all.
                diesel::sql_query(format!("ANALYZE (SKIP_LOCKED) {}", table.name)).execute(&mut **conn)?;
            }
            Ok(grown.into_iter().map(|table| table.name).collect())
        })
        .await
    }
}
