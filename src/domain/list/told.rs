//! A row that comes in parts from another system rather than as a record of a file. The parts are held to the rules for
//! cells.

use std::collections::BTreeMap;

use super::claim::Claimed;
use super::columns::{MAX_FIELDS, slug};
use super::problem::{RowProblem, Rule};
use super::row::ListRow;
use crate::domain::email::EmailAddress;
use crate::domain::name::{DisplayName, is_unsafe_in_a_line};
use crate::domain::time::{InvalidTimestamp, Timestamp};

/// A person as another system has them.
#[derive(Default)]
pub struct Told<'a> {
    /// The address.
    pub email: &'a str,
    /// The name; may be blank.
    pub name: &'a str,
    /// When the details were collected, if it says.
    pub collected_at: Option<Result<Timestamp, InvalidTimestamp>>,
    /// Fields by the names that they have there. Several values of one name are one field here.
    pub fields: Vec<(&'a str, &'a str)>,
}

impl Told<'_> {
    /// The row, or which rule a part of it broke. Of more than [`MAX_FIELDS`] fields the first by name are kept.
    pub fn row(&self, cell_bytes: usize) -> Result<ListRow, RowProblem> {
        let at = |column: &str, rule: Rule| RowProblem { column: Some(column.to_owned()), rule };
        let email = EmailAddress::parse(self.email.trim()).map_err(|error| at("email", error.into()))?;
        let name = DisplayName::parse(self.name).map_err(|error| at("name", error.into()))?;
        let collected_at = self.collected_at.transpose().map_err(|error| at("collected_at", error.into()))?;
        let mut fields: BTreeMap<String, String> = BTreeMap::new();
        for (index, (key, value)) in self.fields.iter().enumerate() {
            let (key, value) = (slug(index, key), value.trim());
            if value.is_empty() {
                continue;
            }
            if value.chars().any(is_unsafe_in_a_line) {
                return Err(at(&key, Rule::Control));
            }
            let held = fields.entry(key.clone()).or_default();
            if !held.is_empty() {
                held.push_str(", ");
            }
            held.push_str(value);
            if held.len() > cell_bytes {
                return Err(at(&key, Rule::CellTooLong { max: cell_bytes }));
            }
        }
        while fields.len() > MAX_FIELDS {
            fields.pop_last();
        }
        Ok(ListRow { email, name, claimed: Claimed { collected_at, ..Claimed::default() }, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_become_a_row() {
        let at = Timestamp::from_micros(7);
        let fields = vec![("[Town]", " York "), ("topics", "news"), ("topics", "events"), ("empty", " ")];
        let told = Told { email: " Ana@example.org ", name: "Ana", collected_at: Some(Ok(at)), fields };
        let row = told.row(100).unwrap();
        assert_eq!(row.email.as_sent(), "Ana@example.org");
        assert_eq!((row.name.unwrap().as_str(), row.claimed.collected_at), ("Ana", Some(at)));
        let fields: Vec<(&str, &str)> = row.fields.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(fields, [("topics", "news, events"), ("town", "York")]);
    }

    #[test]
    fn a_part_that_breaks_a_rule_is_named_and_not_quoted() {
        let whole = || Told { email: "ana@example.org", ..Told::default() };
        let cases = [
            (Told { email: "secret", ..whole() }, "email"),
            (Told { name: "se\ncret", ..whole() }, "name"),
            (Told { collected_at: Some(Err(InvalidTimestamp)), ..whole() }, "collected_at"),
            (Told { fields: vec![("Home Town", "se\u{202e}cret")], ..whole() }, "home-town"),
            (Told { fields: vec![("Home Town", "secretsecret")], ..whole() }, "home-town"),
        ];
        for (told, column) in cases {
            let problem = told.row(10).unwrap_err();
            assert_eq!(problem.column.as_deref(), Some(column));
            assert!(!problem.to_string().contains("cret"), "{problem}");
        }
    }

    #[test]
    fn there_are_no_more_fields_than_a_file_may_have() {
        let names: Vec<String> = (0..MAX_FIELDS + 5).map(|n| format!("field {n:02}")).collect();
        let fields = names.iter().map(|name| (name.as_str(), "x")).collect();
        let row = Told { email: "ana@example.org", fields, ..Told::default() }.row(100).unwrap();
        assert_eq!((row.fields.len(), row.fields.contains_key("field-00")), (MAX_FIELDS, true));
    }
}
