//! Custom fields as we write them.
//!
//! The provider drops what it does not like without a word: unknown keys, dates out of range,
//! values that are too long. So the limits are checked here, and a value that would be lost is
//! an error and not a surprise. Unknown keys are for the caller to find: compare the keys needed
//! with the list's own fields by [`normalise_key`].

use std::fmt;

use jiff::civil::{Date, date};
use serde::Serialize;

/// Most characters of a value, counted as the provider's platform counts (UTF-16 units): never
/// more generous than counting letters.
const MOST: usize = 250;

/// Keys are read with or without brackets and blanks, in either case; this is the one form to
/// compare.
pub fn normalise_key(key: &str) -> String {
    key.chars().filter(|c| !matches!(c, '[' | ']') && !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// One entry of `CustomFields` in a write. Fields not named stay as they are.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FieldValue {
    key: String,
    value: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    clear: bool,
}

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The value would be cut or dropped.
    #[error("the value for custom field {key} has {length} characters, {MOST} are allowed")]
    FieldTooLong {
        /// Key of the field.
        key: String,
        /// Length of the value.
        length: usize,
    },
    /// The date would be dropped.
    #[error("the date for custom field {key} is not between 1900-01-01 and 2076-06-06")]
    DateOutOfRange {
        /// Key of the field.
        key: String,
    },
    /// No key is left after brackets and blanks.
    #[error("a custom field needs a key")]
    NoKey,
}

impl FieldValue {
    /// A text, a number, or one option of a choice. For a multiple choice give one value for
    /// each option: together they replace the stored ones.
    pub fn text(key: &str, value: &str) -> Result<Self, FieldError> {
        let length = value.encode_utf16().count();
        if length > MOST {
            return Err(FieldError::FieldTooLong { key: key.to_owned(), length });
        }
        Self::build(key, value.to_owned(), false)
    }

    /// A day.
    pub fn date(key: &str, day: Date) -> Result<Self, FieldError> {
        if !(date(1900, 1, 1)..=date(2076, 6, 6)).contains(&day) {
            return Err(FieldError::DateOutOfRange { key: key.to_owned() });
        }
        Self::build(key, day.strftime("%Y/%m/%d").to_string(), false)
    }

    /// Empty the field.
    pub fn clear(key: &str) -> Result<Self, FieldError> {
        Self::build(key, String::new(), true)
    }

    /// What is to stand there; empty where the field is to be emptied.
    pub fn value(&self) -> &str {
        &self.value
    }

    fn build(key: &str, value: String, clear: bool) -> Result<Self, FieldError> {
        if normalise_key(key).is_empty() {
            return Err(FieldError::NoKey);
        }
        Ok(Self { key: key.to_owned(), value, clear })
    }

    /// The key as given.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FieldValue({}, ***)", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(field: Result<FieldValue, FieldError>) -> String {
        serde_json::to_string(&field.unwrap()).unwrap()
    }

    #[test]
    fn values_on_the_wire() {
        assert_eq!(wire(FieldValue::text("city", "Köln")), r#"{"Key":"city","Value":"Köln"}"#);
        assert_eq!(
            wire(FieldValue::date("consent_date", date(2026, 3, 2))),
            r#"{"Key":"consent_date","Value":"2026/03/02"}"#
        );
        assert_eq!(wire(FieldValue::clear("city")), r#"{"Key":"city","Value":"","Clear":true}"#);
    }

    #[test]
    fn what_would_be_lost_is_an_error() {
        assert!(FieldValue::text("a", &"ä".repeat(250)).is_ok());
        let long = FieldValue::text("a", &"x".repeat(251));
        assert_eq!(long, Err(FieldError::FieldTooLong { key: "a".to_owned(), length: 251 }));
        assert!(FieldValue::text("a", &"🦀".repeat(126)).is_err());
        assert_eq!(FieldValue::text("[ ]", "x"), Err(FieldError::NoKey));
        for (day, fits) in
            [(date(1899, 12, 31), false), (date(1900, 1, 1), true), (date(2076, 6, 6), true), (date(2076, 6, 7), false)]
        {
            assert_eq!(FieldValue::date("d", day).is_ok(), fits, "{day}");
        }
    }

    #[test]
    fn keys_compare_in_one_form() {
        for key in ["[ConsentVersion]", "Consent Version", "consentversion", " [consent\u{a0}Version] "] {
            assert_eq!(normalise_key(key), "consentversion");
        }
    }
}
