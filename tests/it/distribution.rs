//! Every key starts with the controller, so that PostgreSQL's scale-out engines can spread all tables by it and every
//! check stays on one machine (architecture section 0). Read from the databases themselves, not from the migrations.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_types::{Integer, Nullable, Text};
use tokio_postgres::NoTls;

use crate::support::{Engine, TestApp};

/// Keys that begin otherwise, each with the reason.
const EXEMPT_KEYS: &[(&str, &str, &str)] = &[
    ("controllers", "id", "is the controller"),
    ("controllers", "slug", "finds the controller by its short name, over all controllers"),
    ("install", "id", "the installation's one row, which belongs to no controller"),
    ("api_tokens", "hash", "an API token finds its controller"),
    ("link_keys", "kid", "a link's key finds its controller"),
    ("forms", "form_key", "a form's public key finds its controller"),
    ("provider_connections", "state_hash", "the state that comes back from the provider finds its controller"),
    ("destinations", "webhook_hash", "the secret in a callback's address finds its controller"),
    ("former_webhooks", "webhook_hash", "a secret that was replaced finds its controller as long as it is heard"),
    ("mailbox_caps", "fingerprint", "counts over all controllers and names none (R-21)"),
];

/// Indexes that begin otherwise. They are not unique, so each machine keeps its own part of them and nothing has to be
/// checked across machines.
const EXEMPT_INDEXES: &[(&str, &str, &str)] = &[
    (
        "outbox",
        "state,kind,controller_id,lane,due_at",
        "a worker finds the controllers that have due work, and what another that died has claimed",
    ),
    ("outbox", "state,created_at", "the age of the oldest work for destinations, over all controllers; it names none"),
    ("idempotency_keys", "created_at", "answers that are old go, whosever they are"),
    ("send_buckets", "idle_from", "buckets that say nothing any more go, whosever they are"),
    ("mailbox_caps", "day", "counts of days gone by go; they name no controller (R-21)"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Primary,
    Unique,
    Foreign,
    Index,
}

/// A key or an index as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    table: String,
    kind: Kind,
    columns: Vec<String>,
    /// Of a foreign key: what it points to.
    target: Option<(String, Vec<String>)>,
}

both_engines! {
    async fn every_key_and_index_starts_with_the_controller_but_for_those_that_find_it(app: TestApp) {
        let keys = match app.engine {
            Engine::Postgres => on_the_server(&app).await,
            Engine::Sqlite => in_the_file(&app),
        };
        let mut met = BTreeSet::new();
        for key in &keys {
            let columns = key.columns.join(",");
            let exempt = if key.kind == Kind::Index { EXEMPT_INDEXES } else { EXEMPT_KEYS };
            if let Some(known) = exempt.iter().find(|(table, first, _)| *table == key.table && *first == columns) {
                assert_ne!(key.kind, Kind::Foreign, "a foreign key is never exempt: {key:?}");
                met.insert(known);
                continue;
            }
            assert_eq!(key.columns.first().map(String::as_str), Some("controller_id"), "{key:?}");
            if let Some((table, columns)) = &key.target {
                let first = if table == "controllers" { "id" } else { "controller_id" };
                assert_eq!(columns.first().map(String::as_str), Some(first), "{key:?}");
            }
        }
        let all: BTreeSet<_> = EXEMPT_KEYS.iter().chain(EXEMPT_INDEXES).collect();
        assert_eq!(all.difference(&met).collect::<Vec<_>>(), Vec::<&&(&str, &str, &str)>::new(), "exempt, but not there");
        let count = |kind| keys.iter().filter(|key| key.kind == kind).count();
        // So that a catalogue read wrong does not pass as a schema without keys.
        assert!(count(Kind::Primary) > 20 && count(Kind::Foreign) > 20, "{keys:?}");
        assert!(count(Kind::Unique) > 5 && count(Kind::Index) > 5, "{keys:?}");
        let tables: BTreeSet<&str> = keys.iter().map(|key| key.table.as_str()).collect();
        let with_primary: BTreeSet<&str> =
            keys.iter().filter(|key| key.kind == Kind::Primary).map(|key| key.table.as_str()).collect();
        assert_eq!(tables, with_primary, "every table has a primary key");
    }
}

