//! Lists from outside: contacts whom somebody wants to ask, and people who must not be mailed. The reader takes the
//! bytes as they arrive, cut anywhere, and says for each row what it holds or which column broke which rule, never
//! with the value itself. Memory stays within one record whatever comes (R-82, T-33).
//!
//! A row only *claims*; whether the claim will do is judged in `basis`, and who may be mailed in `gate`. Storing,
//! duplicates and suppressions are left to the use case.

mod claim;
mod columns;
mod export;
mod opening;
mod preview;
mod problem;
#[cfg(test)]
mod property_tests;
mod reader;
mod row;
mod scan;
#[cfg(test)]
mod tests;
mod told;

pub use claim::{Claimed, Declaration, claim};
pub use columns::{Column, ColumnRole, ListHeader, MAX_FIELDS};
pub use export::{csv_line, neutralise_cell};
pub use opening::Delimiter;
pub use preview::{Preview, preview};
pub use problem::{ListProblem, RowProblem, Rule};
pub use reader::{ListEvent, ListReader};
pub use row::{ListRow, MAX_TEXT};
pub use told::Told;

/// What a list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListKind {
    /// People to be asked, with what is claimed about each.
    Contacts,
    /// People never to be mailed. Only the address is read: a stop counts even where the rest of its row is broken,
    /// and nothing else about the person is taken in.
    DoNotMail,
}

/// How much the reader puts up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListLimits {
    /// Bytes in one cell.
    pub cell_bytes: usize,
    /// Columns in the header.
    pub columns: usize,
    /// Rows below the header, blank ones not counted.
    pub rows: u32,
    /// Bytes in one record; also what the reader holds in memory at most.
    pub record_bytes: usize,
}

impl Default for ListLimits {
    fn default() -> Self {
        Self { cell_bytes: 4096, columns: 100, rows: 1_000_000, record_bytes: 64 * 1024 }
    }
}
