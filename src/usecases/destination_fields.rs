//! What else is written about a person at a destination, beside the proof of the consent: which of the fields that we
//! hold, under which custom field there. A value that is gone is emptied there too, and so is a field that is written no
//! more: what nobody needs is not left lying.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::campaign_monitor::{FieldError, FieldType, FieldValue, normalise_key};
use crate::domain::ids::{ControllerScope, DestinationId};
use crate::store::WriteTx;
use crate::store::destinations::Destination;

use super::destinations::DestinationWithLists;
use super::error::FieldFault;
use super::{Error, Services, remap, sync};

/// Custom fields of a person begin so as a source.
const CUSTOM: &str = "fields.";

/// Fields of a destination beside the proof, and as many that are to be emptied there.
const MOST: usize = 50;

/// Characters of a value there, as the provider counts: UTF-16 units (section 4.4).
const LONGEST: usize = 250;

/// What kind of values a field there takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldKind {
    /// Words, cut to 250 characters.
    Text,
    /// A number; what does not read as one is left out.
    Number,
    /// A day, as 2026-09-01; what does not read as one is left out.
    Date,
}

impl FieldKind {
    /// The provider's type.
    pub const fn there(self) -> FieldType {
        match self {
            Self::Text => FieldType::Text,
            Self::Number => FieldType::Number,
            Self::Date => FieldType::Date,
        }
    }
}

/// What a value is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FieldSource {
    /// A custom field of the person, as a form or a list brought it.
    Custom(String),
    /// The language of the notice that was shown at the newest yes.
    Language,
}

impl TryFrom<String> for FieldSource {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        match text.strip_prefix(CUSTOM) {
            Some(key) if (1..=100).contains(&key.chars().count()) && !key.chars().any(char::is_control) => {
                Ok(Self::Custom(key.to_owned()))
            }
            None if text == "language" => Ok(Self::Language),
            _ => Err("expected language, or fields. and the name of a custom field, such as fields.city"),
        }
    }
}

impl From<FieldSource> for String {
    fn from(source: FieldSource) -> Self {
        match source {
            FieldSource::Custom(key) => format!("{CUSTOM}{key}"),
            FieldSource::Language => "language".to_owned(),
        }
    }
}

/// A custom field there, and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldMap {
    /// The name there.
    pub name: String,
    /// What it takes.
    pub kind: FieldKind,
    /// Where its value comes from; none: it is written no more, and emptied.
    pub source: Option<FieldSource>,
}

/// A field that is wanted, as asked for.
#[derive(Debug, Clone)]
pub struct FieldChoice {
    /// See [`FieldSource`].
    pub source: String,
    /// The name there.
    pub name: String,
    /// What it takes.
    pub kind: FieldKind,
}

/// The fields of a destination.
pub fn maps_of(destination: &Destination) -> Result<Vec<FieldMap>, Error> {
    Ok(serde_json::from_str(&destination.fields)?)
}

/// The fields that the lists of a destination are to have, with their types: those of the proof and of the preference
/// link, and its own.
pub fn wanted_fields(destination: &Destination) -> Result<Vec<(String, FieldType)>, Error> {
    let proof = sync::FIELDS.iter().map(|(name, kind)| ((*name).to_owned(), *kind));
    let own = maps_of(destination)?.into_iter().filter(|map| map.source.is_some());
    Ok(proof.chain(own.map(|map| (map.name, map.kind.there()))).collect())
}

/// Whether any value is taken from the custom fields of a person.
pub fn need_custom(maps: &[FieldMap]) -> bool {
    maps.iter().any(|map| matches!(map.source, Some(FieldSource::Custom(_))))
}

/// What is written there for one field.
pub fn written(map: &FieldMap, custom: Option<&Value>, language: Option<&str>) -> Result<FieldValue, FieldError> {
    let text = match &map.source {
        Some(FieldSource::Custom(key)) => custom.and_then(|all| all.get(key)).map(plain),
        Some(FieldSource::Language) => language.map(str::to_owned),
        None => None,
    };
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let value = text.and_then(|text| match map.kind {
        FieldKind::Text => FieldValue::text(&map.name, &cut(&text)).ok(),
        FieldKind::Number => {
            let reads = text.parse::<f64>().is_ok_and(f64::is_finite);
            reads.then(|| FieldValue::text(&map.name, &text).ok()).flatten()
        }
        FieldKind::Date => text.parse().ok().and_then(|day| FieldValue::date(&map.name, day).ok()),
    });
    value.map_or_else(|| FieldValue::clear(&map.name), Ok)
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As much of a text as a custom field there holds.
pub fn cut(text: &str) -> String {
    let mut units = 0;
    text.chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= LONGEST
        })
        .collect()
}

