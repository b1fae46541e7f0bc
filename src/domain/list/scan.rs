//! Bytes into records. Quoting as in RFC 4180, and as found: LF, CRLF or CR end a record, blanks may stand around a
//! quoted cell, and a quote in the middle of an unquoted cell is a character like any other.
//!
//! The one hard case is a quote that is never closed. A quoted cell may hold line breaks, so it shows only when the
//! record outgrows its bound or the file ends. The bytes held are then read a second time, line by line, with every
//! line end ending a record: one row is refused and the rest is saved. Each byte is read at most twice, so that a
//! file made to provoke this costs no more than double.

use std::borrow::Cow;
use std::ops::ControlFlow;

use super::ListLimits;
use super::problem::Rule;

const LF: u8 = b'\n';
const CR: u8 = b'\r';
const QUOTE: u8 = b'"';

/// A record as scanned; `fault` is the first thing wrong with it, with the index of its cell.
pub(super) struct Record<'a> {
    raw: &'a [u8],
    cells: &'a [Span],
    /// Cells seen; more than are kept when there are more than the limit.
    pub count: usize,
    /// The first thing wrong, and in which cell.
    pub fault: Option<(Option<usize>, Rule)>,
}

impl<'a> Record<'a> {
    /// How many cells can be read.
    pub fn kept(&self) -> usize {
        self.cells.len()
    }

    /// A cell without its quotes.
    pub fn cell(&self, index: usize) -> Option<Cow<'a, [u8]>> {
        let span = self.cells.get(index)?;
        let bytes = self.raw.get(span.start..span.end)?;
        if !span.doubled {
            return Some(Cow::Borrowed(bytes));
        }
        let mut plain = Vec::with_capacity(bytes.len());
        let mut rest = bytes.iter();
        while let Some(&byte) = rest.next() {
            plain.push(byte);
            if byte == QUOTE {
                rest.next();
            }
        }
        Some(Cow::Owned(plain))
    }
}

#[derive(Clone, Copy)]
struct Span {
    start: usize,
    end: usize,
    doubled: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of the cell yet, or blanks.
    Start,
    /// In an unquoted cell.
    Bare,
    /// Inside quotes.
    Quoted,
    /// A quote inside quotes: the end, or half of a doubled one.
    Closing,
    /// Blanks after the closing quote.
    Closed,
    /// Text after the closing quote.
    Junk,
}

enum Step {
    More,
    Record,
    Overrun,
}

/// What is done with a finished record; breaking off ends the scan.
pub(super) type Sink<'s> = dyn FnMut(Record<'_>) -> ControlFlow<()> + 's;

pub(super) struct Scanner {
    delimiter: u8,
    limits: ListLimits,
    raw: Vec<u8>,
    cells: Vec<Span>,
    count: usize,
    fault: Option<(Option<usize>, Rule)>,
    state: State,
    start: usize,
    end: Option<usize>,
    doubled: bool,
    cell_len: usize,
    /// A line break stands inside the record, within quotes.
    broken: bool,
    /// A line end ends the record even within quotes.
    strict: bool,
    /// Held bytes are being read for the second time.
    rereading: bool,
    /// The record is over its bound: nothing more of it is kept.
    overfull: bool,
    skip_lf: bool,
}

impl Scanner {
    pub fn new(delimiter: u8, limits: ListLimits) -> Self {
        Self {
            delimiter,
            limits,
            raw: Vec::new(),
            cells: Vec::new(),
            count: 0,
            fault: None,
            state: State::Start,
            start: 0,
            end: None,
            doubled: false,
            cell_len: 0,
            broken: false,
            strict: false,
            rereading: false,
            overfull: false,
            skip_lf: false,
        }
    }

    /// Bytes held.
    pub fn buffered(&self) -> usize {
        self.raw.len()
    }

