//! The rows of one opt-in, as the service wrote them, and how to make more of the same: what is random or sealed becomes
//! other random bytes of the same length, what names a row gets a fresh id, the rest is copied. Whoever writes these
//! writes the same rows and bytes as the service, without its work.

use super::bytes::{Random, millis};

/// The tables of an opt-in, in the order in which their keys allow.
pub const TABLES: [&str; 5] = ["subjects", "consent_events", "consents", "mails", "outbox"];

/// A value, whichever engine it is for.
#[derive(Debug, Clone)]
pub enum Cell {
    /// None.
    Null,
    /// A number or a truth.
    Number(i64),
    /// Text.
    Text(String),
    /// Bytes, or an id.
    Bytes(Vec<u8>),
}

/// How a column is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fill {
    Same,
    Random,
    Subject,
    Event,
    Mail,
    Line,
}

/// A table's row as the service wrote it.
pub struct Pattern {
    /// The table.
    pub table: &'static str,
    /// Its columns' names, and the type as PostgreSQL calls it.
    pub columns: Vec<(String, String)>,
    cells: Vec<Cell>,
    fills: Vec<Fill>,
}

impl Pattern {
    /// From a row that was read.
    pub fn new(table: &'static str, columns: Vec<(String, String)>, cells: Vec<Cell>) -> Self {
        let fills = columns.iter().map(|(name, _)| fill(table, name)).collect();
        Self { table, columns, cells, fills }
    }

    /// Bytes of the row, ids and numbers as eight or sixteen.
    pub fn bytes(&self) -> usize {
        let of = |cell: &Cell| match cell {
            Cell::Null => 0,
            Cell::Number(_) => 8,
            Cell::Text(text) => text.len(),
            Cell::Bytes(bytes) => bytes.len(),
        };
        self.cells.iter().map(of).sum()
    }

    /// The column names, for a statement.
    pub fn names(&self) -> String {
        self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
    }
}

fn fill(table: &str, column: &str) -> Fill {
    match (table, column) {
        ("subjects", "id") | (_, "subject_id") => Fill::Subject,
        ("consent_events", "id") | ("consents", "event_id") => Fill::Event,
        ("import_rows", "row_no") => Fill::Line,
        ("mails", "id") | ("outbox", "reference") => Fill::Mail,
        ("subjects", "email_key" | "wrapped_key" | "email" | "name" | "fields") => Fill::Random,
        ("consent_events", "evidence_sha256" | "evidence" | "salt" | "commitment") => Fill::Random,
        _ => Fill::Same,
    }
}

/// Makes batches of opt-ins.
pub struct Maker {
    /// One row of each table.
    pub patterns: Vec<Pattern>,
    random: Random,
    /// Of the newest row of a list.
    line: i64,
}

impl Maker {
    /// From the patterns of these tables.
    pub fn new(patterns: Vec<Pattern>) -> Self {
        Self { patterns, random: Random::new(), line: 1000 }
    }

    /// So many opt-ins: for each table its rows.
    pub fn batch(&mut self, opt_ins: usize) -> Vec<Vec<Vec<Cell>>> {
        let now = millis();
        let random = &mut self.random;
        let ids: Vec<Ids> = (0..opt_ins).map(|_| std::array::from_fn(|_| random.id(now))).collect();
        let first = self.line + 1;
        self.line += i64::try_from(opt_ins).unwrap_or_default();
        let mut tables = Vec::with_capacity(self.patterns.len());
        for pattern in &self.patterns {
            let row = |ids: &Ids, line: i64, random: &mut Random| {
                let cells = pattern.cells.iter().zip(&pattern.fills);
                cells.map(|(cell, fill)| filled(cell, *fill, ids, line, random)).collect::<Vec<_>>()
            };
            tables.push(ids.iter().zip(first..).map(|(ids, line)| row(ids, line, random)).collect());
        }
        tables
    }
}

/// Of a person, an event and a mail.
type Ids = [[u8; 16]; 3];

fn filled(cell: &Cell, fill: Fill, ids: &Ids, line: i64, random: &mut Random) -> Cell {
    match (cell, fill) {
        (Cell::Null, _) | (_, Fill::Same) => cell.clone(),
        (_, Fill::Subject) => Cell::Bytes(ids[0].to_vec()),
        (_, Fill::Event) => Cell::Bytes(ids[1].to_vec()),
        (_, Fill::Mail) => Cell::Bytes(ids[2].to_vec()),
        (_, Fill::Line) => Cell::Number(line),
        (Cell::Bytes(bytes), Fill::Random) => Cell::Bytes(random.bytes(bytes.len())),
        (cell, Fill::Random) => cell.clone(),
    }
}
