//! Cells on their way out. A spreadsheet takes a cell that begins with `=` for a formula and runs it on the reader's
//! machine; an apostrophe in front makes it text (R-82, T-33).

use std::borrow::Cow;

/// Puts an apostrophe before a cell that begins, blanks aside, with `= + - @` or one of their full-width forms, or
/// with a control character. Cells that are safe are left as they are.
pub fn neutralise_cell(cell: &str) -> Cow<'_, str> {
    if is_active(cell) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// One line for a CSV file: cells made harmless, quoted after RFC 4180 where needed, ended with CRLF.
pub fn csv_line(cells: &[&str]) -> String {
    let mut line = String::new();
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            line.push(',');
        }
        let cell = neutralise_cell(cell);
        // Semicolons and blanks at the edge need no quotes by the RFC, but some readers think otherwise.
        if cell.contains([',', ';', '"', '\r', '\n', '\t']) || cell.starts_with(' ') || cell.ends_with(' ') {
            line.push('"');
            line.push_str(&cell.replace('"', "\"\""));
            line.push('"');
        } else {
            line.push_str(&cell);
        }
    }
    line.push_str("\r\n");
    line
}

/// Takes back the apostrophe that an export put there, so that a list of ours reads as it was written: a stop for
/// `+ann@example.org` must not come back as one for another address.
pub(super) fn plain_cell(cell: &str) -> &str {
    cell.strip_prefix('\'').filter(|rest| is_active(rest)).unwrap_or(cell)
}

fn is_active(cell: &str) -> bool {
    let begins_a_formula = |c| matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
    cell.trim_start_matches([' ', '\u{a0}', '\u{3000}'])
        .starts_with(|c: char| begins_a_formula(c) || c.is_ascii_control())
}