/// Says which further fields are written at a destination, in place of those before. Everybody there is brought in step
/// by and by.
pub async fn set_fields(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    choices: Vec<FieldChoice>,
) -> Result<DestinationWithLists, Error> {
    if choices.len() > MOST {
        return Err(Error::field("fields", format!("at most {MOST}")));
    }
    let wanted = read_choices(&choices)?;
    let now = services.clock.now();
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_destinations(scope)?;
        let destination = tx.destination(scope, id)?;
        let mut maps = wanted.clone();
        let is_named = |maps: &[FieldMap], name: &str| maps.iter().any(|map| same(&map.name, name));
        for before in maps_of(&destination)? {
            if !is_named(&maps, &before.name) && maps.len() < MOST * 2 {
                maps.push(FieldMap { source: None, ..before });
            }
        }
        tx.set_destination_fields(scope, id, &serde_json::to_string(&maps)?)?;
        tx.walk_lists_again(scope, id, remap::BEGINNING)?;
        remap::ask_for(tx, scope, now)?;
        Ok::<_, Error>(())
    };
    services.store.write(scope.controller().uuid(), work).await?;
    super::destinations::find_destination(services, scope, id).await
}

fn same(one: &str, other: &str) -> bool {
    normalise_key(one) == normalise_key(other)
}

fn read_choices(choices: &[FieldChoice]) -> Result<Vec<FieldMap>, Error> {
    let mut maps: Vec<FieldMap> = Vec::with_capacity(choices.len());
    let mut faults = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let at = |field: &str| format!("fields[{index}].{field}");
        let source = FieldSource::try_from(choice.source.clone());
        if let Err(text) = source {
            faults.push(FieldFault::new(at("source"), text));
        }
        let name = choice.name.trim();
        // The provider makes keys of plain names only (section 4.4).
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
        if !(1..=100).contains(&name.len()) || !name.chars().all(fits) {
            faults.push(FieldFault::new(at("name"), "expected 1 to 100 plain letters, digits, blanks, _ and -"));
        } else if sync::FIELDS.iter().any(|(known, _)| same(known, name)) {
            faults.push(FieldFault::new(
                at("name"),
                "this field carries the proof of the consent, or the preference link",
            ));
        } else if maps.iter().any(|map| same(&map.name, name)) {
            faults.push(FieldFault::new(at("name"), "this field was named before"));
        }
        maps.push(FieldMap { name: name.to_owned(), kind: choice.kind, source: source.ok() });
    }
    if faults.is_empty() { Ok(maps) } else { Err(Error::Invalid(faults)) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(kind: FieldKind, source: Option<&str>) -> FieldMap {
        let source = source.map(|text| FieldSource::try_from(text.to_owned()).expect("a source"));
        FieldMap { name: "There".to_owned(), kind, source }
    }

    fn wire(map: &FieldMap, custom: &Value) -> String {
        let field = written(map, Some(custom), Some("en-GB")).expect("it can be written");
        serde_json::to_value(field).expect("it is JSON")["Value"].as_str().expect("a text").to_owned()
    }

    #[test]
    fn a_value_is_written_as_the_field_takes_it_or_emptied() {
        use FieldKind::{Date, Number, Text};
        let held = json!({ "city": " York ", "since": "2026-09-01", "visits": 7, "gone": "", "odd": null });
        for (kind, source, expected) in [
            (Text, Some("fields.city"), "York"),
            (Text, Some("language"), "en-GB"),
            (Text, Some("fields.visits"), "7"),
            (Number, Some("fields.visits"), "7"),
            (Number, Some("fields.city"), ""),
            (Date, Some("fields.since"), "2026/09/01"),
            (Date, Some("fields.city"), ""),
            (Text, Some("fields.gone"), ""),
            (Text, Some("fields.odd"), ""),
            (Text, Some("fields.never"), ""),
            (Text, None, ""),
        ] {
            assert_eq!(wire(&map(kind, source), &held), expected, "{kind:?} of {source:?}");
        }
        let emptied = written(&map(Text, None), None, None).expect("it can be written");
        assert_eq!(serde_json::to_value(emptied).expect("it is JSON")["Clear"], true);
    }

    #[test]
    fn a_text_is_cut_as_the_provider_counts() {
        assert_eq!(cut(&"x".repeat(251)).len(), 250);
        // Two units each; half of one is none.
        assert_eq!(cut(&format!("x{}", "\u{1f980}".repeat(125))).encode_utf16().count(), 249);
        assert_eq!(
            wire(&map(FieldKind::Text, Some("fields.a")), &json!({ "a": "\u{e4}".repeat(300) })),
            "\u{e4}".repeat(250)
        );
    }

    #[test]
    fn sources_read_and_write() {
        for text in ["language", "fields.city", "fields.first name"] {
            assert_eq!(String::from(FieldSource::try_from(text.to_owned()).expect("a source")), text);
        }
        for text in ["", "name", "fields.", "fields.\n", "email"] {
            assert!(FieldSource::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
