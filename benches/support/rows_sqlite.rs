//! The raw loop on SQLite: prepared `VALUES` of many rows, one commit for all, durable as the service's.

use std::time::{Duration, Instant};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::rows::{Cell, Maker, Pattern};
use super::{Outcome, fault};

/// Rows in one statement: with 18 columns at most it stays below the 32,766 values that SQLite binds.
const ROWS: usize = 512;

/// A connection with the service's settings.
pub fn open(database: &str) -> Outcome<Connection> {
    let conn = Connection::open(database.strip_prefix("sqlite:").unwrap_or(database))?;
    conn.execute_batch(
        "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
         PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA secure_delete = FAST;",
    )?;
    Ok(conn)
}

/// The newest row of each table.
pub fn patterns(conn: &Connection, tables: &[&'static str]) -> Outcome<Vec<Pattern>> {
    tables.iter().map(|table| pattern(conn, table)).collect()
}

fn pattern(conn: &Connection, table: &'static str) -> Outcome<Pattern> {
    let mut statement = conn.prepare(&format!("SELECT * FROM {table} ORDER BY rowid DESC LIMIT 1"))?;
    let columns: Vec<(String, String)> =
        statement.column_names().iter().map(|name| ((*name).to_owned(), String::new())).collect();
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return fault(format!("{table} is empty")) };
    let cells = (0..columns.len()).map(|n| Ok(cell(row.get(n)?))).collect::<Outcome<Vec<_>>>()?;
    Ok(Pattern::new(table, columns, cells))
}

fn cell(value: Value) -> Cell {
    match value {
        Value::Null | Value::Real(_) => Cell::Null,
        Value::Integer(number) => Cell::Number(number),
        Value::Text(text) => Cell::Text(text),
        Value::Blob(bytes) => Cell::Bytes(bytes),
    }
}

fn value(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Number(number) => Value::Integer(number),
        Cell::Text(text) => Value::Text(text),
        Cell::Bytes(bytes) => Value::Blob(bytes),
    }
}

/// Writes opt-ins, `batch` in a commit, until there are `most` or the time is over; gives how many and how long.
pub fn write(
    database: &str,
    tables: &[&'static str],
    batch: usize,
    most: usize,
    time: Duration,
) -> Outcome<(usize, Duration)> {
    let conn = open(database)?;
    let mut maker = Maker::new(patterns(&conn, tables)?);
    let batch = batch.min(ROWS);
    let insert = |pattern: &Pattern| {
        let row = format!("({})", vec!["?"; pattern.columns.len()].join(", "));
        format!("INSERT INTO {} ({}) VALUES {}", pattern.table, pattern.names(), vec![row; batch].join(", "))
    };
    let mut statements = Vec::new();
    for pattern in &maker.patterns {
        statements.push(conn.prepare(&insert(pattern))?);
    }
    let (mut written, began) = (0, Instant::now());
    while written < most && began.elapsed() < time {
        let tables = maker.batch(batch);
        conn.execute_batch("BEGIN IMMEDIATE")?;
        for (statement, rows) in statements.iter_mut().zip(tables) {
            statement.execute(params_from_iter(rows.into_iter().flatten().map(value)))?;
        }
        conn.execute_batch("COMMIT")?;
        written += batch;
    }
    Ok((written, began.elapsed()))
}

/// Rows of a table.
pub fn count(database: &str, table: &str) -> Outcome<i64> {
    Ok(open(database)?.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?)
}