/// From PostgreSQL's catalogues: constraints, then the indexes that stand for no constraint.
async fn on_the_server(app: &TestApp) -> Vec<Key> {
    const COLUMNS: &str = "(SELECT string_agg(a.attname, ',' ORDER BY k.place) FROM unnest(KEYS) WITH ORDINALITY AS k (number, place) \
         JOIN pg_attribute a ON a.attrelid = TABLE_OF AND a.attnum = k.number)";
    let columns = |keys: &str, table: &str| COLUMNS.replace("KEYS", keys).replace("TABLE_OF", table);
    let query = format!(
        "SELECT t.relname::text, c.contype::text, {}, f.relname::text, {} FROM pg_constraint c \
         JOIN pg_class t ON t.oid = c.conrelid LEFT JOIN pg_class f ON f.oid = c.confrelid \
         WHERE t.relnamespace = 'public'::regnamespace AND c.contype IN ('p', 'u', 'f') \
         UNION ALL SELECT t.relname::text, CASE WHEN i.indisunique THEN 'u' ELSE 'i' END, {}, NULL, NULL FROM pg_index i \
         JOIN pg_class t ON t.oid = i.indrelid WHERE t.relnamespace = 'public'::regnamespace \
         AND NOT EXISTS (SELECT 1 FROM pg_constraint c WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))",
        columns("c.conkey", "c.conrelid"),
        columns("c.confkey", "c.confrelid"),
        columns("i.indkey::smallint[]", "i.indrelid"),
    );
    let (client, connection) =
        tokio_postgres::connect(app.database_url(), NoTls).await.expect("the database takes a connection");
    let driver = tokio::spawn(connection);
    let rows = client.query(&query, &[]).await.expect("the catalogues can be read");
    drop(client);
    driver.await.expect("the driver ends").expect("the connection ends well");
    let split = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    let key = |row: &tokio_postgres::Row| Key {
        table: row.get(0),
        kind: match row.get::<_, String>(1).as_str() {
            "p" => Kind::Primary,
            "u" => Kind::Unique,
            "f" => Kind::Foreign,
            _ => Kind::Index,
        },
        columns: split(row.get(2)),
        target: row.get::<_, Option<String>>(3).map(|table| (table, split(row.get(4)))),
    };
    rows.iter().map(key).filter(|key| key.table != MIGRATIONS).collect()
}

/// The migration tool's own list of what was run.
const MIGRATIONS: &str = "__diesel_schema_migrations";

#[derive(QueryableByName)]
struct Listed {
    #[diesel(sql_type = Text)]
    tbl: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    kind: String,
    #[diesel(sql_type = Nullable<Text>)]
    col: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    target: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    target_col: Option<String>,
    #[diesel(sql_type = Integer)]
    place: i32,
}

/// From SQLite's PRAGMAs: a row for each column of each key, put together here.
fn in_the_file(app: &TestApp) -> Vec<Key> {
    const QUERY: &str = "WITH t AS (SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%') \
         SELECT t.name AS tbl, 'primary' AS name, 'p' AS kind, c.name AS col, NULL AS target, NULL AS target_col, c.pk AS place \
             FROM t, pragma_table_info(t.name) c WHERE c.pk > 0 \
         UNION ALL SELECT t.name, l.name, CASE WHEN l.\"unique\" THEN 'u' ELSE 'i' END, c.name, NULL, NULL, c.seqno \
             FROM t, pragma_index_list(t.name) l, pragma_index_info(l.name) c WHERE l.origin <> 'pk' \
         UNION ALL SELECT t.name, 'foreign' || f.id, 'f', f.\"from\", f.\"table\", f.\"to\", f.seq \
             FROM t, pragma_foreign_key_list(t.name) f \
         ORDER BY tbl, kind, name, place";
    let file = app.database_url().trim_start_matches("sqlite:");
    let mut conn = SqliteConnection::establish(file).expect("the file can be opened");
    let listed: Vec<Listed> = diesel::sql_query(QUERY).load(&mut conn).expect("the schema can be read");
    let mut keys: Vec<Key> = Vec::new();
    for rows in listed.chunk_by(|a, b| (&a.tbl, &a.kind, &a.name) == (&b.tbl, &b.kind, &b.name)) {
        assert!(rows.windows(2).all(|two| two[0].place < two[1].place), "in order");
        let first = &rows[0];
        let target = rows.iter().map(|row| row.target_col.clone().unwrap_or_default()).collect();
        keys.push(Key {
            table: first.tbl.clone(),
            kind: match first.kind.as_str() {
                "p" => Kind::Primary,
                "u" => Kind::Unique,
                "f" => Kind::Foreign,
                _ => Kind::Index,
            },
            columns: rows.iter().map(|row| row.col.clone().unwrap_or_default()).collect(),
            target: first.target.clone().map(|table| (table, target)),
        });
    }
    keys.retain(|key| key.table != MIGRATIONS);
    keys
}
