//! One row: its cells checked and put where they belong. Cells that a spreadsheet would take for a formula are plain
//! text here; they are made harmless where they leave the house (R-82, see `export`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::ListKind;
use super::claim::Claimed;
use super::columns::{ColumnRole, ListHeader};
use super::export::plain_cell;
use super::problem::{RowProblem, Rule};
use super::scan::Record;
use crate::domain::basis::BasisKind;
use crate::domain::email::EmailAddress;
use crate::domain::name::{DisplayName, is_unsafe_in_a_line};
use crate::domain::time::Timestamp;

/// Characters in a text of the claim, at most.
pub const MAX_TEXT: usize = 500;

/// A person as the list has them. `Debug` shows no more than the address' domain.
#[derive(Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The address.
    pub email: EmailAddress,
    /// The name, if one is given.
    pub name: Option<DisplayName>,
    /// What the row itself claims; see [`claim`](super::claim()).
    pub claimed: Claimed,
    /// The list's own fields by slug; blank ones are left out.
    pub fields: BTreeMap<String, String>,
}

impl fmt::Debug for ListRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListRow")
            .field("email", &self.email)
            .field("name", &self.name)
            .field("claimed", &self.claimed)
            .field("fields", &self.fields.len())
            .finish()
    }
}

/// Whether a record has nothing in it; spreadsheets leave such rows behind.
pub(super) fn is_blank(record: &Record<'_>) -> bool {
    let blank = |cell: Cow<'_, [u8]>| cell.iter().all(|b| matches!(b, b' ' | b'\t'));
    record.fault.is_none()
        && record.count == record.kept()
        && (0..record.count).filter_map(|i| record.cell(i)).all(blank)
}

/// Reads a record under a header.
pub(super) fn read(record: &Record<'_>, header: &ListHeader, kind: ListKind) -> Result<ListRow, RowProblem> {
    match kind {
        ListKind::Contacts => contact(record, header),
        ListKind::DoNotMail => stop(record, header),
    }
}

fn contact(record: &Record<'_>, header: &ListHeader) -> Result<ListRow, RowProblem> {
    if let Some((index, rule)) = record.fault {
        return Err(problem(header, index, rule));
    }
    // Not even a blank cell too many is let pass: a comma unquoted in a name shifts all that follows, and the blank at
    // the end of the row would hide it.
    match record.count.cmp(&header.columns.len()) {
        Ordering::Less => return Err(problem(header, None, Rule::TooFewCells)),
        Ordering::Greater => return Err(problem(header, None, Rule::TooManyCells)),
        Ordering::Equal => {}
    }
    let email = email(record, header)?;
    let (mut name, mut first, mut last) = (None, None, None);
    let mut claimed = Claimed::default();
    let mut fields = BTreeMap::new();
    for (index, column) in header.columns.iter().enumerate() {
        let at = |rule: Rule| problem(header, Some(index), rule);
        let Some(text) = text(record, index).map_err(at)? else { continue };
        match column.role {
            ColumnRole::Email | ColumnRole::Ignored => {}
            ColumnRole::Name => name = named(&text).map_err(at)?,
            ColumnRole::FirstName => first = named(&text).map_err(at)?,
            ColumnRole::LastName => last = named(&text).map_err(at)?,
            ColumnRole::Basis => claimed.basis = Some(basis(&text).map_err(at)?),
            ColumnRole::CollectedAt => claimed.collected_at = Some(moment(&text).map_err(at)?),
            ColumnRole::ValidUntil => claimed.valid_until = Some(moment(&text).map_err(at)?),
            ColumnRole::RefusalOffered => claimed.refusal_offered = Some(yes_or_no(&text).map_err(at)?),
            ColumnRole::How => claimed.how = Some(short(text).map_err(at)?),
            ColumnRole::SaleRef => claimed.sale_ref = Some(short(text).map_err(at)?),
            ColumnRole::SimilarProductsScope => claimed.similar_products_scope = Some(short(text).map_err(at)?),
            ColumnRole::CharitableInterest => claimed.charitable_interest = Some(short(text).map_err(at)?),
            ColumnRole::Evidence => claimed.evidence = Some(short(text).map_err(at)?),
            ColumnRole::Field => drop(fields.insert(column.name.clone(), text)),
        }
    }
    let name = match name {
        Some(name) => Some(name),
        None => joined(first, last).map_err(|rule| RowProblem { column: Some("last_name".to_owned()), rule })?,
    };
    Ok(ListRow { email, name, claimed, fields })
}

/// A stop is taken whatever stands in the other cells, as long as the address is legible.
fn stop(record: &Record<'_>, header: &ListHeader) -> Result<ListRow, RowProblem> {
    if let Some((index, rule)) = record.fault {
        let behind = index.is_some_and(|index| index > header.email);
        let only_too_long = matches!(rule, Rule::CellTooLong { .. } | Rule::RecordTooLong { .. });
        if !(behind || only_too_long && index != Some(header.email) && record.kept() > header.email) {
            return Err(problem(header, index, rule));
        }
    }
    let email = email(record, header)?;
    Ok(ListRow { email, name: None, claimed: Claimed::default(), fields: BTreeMap::new() })
}

fn email(record: &Record<'_>, header: &ListHeader) -> Result<EmailAddress, RowProblem> {
    let at = |rule: Rule| problem(header, Some(header.email), rule);
    let text = text(record, header.email).map_err(at)?.unwrap_or_default();
    EmailAddress::parse(&text).map_err(|error| at(error.into()))
}

fn problem(header: &ListHeader, index: Option<usize>, rule: Rule) -> RowProblem {
    let column = index.and_then(|index| {
        let column = header.columns.get(index)?;
        Some(if column.name.is_empty() { (index + 1).to_string() } else { column.name.clone() })
    });
    RowProblem { column, rule }
}

/// A cell as text without blanks around it; `None` when nothing is left.
fn text(record: &Record<'_>, index: usize) -> Result<Option<String>, Rule> {
    let bytes = record.cell(index).unwrap_or_default();
    let text = std::str::from_utf8(&bytes).map_err(|_| Rule::NotUtf8)?;
    let trim = |text| str::trim_matches(text, [' ', '\t', '\u{a0}']);
    let text = trim(plain_cell(trim(text)));
    if text.chars().any(is_unsafe_in_a_line) {
        return Err(Rule::Control);
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn named(text: &str) -> Result<Option<DisplayName>, Rule> {
    Ok(DisplayName::parse(text)?)
}

fn joined(first: Option<DisplayName>, last: Option<DisplayName>) -> Result<Option<DisplayName>, Rule> {
    let parts: Vec<&str> = [&first, &last].into_iter().flatten().map(DisplayName::as_str).collect();
    named(&parts.join(" "))
}

fn basis(text: &str) -> Result<BasisKind, Rule> {
    BasisKind::from_name(&text.to_lowercase().replace(['-', ' '], "_")).ok_or(Rule::Basis)
}

fn moment(text: &str) -> Result<Timestamp, Rule> {
    Ok(Timestamp::parse(text)?)
}

fn yes_or_no(text: &str) -> Result<bool, Rule> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "1" => Ok(true),
        "no" | "false" | "0" => Ok(false),
        _ => Err(Rule::YesNo),
    }
}

fn short(text: String) -> Result<String, Rule> {
    if text.chars().count() > MAX_TEXT { Err(Rule::TextTooLong { max: MAX_TEXT }) } else { Ok(text) }
}
