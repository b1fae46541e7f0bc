//! The header: which column means what. Names are matched whatever their case, with `_`, `-` and blanks taken as
//! equal; a column that is not known becomes a field of the list's own.

use unicode_normalization::UnicodeNormalization;

use super::opening::Delimiter;
use super::problem::ListProblem;
use super::scan::Record;
use super::{ListKind, ListLimits};
use crate::domain::name::is_unsafe_in_a_line;

/// Columns of the list's own, at most.
pub const MAX_FIELDS: usize = 20;

/// Bytes of a column name that are looked at when it is matched.
pub(super) const MAX_NAME: usize = 200;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnRole {
    /// The address; every list has it.
    Email,
    /// The whole name.
    Name,
    /// Joined with the last name where no whole name is given.
    FirstName,
    /// Joined with the first name where no whole name is given.
    LastName,
    /// The kind of basis.
    Basis,
    /// When the details were collected.
    CollectedAt,
    /// The end that the list states.
    ValidUntil,
    /// How the details were collected.
    How,
    /// The sale or negotiation.
    SaleRef,
    /// Whether a refusal was offered.
    RefusalOffered,
    /// What the marketing is about.
    SimilarProductsScope,
    /// Interest or support shown to a charity.
    CharitableInterest,
    /// Where the proof is kept.
    Evidence,
    /// A field of the list's own.
    Field,
    /// Not read: it has no name, or the list is a do-not-mail list.
    Ignored,
}

/// The names a role goes by, normalised; the first, with underscores, is the one shown.
const KNOWN: &[(ColumnRole, &[&str])] = &[
    (
        ColumnRole::Email,
        &["email", "e mail", "email address", "e mail address", "emailaddress", "mail", "mail address"],
    ),
    (ColumnRole::Name, &["name", "full name", "fullname", "display name"]),
    (ColumnRole::FirstName, &["first name", "firstname", "given name", "forename"]),
    (ColumnRole::LastName, &["last name", "lastname", "family name", "surname"]),
    (ColumnRole::Basis, &["basis", "legal basis", "lawful basis"]),
    (ColumnRole::CollectedAt, &["collected at", "collected on", "date collected"]),
    (ColumnRole::ValidUntil, &["valid until", "valid to"]),
    (ColumnRole::How, &["how", "how collected"]),
    (ColumnRole::SaleRef, &["sale ref", "sale reference"]),
    (ColumnRole::RefusalOffered, &["refusal offered"]),
    (ColumnRole::SimilarProductsScope, &["similar products scope", "similar products"]),
    (ColumnRole::CharitableInterest, &["charitable interest"]),
    (ColumnRole::Evidence, &["evidence", "evidence ref", "evidence reference"]),
];

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The name it goes by here: `collected_at`, or the slug of a field. Empty for a column without a name.
    pub name: String,
    /// What it holds.
    pub role: ColumnRole,
}

/// What the first line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListHeader {
    /// What stands between cells.
    pub delimiter: Delimiter,
    /// In the order of the file.
    pub columns: Vec<Column>,
    pub(super) email: usize,
}

impl ListHeader {
    pub(super) fn read(
        record: &Record<'_>,
        delimiter: Delimiter,
        kind: ListKind,
        limits: &ListLimits,
    ) -> Result<Self, ListProblem> {
        if let Some((_, rule)) = record.fault {
            return Err(ListProblem::HeaderBroken(rule));
        }
        if record.count > limits.columns {
            return Err(ListProblem::TooManyColumns { max: limits.columns });
        }
        let mut names = Vec::with_capacity(record.count);
        for index in 0..record.count {
            let cell = record.cell(index).unwrap_or_default();
            let name = std::str::from_utf8(&cell).map_err(|_| ListProblem::HeaderNotUtf8 { position: index + 1 })?;
            // A line of data must not be quoted back as if it were column names.
            if name.contains('@') {
                return Err(ListProblem::NoHeader);
            }
            names.push(name.trim().to_owned());
        }
        let columns: Vec<Column> = names.iter().enumerate().map(|(index, name)| column(index, name, kind)).collect();
        let email = columns.iter().position(|column| column.role == ColumnRole::Email);
        let email = email.ok_or_else(|| no_email_column(&names))?;
        check_unique(&columns, kind)?;
        if columns.iter().filter(|column| column.role == ColumnRole::Field).count() > MAX_FIELDS {
            return Err(ListProblem::TooManyFields { max: MAX_FIELDS });
        }
        Ok(Self { delimiter, columns, email })
    }
}

/// Whether a column of this name holds the address.
pub(super) fn is_email_column(name: &str) -> bool {
    known(&normalised(name)).is_some_and(|(role, _)| role == ColumnRole::Email)
}

fn column(index: usize, raw: &str, kind: ListKind) -> Column {
    let key = normalised(raw);
    match (known(&key), kind) {
        (Some((role, name)), ListKind::Contacts) => Column { name: name.replace(' ', "_"), role },
        (Some((ColumnRole::Email, name)), ListKind::DoNotMail) => {
            Column { name: name.to_owned(), role: ColumnRole::Email }
        }
        (None, _) if key.is_empty() => Column { name: String::new(), role: ColumnRole::Ignored },
        (None, ListKind::Contacts) => Column { name: slug(index, raw), role: ColumnRole::Field },
        (_, ListKind::DoNotMail) => Column { name: slug(index, raw), role: ColumnRole::Ignored },
    }
}

fn known(key: &str) -> Option<(ColumnRole, &'static str)> {
    KNOWN.iter().find(|(_, names)| names.contains(&key)).map(|(role, names)| (*role, names[0]))
}

fn normalised(name: &str) -> String {
    let words = name.split(|c: char| c == '_' || c == '-' || c.is_whitespace()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// ASCII letters and digits with single hyphens between, accents dropped; a name with none of these is called by
/// its place.
pub(super) fn slug(index: usize, name: &str) -> String {
    let mut slug = String::new();
    for c in name.nfkd().filter(|c| !unicode_normalization::char::is_combining_mark(*c)) {
        if slug.len() >= 63 {
            break;
        }
        if c.is_ascii_alphanumeric() {
            slug.push(c.to_ascii_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { format!("column-{}", index + 1) } else { slug.to_owned() }
}

/// Columns that are not read may well bear the same name.
fn check_unique(columns: &[Column], kind: ListKind) -> Result<(), ListProblem> {
    for (index, column) in columns.iter().enumerate() {
        let read = kind == ListKind::Contacts || column.role == ColumnRole::Email;
        if read && !column.name.is_empty() && columns[..index].iter().any(|earlier| earlier.name == column.name) {
            return Err(ListProblem::DuplicateColumn { name: column.name.clone() });
        }
    }
    Ok(())
}

fn no_email_column(names: &[String]) -> ListProblem {
    let shown: Vec<String> = names
        .iter()
        .map(|name| name.chars().filter(|c| !is_unsafe_in_a_line(*c)).take(40).collect::<String>())
        .filter(|name| !name.is_empty())
        .take(10)
        .collect();
    let distance = |name: &String| {
        let key = normalised(name);
        if key.contains("mail") { 0 } else { strsim::osa_distance(&key, "email") }
    };
    let nearest = shown.iter().min_by_key(|name| distance(name)).filter(|name| distance(name) <= 2).cloned();
    ListProblem::NoEmailColumn { found: shown, nearest }
}
