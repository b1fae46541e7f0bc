//! The first rows of a list, for somebody to look at before anything is stored: the dry run of R-82.

use super::problem::{ListProblem, RowProblem};
use super::reader::{ListEvent, ListReader};
use super::row::ListRow;
use super::{ListHeader, ListKind, ListLimits};

/// What the top of a list looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// The columns, unless they cannot be read.
    pub header: Option<ListHeader>,
    /// Line and outcome of the first rows.
    pub rows: Vec<(u32, Result<ListRow, RowProblem>)>,
    /// Why the list cannot be read, where that shows within these rows.
    pub fatal: Option<ListProblem>,
}

/// Reads up to `n` rows from the bytes of a whole list, and no further than it must. Given only a part of a list,
/// the last row may be a cut one.
pub fn preview(bytes: &[u8], kind: ListKind, limits: ListLimits, n: usize) -> Preview {
    let mut preview = Preview::default();
    let mut reader = ListReader::new(kind, limits);
    for piece in bytes.chunks(8 * 1024) {
        preview.add(reader.push(piece), n);
        if preview.is_full(n) || reader.is_over() {
            return preview;
        }
    }
    preview.add(reader.finish(), n);
    preview
}

impl Preview {
    fn is_full(&self, n: usize) -> bool {
        self.header.is_some() && self.rows.len() >= n
    }

    fn add(&mut self, events: Vec<ListEvent>, n: usize) {
        for event in events {
            match event {
                ListEvent::Header(header) => self.header = Some(header),
                ListEvent::Row { .. } | ListEvent::Fatal(_) if self.is_full(n) => return,
                ListEvent::Row { line, outcome } => self.rows.push((line, outcome)),
                ListEvent::Fatal(problem) => self.fatal = Some(problem),
            }
        }
    }
}
