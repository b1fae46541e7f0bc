//! The reader: bytes in, events out. How the bytes are cut makes no difference to the events.

use std::ops::ControlFlow;

use super::columns::ListHeader;
use super::opening::{Delimiter, Opened, Opening};
use super::problem::{ListProblem, RowProblem};
use super::row::{self, ListRow};
use super::scan::{Record, Scanner};
use super::{ListKind, ListLimits};

/// What the reader has found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly all events are rows, so boxing them saves nothing")]
pub enum ListEvent {
    /// The column names; comes once, before any row.
    Header(ListHeader),
    /// A row.
    Row {
        /// The number of the record: the header is 1, and blank rows below it count, so that the numbers are those
        /// a spreadsheet shows. A cell with line breaks does not make two records.
        line: u32,
        /// What it holds, or why it is not taken.
        outcome: Result<ListRow, RowProblem>,
    },
    /// Nothing can be read, or nothing more. The last event.
    Fatal(ListProblem),
}

/// Reads a list piece by piece. Each `push` answers with the events of its piece, so the caller's pieces decide how
/// many there are at once; between pieces it holds at most one record.
pub struct ListReader {
    phase: Phase,
    rows: Rows,
}

enum Phase {
    Opening(Opening),
    Reading(Scanner),
    Over,
}

/// What is done with records once the delimiter is known.
struct Rows {
    kind: ListKind,
    limits: ListLimits,
    delimiter: Delimiter,
    header: Option<ListHeader>,
    line: u32,
    taken: u32,
}

impl ListReader {
    /// Before the first byte.
    pub fn new(kind: ListKind, limits: ListLimits) -> Self {
        let rows = Rows { kind, limits, delimiter: Delimiter::Comma, header: None, line: 1, taken: 0 };
        Self { phase: Phase::Opening(Opening::default()), rows }
    }

    /// Takes the next piece, of any length, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<ListEvent> {
        let mut events = Vec::new();
        let rest = self.open(bytes, &mut events);
        self.read(|scanner, sink| scanner.feed(rest, sink), &mut events);
        events
    }

    /// The file is at its end.
    pub fn finish(mut self) -> Vec<ListEvent> {
        let mut events = Vec::new();
        if let Phase::Opening(opening) = &mut self.phase {
            match opening.finish() {
                Ok(opened) => self.begin(opened, &mut events),
                Err(problem) => self.give_up(problem, &mut events),
            }
        }
        self.read(Scanner::finish, &mut events);
        events
    }

    /// Whether a fatal problem ended the reading; further pieces change nothing.
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Bytes held between pieces: never more than the bound of one record.
    pub fn buffered(&self) -> usize {
        match &self.phase {
            Phase::Opening(opening) => opening.buffered(),
            Phase::Reading(scanner) => scanner.buffered(),
            Phase::Over => 0,
        }
    }

    /// Looks for the end of the first line; what is left of the piece is for the scanner.
    fn open<'a>(&mut self, bytes: &'a [u8], events: &mut Vec<ListEvent>) -> &'a [u8] {
        let Phase::Opening(opening) = &mut self.phase else { return bytes };
        for (index, &byte) in bytes.iter().enumerate() {
            match opening.step(byte, &self.rows.limits) {
                Ok(None) => {}
                Ok(Some(opened)) => {
                    self.begin(opened, events);
                    return &bytes[index..];
                }
                Err(problem) => {
                    self.give_up(problem, events);
                    break;
                }
            }
        }
        &[]
    }

    fn begin(&mut self, opened: Opened, events: &mut Vec<ListEvent>) {
        self.rows.delimiter = opened.delimiter;
        self.phase = Phase::Reading(Scanner::new(opened.delimiter.byte(), self.rows.limits));
        self.read(|scanner, sink| scanner.feed(&opened.held, sink), events);
    }

    fn read(
        &mut self,
        run: impl FnOnce(&mut Scanner, &mut super::scan::Sink<'_>) -> ControlFlow<()>,
        events: &mut Vec<ListEvent>,
    ) {
        let Phase::Reading(scanner) = &mut self.phase else { return };
        let rows = &mut self.rows;
        if run(scanner, &mut |record| rows.take(&record, events)).is_break() {
            self.phase = Phase::Over;
        }
    }

    fn give_up(&mut self, problem: ListProblem, events: &mut Vec<ListEvent>) {
        events.push(ListEvent::Fatal(problem));
        self.phase = Phase::Over;
    }
}

impl Rows {
    fn take(&mut self, record: &Record<'_>, events: &mut Vec<ListEvent>) -> ControlFlow<()> {
        let Some(header) = &self.header else {
            return match ListHeader::read(record, self.delimiter, self.kind, &self.limits) {
                Ok(header) => {
                    self.header = Some(header.clone());
                    events.push(ListEvent::Header(header));
                    ControlFlow::Continue(())
                }
                Err(problem) => {
                    events.push(ListEvent::Fatal(problem));
                    ControlFlow::Break(())
                }
            };
        };
        self.line = self.line.saturating_add(1);
        if row::is_blank(record) {
            return ControlFlow::Continue(());
        }
        if self.taken >= self.limits.rows {
            events.push(ListEvent::Fatal(ListProblem::TooManyRows { max: self.limits.rows }));
            return ControlFlow::Break(());
        }
        self.taken += 1;
        events.push(ListEvent::Row { line: self.line, outcome: row::read(record, header, self.kind) });
        ControlFlow::Continue(())
    }
}
