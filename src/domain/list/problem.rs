//! What can be wrong with a row, and with a list as a whole. A row's problem names column and rule, never the value:
//! reports are kept and shown to people who need not see addresses.

use std::fmt;

use crate::domain::email::InvalidEmail;
use crate::domain::name::InvalidName;
use crate::domain::time::InvalidTimestamp;

/// Why one row was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    /// The column, by the name the reader knows it under; `None` when the row as a whole is meant.
    pub column: Option<String>,
    /// The rule it broke.
    pub rule: Rule,
}

impl fmt::Display for RowProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "column {column}: {}", self.rule),
            None => self.rule.fmt(f),
        }
    }
}

impl std::error::Error for RowProblem {}

/// The rules for rows and cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rule {
    /// Not an address we write to.
    #[error(transparent)]
    Email(#[from] InvalidEmail),
    /// Not a name that can be shown.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// Not a moment.
    #[error(transparent)]
    Time(#[from] InvalidTimestamp),
    /// Not one of the kinds of basis.
    #[error("expected consent, soft_opt_in, charity_soft_opt_in, corporate or none")]
    Basis,
    /// Not a yes or no.
    #[error("expected yes or no (true, false, 1, 0)")]
    YesNo,
    /// Latin-1 or Windows-1252, most likely.
    #[error("is not UTF-8; save the list as CSV in UTF-8")]
    NotUtf8,
    /// Line breaks, NUL, other control characters, direction overrides.
    #[error("control characters, line breaks and direction overrides are not allowed")]
    Control,
    /// A cell beyond the limit.
    #[error("cell too long: at most {max} bytes")]
    CellTooLong {
        /// The limit.
        max: usize,
    },
    /// A text of the claim beyond the limit.
    #[error("at most {max} characters")]
    TextTooLong {
        /// The limit.
        max: usize,
    },
    /// A record beyond the limit.
    #[error("row too long: at most {max} bytes")]
    RecordTooLong {
        /// The limit.
        max: usize,
    },
    /// A quote that is opened and not closed.
    #[error("a quote is opened and never closed; reading went on with the next line")]
    UnclosedQuote,
    /// `"text" more`.
    #[error("there is text after the closing quote; a quote inside a quoted cell is written twice")]
    TextAfterQuote,
    /// Fewer cells than the header. Not filled up with blanks: a row cut short may have lost the cell that says no.
    #[error("has fewer cells than the header")]
    TooFewCells,
    /// More cells than the header: a delimiter stands unquoted in some cell, and who knows in which.
    #[error("has more cells than the header")]
    TooManyCells,
}

/// Why the list as a whole cannot be read, or not any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListProblem {
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
    /// The first line is data.
    #[error("the first line holds an address instead of column names; put a line such as email,name on top")]
    NoHeader,
    /// No column is known to hold the address.
    #[error("no column is called email; found: {}{}", found.join(", "), hint(nearest))]
    NoEmailColumn {
        /// The first column names, cleaned and shortened.
        found: Vec<String>,
        /// The one that comes closest.
        nearest: Option<String>,
    },
    /// Text in another encoding.
    #[error("the file is {0}, not UTF-8; save the list as CSV in UTF-8")]
    Encoding(&'static str),
    /// No text at all.
    #[error("the file is {0}, not a CSV text; save the list as CSV in UTF-8")]
    Binary(&'static str),
    /// A column name in another encoding.
    #[error("the name of column {position} is not UTF-8; save the list as CSV in UTF-8")]
    HeaderNotUtf8 {
        /// Counted from 1.
        position: usize,
    },
    /// The first line cannot be taken apart.
    #[error("the column names cannot be read: {0}")]
    HeaderBroken(Rule),
    /// Too many columns.
    #[error("more than {max} columns")]
    TooManyColumns {
        /// The limit.
        max: usize,
    },
    /// Two columns with one meaning.
    #[error("two columns mean {name}")]
    DuplicateColumn {
        /// What both mean.
        name: String,
    },
    /// Too many columns of the list's own.
    #[error("more than {max} columns that are not among the known ones")]
    TooManyFields {
        /// The limit.
        max: usize,
    },
    /// Too many rows; those before were handed over.
    #[error("more than {max} rows; split the list")]
    TooManyRows {
        /// The limit.
        max: u32,
    },
}

fn hint(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|name| format!("; did you mean {name}? Call it email")).unwrap_or_default()
}
