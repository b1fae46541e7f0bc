//! Whether the details of somebody who is active on both sides are the same there as here.

use crate::campaign_monitor::{ConsentToTrack, CustomField, FieldType, NewSubscriber, Subscriber, normalise_key};

/// The names of what differs, with commas between, and after them `more` that the caller has found; none where all is the
/// same. Only fields that the list has are looked at: what is written to others is dropped there (campaign-monitor 4.4).
pub fn differing(
    there: &Subscriber,
    ours: &NewSubscriber,
    fields: &[CustomField],
    more: &[&'static str],
) -> Option<String> {
    let mut names: Vec<&str> = Vec::new();
    if ours.name.as_deref().is_some_and(|name| name.trim() != there.name.trim()) {
        names.push("Name");
    }
    let tracked = match ours.consent_to_track {
        ConsentToTrack::Yes => Some(true),
        ConsentToTrack::No => Some(false),
        ConsentToTrack::Unchanged => there.tracking(),
    };
    if tracked != there.tracking() {
        names.push("ConsentToTrack");
    }
    for field in &ours.custom_fields {
        let key = normalise_key(field.key());
        let Some(kind) = fields.iter().find(|known| normalise_key(&known.key) == key) else { continue };
        let is = |wanted: FieldType| kind.data_type.eq_ignore_ascii_case(wanted.word());
        let value = value(there, field.key());
        let same = if is(FieldType::Date) {
            // How a date is written on reads is not settled: its figures are.
            figures(value) == figures(field.value())
        } else if is(FieldType::Text) || is(FieldType::Number) {
            value == field.value().trim()
        } else {
            // A choice takes what it knows.
            true
        };
        if !same {
            names.push(field.key());
        }
    }
    names.extend(more);
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether a list has a field.
pub fn has(fields: &[CustomField], name: &str) -> bool {
    fields.iter().any(|field| normalise_key(&field.key) == normalise_key(name))
}

/// What stands in a field there.
pub fn value<'a>(there: &'a Subscriber, name: &str) -> &'a str {
    let key = normalise_key(name);
    let stored = there.custom_fields.iter().find(|stored| normalise_key(&stored.key) == key);
    stored.map(|stored| stored.value.trim()).unwrap_or_default()
}

/// The day of a date, by its figures.
fn figures(date: &str) -> String {
    date.chars().filter(char::is_ascii_digit).take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign_monitor::FieldValue;

    fn there(fields: &str) -> Subscriber {
        let text = format!(r#"{{"Name":"Ana ","ConsentToTrack":"No","CustomFields":{fields}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_differs_is_named_and_what_the_list_lacks_is_not_missed() {
        let ours = NewSubscriber {
            email_address: "ana@example.org".to_owned(),
            name: Some("Ana".to_owned()),
            custom_fields: vec![
                FieldValue::text("ConsentDate", "2026/03/02").unwrap(),
                FieldValue::text("Purposes", "news").unwrap(),
                FieldValue::text("Basis", "consent").unwrap(),
            ],
            consent_to_track: ConsentToTrack::No,
        };
        let known: Vec<CustomField> = serde_json::from_str(
            r#"[{"FieldName":"Consent date","Key":"[ConsentDate]","DataType":"Date"},
                {"FieldName":"Purposes","Key":"[Purposes]","DataType":"Text"}]"#,
        )
        .unwrap();
        let same =
            there(r#"[{"Key":"[Purposes]","Value":"news"},{"Key":"consent date","Value":"2026-03-02 00:00:00"}]"#);
        assert_eq!(differing(&same, &ours, &known, &[]), None);
        let other = there(r#"[{"Key":"Purposes","Value":"offers"}]"#);
        assert_eq!(differing(&other, &ours, &known, &["More"]).as_deref(), Some("ConsentDate, Purposes, More"));
        let renamed = NewSubscriber { name: Some("Bea".to_owned()), consent_to_track: ConsentToTrack::Yes, ..ours };
        assert_eq!(differing(&same, &renamed, &known, &[]).as_deref(), Some("Name, ConsentToTrack"));
    }
}
