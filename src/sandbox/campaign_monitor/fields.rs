//! Custom-field values: what a write does to them (reference section 4.4).
//!
//! Promises: unknown keys and unusable values disappear without a word, as at the provider.

use super::body::FieldWrite;
use super::model::{CustomField, FieldValue, List};
use jiff::civil::Date;
use std::sync::Arc;

/// Longest value kept. Whether the provider cuts or refuses is not known; here it is cut.
const VALUE_LIMIT: usize = 250;

/// Most fields a list may have here.
pub(super) const FIELD_LIMIT: usize = 100;

pub(super) const DATA_TYPES: [&str; 7] =
    ["Text", "Number", "MultiSelectOne", "MultiSelectMany", "Date", "Country", "USState"];

/// Keys are compared without brackets, blanks and case.
pub(super) fn comparable(key: &str) -> String {
    key.chars().filter(|c| !c.is_whitespace() && *c != '[' && *c != ']').flat_map(char::to_lowercase).collect()
}

/// The stored fields after the writes.
pub(super) fn after(stored: &[FieldValue], writes: &[FieldWrite], list: &List) -> Vec<FieldValue> {
    let mut fields = stored.to_vec();
    let mut replaced: Vec<Arc<str>> = Vec::new();
    for write in writes {
        let wanted = comparable(&write.key);
        let Some(field) = list.custom_fields.iter().find(|field| comparable(field.key()) == wanted) else {
            continue;
        };
        let key = Arc::clone(field.key());
        if write.clear {
            let one_option = field.data_type == "MultiSelectMany" && !write.value.is_empty();
            fields.retain(|(k, v)| *k != key || (one_option && **v != *write.value));
            continue;
        }
        let Some(value) = usable(field, &write.value) else {
            continue;
        };
        // The first entry of a write replaces what is stored; more entries of a multi-choice add up.
        let adds = field.data_type == "MultiSelectMany" && replaced.contains(&key);
        if !adds {
            fields.retain(|(k, _)| *k != key);
            replaced.push(Arc::clone(&key));
        }
        if !value.is_empty() && !fields.iter().any(|(k, v)| *k == key && **v == *value) {
            fields.push((key, value.into()));
        }
    }
    fields
}

/// The value as it is stored; `None` drops the write, an empty text clears the field.
fn usable(field: &CustomField, value: &str) -> Option<String> {
    match field.data_type.as_str() {
        "Date" if value == "0000-00-00" || value.is_empty() => Some(String::new()),
        "Date" => date(value),
        "MultiSelectOne" | "MultiSelectMany" => {
            field.options.iter().find(|option| option.eq_ignore_ascii_case(value)).cloned()
        }
        _ => Some(value.chars().take(VALUE_LIMIT).collect()),
    }
}

fn date(value: &str) -> Option<String> {
    let date = ["%Y/%m/%d", "%Y-%m-%d"].iter().find_map(|format| Date::strptime(format, value).ok())?;
    let (first, last) = (jiff::civil::date(1900, 1, 1), jiff::civil::date(2076, 6, 6));
    (first..=last).contains(&date).then(|| date.to_string())
}