    pub fn feed(&mut self, bytes: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        for &byte in bytes {
            let mut step = self.step(byte);
            if matches!(step, Step::Overrun) {
                self.reread(sink)?;
                // At least one line has been taken out, so there is room now.
                step = self.step(byte);
            }
            if matches!(step, Step::Record) {
                self.hand_over(sink)?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The end of the file ends the last record too.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.state == State::Quoted && self.broken && !self.strict {
            self.reread(sink)?;
        }
        if self.raw.is_empty() && self.count == 0 {
            return ControlFlow::Continue(());
        }
        self.end_record();
        self.hand_over(sink)
    }

    fn reread(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let held = std::mem::take(&mut self.raw);
        self.rereading = true;
        self.clear();
        for &byte in &held {
            if matches!(self.step(byte), Step::Record) {
                self.hand_over(sink)?;
            }
        }
        self.rereading = false;
        // A line that is not at its end yet stays strict until it is.
        self.strict = !self.raw.is_empty();
        ControlFlow::Continue(())
    }

    fn step(&mut self, byte: u8) -> Step {
        if std::mem::take(&mut self.skip_lf) && byte == LF {
            return Step::More;
        }
        let line_end = byte == LF || byte == CR;
        if line_end && (self.state != State::Quoted || self.strict || self.overfull) {
            self.skip_lf = byte == CR;
            self.end_record();
            return Step::Record;
        }
        if !self.overfull && self.raw.len() >= self.limits.record_bytes {
            if self.broken && !self.strict {
                return Step::Overrun;
            }
            self.overfull = true;
            self.fault.get_or_insert((None, Rule::RecordTooLong { max: self.limits.record_bytes }));
        }
        self.broken |= line_end;
        self.within_line(byte);
        if !self.overfull {
            self.raw.push(byte);
        }
        Step::More
    }

    fn within_line(&mut self, byte: u8) {
        use State::*;
        let at = self.raw.len();
        let ends_cell = byte == self.delimiter;
        self.state = match (self.state, byte) {
            (Start | Bare | Closing | Closed | Junk, _) if ends_cell => {
                self.end_cell();
                self.start = at + 1;
                Start
            }
            (Start, QUOTE) => {
                (self.start, self.cell_len) = (at + 1, 0);
                Quoted
            }
            (Start, b' ') => Start,
            (Start | Bare, _) => self.content(Bare),
            (Quoted, QUOTE) => {
                self.end = Some(at);
                Closing
            }
            (Quoted, _) => self.content(Quoted),
            (Closing, QUOTE) => {
                (self.end, self.doubled) = (None, true);
                self.content(Quoted)
            }
            (Closing | Closed, b' ') => Closed,
            (Closing | Closed, _) => {
                self.flag(Rule::TextAfterQuote);
                Junk
            }
            (Junk, _) => Junk,
        };
    }

    fn content(&mut self, state: State) -> State {
        self.cell_len += 1;
        if self.cell_len == self.limits.cell_bytes + 1 {
            self.flag(Rule::CellTooLong { max: self.limits.cell_bytes });
        }
        state
    }

    fn flag(&mut self, rule: Rule) {
        let column = self.count;
        self.fault.get_or_insert((Some(column), rule));
    }

    fn end_cell(&mut self) {
        // One more than allowed is kept, so that a header one too wide shows.
        if !self.overfull && self.cells.len() <= self.limits.columns {
            self.cells.push(Span { start: self.start, end: self.end.unwrap_or(self.raw.len()), doubled: self.doubled });
        }
        self.count += 1;
        (self.end, self.doubled, self.cell_len) = (None, false, 0);
    }

    fn end_record(&mut self) {
        if self.state == State::Quoted {
            self.flag(Rule::UnclosedQuote);
        }
        self.end_cell();
    }

    fn hand_over(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let flow = sink(Record { raw: &self.raw, cells: &self.cells, count: self.count, fault: self.fault });
        self.clear();
        flow
    }

    fn clear(&mut self) {
        self.raw.clear();
        self.cells.clear();
        (self.count, self.fault, self.state, self.start) = (0, None, State::Start, 0);
        (self.end, self.doubled, self.cell_len) = (None, false, 0);
        (self.broken, self.overfull, self.strict) = (false, false, self.rereading);
    }
}
