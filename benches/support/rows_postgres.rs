//! The raw loop on PostgreSQL: an array for each column, one connection, one commit for all.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::rows::{Cell, Maker, Pattern};
use super::{Outcome, fault};

/// How the rows of the tables are put into statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One statement for each table.
    Each,
    /// One statement for all.
    One,
}

/// A value of a column whose type PostgreSQL has said.
#[derive(Debug)]
struct Field(Cell);

impl ToSql for Field {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match &self.0 {
            Cell::Null => return Ok(IsNull::Yes),
            Cell::Number(number) => match *ty {
                Type::BOOL => out.extend_from_slice(&[u8::from(*number != 0)]),
                Type::INT2 => out.extend_from_slice(&i16::try_from(*number)?.to_be_bytes()),
                Type::INT4 => out.extend_from_slice(&i32::try_from(*number)?.to_be_bytes()),
                _ => out.extend_from_slice(&number.to_be_bytes()),
            },
            Cell::Text(text) => out.extend_from_slice(text.as_bytes()),
            Cell::Bytes(bytes) => out.extend_from_slice(bytes),
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The newest row of each table.
pub async fn patterns(client: &Client, tables: &[&'static str]) -> Outcome<Vec<Pattern>> {
    let mut found = Vec::with_capacity(tables.len());
    for table in tables {
        found.push(pattern(client, table).await?);
    }
    Ok(found)
}

async fn pattern(client: &Client, table: &'static str) -> Outcome<Pattern> {
    let types = client.prepare(&format!("SELECT * FROM {table}")).await?;
    let columns: Vec<(String, String)> =
        types.columns().iter().map(|column| (column.name().to_owned(), column.type_().name().to_owned())).collect();
    let told = client.simple_query(&format!("SELECT * FROM {table} LIMIT 1")).await?;
    let row = told.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let Some(row) = row else { return fault(format!("{table} is empty")) };
    let mut cells = Vec::with_capacity(columns.len());
    for (n, (_, kind)) in columns.iter().enumerate() {
        cells.push(row.get(n).map_or(Ok(Cell::Null), |text| cell(kind, text))?);
    }
    Ok(Pattern::new(table, columns, cells))
}

fn cell(kind: &str, text: &str) -> Outcome<Cell> {
    let hex = |digits: String| data_encoding::HEXLOWER.decode(digits.as_bytes());
    Ok(match kind {
        "bool" => Cell::Number(i64::from(text == "t")),
        "int2" | "int4" | "int8" => Cell::Number(text.parse()?),
        "bytea" => Cell::Bytes(hex(text.trim_start_matches("\\x").to_owned())?),
        "uuid" => Cell::Bytes(hex(text.replace('-', ""))?),
        _ => Cell::Text(text.to_owned()),
    })
}

fn insert(pattern: &Pattern, first: usize) -> String {
    let arrays: Vec<String> =
        pattern.columns.iter().enumerate().map(|(n, (_, kind))| format!("${}::{kind}[]", first + n)).collect();
    format!("INSERT INTO {} ({}) SELECT * FROM unnest({})", pattern.table, pattern.names(), arrays.join(", "))
}

/// The statements, and how many tables each is for.
fn statements(patterns: &[Pattern], shape: Shape) -> Vec<(String, usize)> {
    if shape == Shape::Each {
        return patterns.iter().map(|pattern| (insert(pattern, 1), 1)).collect();
    }
    let (mut first, mut whole) = (1, String::new());
    for (n, pattern) in patterns.iter().enumerate() {
        let part = insert(pattern, first);
        first += pattern.columns.len();
        whole = match n {
            _ if n + 1 == patterns.len() => format!("{whole} {part}"),
            0 => format!("WITH t0 AS ({part})"),
            _ => format!("{whole}, t{n} AS ({part})"),
        };
    }
    vec![(whole, patterns.len())]
}

/// Turns rows into an array for each column.
fn arrays(rows: Vec<Vec<Cell>>) -> Vec<Vec<Field>> {
    let mut columns: Vec<Vec<Field>> = Vec::new();
    for row in rows {
        columns.resize_with(row.len(), Vec::new);
        for (column, cell) in columns.iter_mut().zip(row) {
            column.push(Field(cell));
        }
    }
    columns
}

/// Writes opt-ins, `batch` in a commit, until there are `most` or the time is over; gives how many and how long.
pub async fn write(
    database: &str,
    tables: &[&'static str],
    shape: Shape,
    batch: usize,
    most: usize,
    time: Duration,
) -> Outcome<(usize, Duration)> {
    let client = super::cluster::connect(database).await?;
    let mut maker = Maker::new(patterns(&client, tables).await?);
    let mut prepared = Vec::new();
    for (statement, tables) in statements(&maker.patterns, shape) {
        prepared.push((client.prepare(&statement).await?, tables));
    }
    let (mut written, began) = (0, Instant::now());
    while written < most && began.elapsed() < time {
        let mut tables = maker.batch(batch).into_iter();
        client.batch_execute("BEGIN").await?;
        for (statement, of) in &prepared {
            let columns: Vec<Vec<Field>> = tables.by_ref().take(*of).flat_map(arrays).collect();
            let values: Vec<&(dyn ToSql + Sync)> = columns.iter().map(|column| column as &(dyn ToSql + Sync)).collect();
            client.execute(statement, &values).await?;
        }
        client.batch_execute("COMMIT").await?;
        written += batch;
    }
    Ok((written, began.elapsed()))
}

/// Rows of a table.
pub async fn count(database: &str, table: &str) -> Outcome<i64> {
    let client = super::cluster::connect(database).await?;
    Ok(client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await?.get(0))
}
