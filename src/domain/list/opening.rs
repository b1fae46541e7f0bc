//! The first line, before anything is known: which encoding, whether it is text at all, and which delimiter. A byte
//! order mark, blank lines on top and the `sep=;` line that spreadsheets write are passed over.

use super::ListLimits;
use super::columns::{MAX_NAME, is_email_column};
use super::problem::{ListProblem, Rule};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// What stands between cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// TAB
    Tab,
    /// `|`
    Pipe,
}

impl Delimiter {
    /// All of them; the earlier wins where the header leaves it open.
    pub const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Pipe];

    /// Its byte.
    pub const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|delimiter| delimiter.byte() == byte)
    }
}

/// Collects the first line.
#[derive(Default)]
pub(super) struct Opening {
    held: Vec<u8>,
    declared: Option<Delimiter>,
    past_bom: bool,
    in_quotes: bool,
    mid_cell: bool,
}

/// The first line is whole: what follows is read with this delimiter, beginning with these bytes.
pub(super) struct Opened {
    pub delimiter: Delimiter,
    pub held: Vec<u8>,
}

impl Opening {
    pub fn buffered(&self) -> usize {
        self.held.len()
    }

    /// Takes one byte; a line end completes the first line that is not blank, and is itself left to the scanner.
    pub fn step(&mut self, byte: u8, limits: &ListLimits) -> Result<Option<Opened>, ListProblem> {
        if (byte == b'\n' || byte == b'\r') && !self.in_quotes {
            return self.end_line();
        }
        if self.held.len() >= limits.record_bytes.max(BOM.len()) {
            check_text(&self.held)?;
            let rule = if self.held.iter().any(|b| matches!(b, b'\n' | b'\r')) {
                Rule::UnclosedQuote
            } else {
                Rule::RecordTooLong { max: limits.record_bytes }
            };
            return Err(ListProblem::HeaderBroken(rule));
        }
        self.held.push(byte);
        if !self.past_bom && self.held.len() == BOM.len() {
            self.past_bom = true;
            if self.held == BOM {
                self.held.clear();
                self.mid_cell = false;
                return Ok(None);
            }
        }
        // Which delimiter it is shows later; until then a quote opens a cell after any of them. The closing quote
        // leaves the cell at its start, so that a doubled one opens it again.
        if byte == b'"' && (self.in_quotes || !self.mid_cell) {
            self.in_quotes = !self.in_quotes;
            self.mid_cell = false;
        } else if !self.in_quotes {
            self.mid_cell = Delimiter::from_byte(byte).is_none() && (byte != b' ' || self.mid_cell);
        }
        Ok(None)
    }

    /// The file ended in its first line.
    pub fn finish(&mut self) -> Result<Opened, ListProblem> {
        match self.end_line()? {
            Some(opened) => Ok(opened),
            None => Err(ListProblem::Empty),
        }
    }

    fn end_line(&mut self) -> Result<Option<Opened>, ListProblem> {
        // A mark, if any, stands in the first three bytes; after a line end there is none to come.
        self.past_bom = true;
        (self.in_quotes, self.mid_cell) = (false, false);
        let held = std::mem::take(&mut self.held);
        check_text(&held)?;
        if held.iter().all(|b| b.is_ascii_whitespace()) {
            return Ok(None);
        }
        if self.declared.is_none()
            && let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] = held[..]
            && let Some(declared) = Delimiter::from_byte(byte)
        {
            self.declared = Some(declared);
            return Ok(None);
        }
        let delimiter = self.declared.unwrap_or_else(|| detect(&held));
        Ok(Some(Opened { delimiter, held }))
    }
}

/// The delimiter that yields an e-mail column, then the one that yields most columns.
fn detect(line: &[u8]) -> Delimiter {
    let score = |delimiter: Delimiter| {
        let mut in_quotes = false;
        let cells: Vec<&[u8]> = line
            .split(|&b| {
                in_quotes ^= b == b'"';
                !in_quotes && b == delimiter.byte()
            })
            .collect();
        let has_email = cells.iter().any(|cell| {
            cell.len() <= MAX_NAME
                && std::str::from_utf8(cell).is_ok_and(|name| is_email_column(name.trim_matches([' ', '"'])))
        });
        (has_email, cells.len())
    };
    // `max_by_key` keeps the last of equals, hence the reversal.
    Delimiter::ALL.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(Delimiter::Comma)
}

/// Files that are no CSV show it in their first bytes.
fn check_text(line: &[u8]) -> Result<(), ListProblem> {
    const ENCODINGS: [(&[u8], &str); 4] =
        [(b"\xff\xfe\0\0", "UTF-32"), (b"\0\0\xfe\xff", "UTF-32"), (b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")];
    const FORMATS: [(&[u8], &str); 5] = [
        (b"PK\x03\x04", "a ZIP archive or an XLSX or ODS spreadsheet"),
        (b"\xd0\xcf\x11\xe0", "an XLS spreadsheet"),
        (b"%PDF", "a PDF document"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"{\\rtf", "an RTF document"),
    ];
    if let Some((_, name)) = ENCODINGS.iter().find(|(mark, _)| line.starts_with(mark)) {
        return Err(ListProblem::Encoding(name));
    }
    if let Some((_, name)) = FORMATS.iter().find(|(mark, _)| line.starts_with(mark)) {
        return Err(ListProblem::Binary(name));
    }
    match line.iter().filter(|&&b| b == 0).count() {
        0 => Ok(()),
        // Latin letters in UTF-16 have a NUL in every other byte, mark or no mark.
        nuls if nuls >= 2 && nuls.abs_diff(line.len() / 2) <= 1 => Err(ListProblem::Encoding("UTF-16")),
        _ => Err(ListProblem::Binary("binary data")),
    }
}
