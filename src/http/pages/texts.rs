//! The fixed texts, by language. A language is one file in `texts/` and one line in `FILES`; a test keeps keys and
//! placeholders of all files equal. The wording of notices is not here: it comes with the notice (PF-03).

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The first one is what everything falls back to.
const FILES: [(&str, &str); 2] = [("en", include_str!("texts/en.json")), ("de", include_str!("texts/de.json"))];

type Table = BTreeMap<String, String>;

static TABLES: LazyLock<Vec<(&'static str, Table)>> = LazyLock::new(|| {
    let parse = |text| serde_json::from_str(text).expect("embedded, and parsed by the tests");
    FILES.iter().map(|(language, text)| (*language, parse(text))).collect()
});

/// Header fields longer than this are not looked at.
const MAX_HEADER: usize = 512;

/// The languages with a table of their own, as primary subtags.
pub fn languages() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(language, _)| *language)
}

/// Whether the fixed texts exist in the language of this tag; a notice in another one is shown between English words.
pub fn is_supported(tag: &str) -> bool {
    languages().any(|language| language.eq_ignore_ascii_case(primary(tag)))
}

/// The language for a page without a notice: the best match of an `Accept-Language` field.
pub fn negotiate(accept_language: Option<&str>) -> &'static str {
    let field = accept_language.filter(|field| field.len() <= MAX_HEADER).unwrap_or_default();
    let mut best = (0.0, FILES[0].0);
    for range in field.split(',') {
        let mut parts = range.split(';');
        let tag = primary(parts.next().unwrap_or_default().trim());
        let weight = parts.find_map(|part| part.trim().strip_prefix("q=")).map_or(Ok(1.0_f32), str::parse);
        if let (Ok(weight), Some(language)) = (weight, languages().find(|known| known.eq_ignore_ascii_case(tag)))
            && weight > best.0
        {
            best = (weight, language);
        }
    }
    best.1
}

/// The text of this key in the language of this tag.
pub(super) fn text(tag: &str, key: &str) -> Option<&'static str> {
    let wanted = primary(tag);
    let own = TABLES.iter().find(|(language, _)| language.eq_ignore_ascii_case(wanted));
    own.or_else(|| TABLES.first()).and_then(|(_, table)| table.get(key)).map(String::as_str)
}

/// Puts values into the `{placeholders}` of a text; `None` when a value is missing.
pub(super) fn fill<'a>(text: &str, value: impl Fn(&str) -> Option<std::borrow::Cow<'a, str>>) -> Option<String> {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

fn primary(tag: &str) -> &str {
    tag.split(['-', '_']).next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|part| part.split_once('}').expect("closed").0).collect()
    }

    #[test]
    fn every_language_has_the_same_keys_and_placeholders() {
        let (_, english) = &TABLES[0];
        for (language, table) in TABLES.iter() {
            assert_eq!(table.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language}");
            for (key, text) in table {
                assert!(!text.trim().is_empty(), "{language} {key}");
                assert_eq!(placeholders(text), placeholders(&english[key]), "{language} {key}");
            }
        }
    }

    #[test]
    fn no_key_stands_twice_in_a_file() {
        for (language, file) in FILES {
            let lines = file.lines().filter(|line| line.trim_start().starts_with('"')).count();
            assert_eq!(lines, serde_json::from_str::<Table>(file).unwrap().len(), "{language}");
        }
    }

    #[test]
    fn the_language_is_negotiated() {
        for (field, language) in [
            (None, "en"),
            (Some(""), "en"),
            (Some("de-AT,de;q=0.9,en;q=0.8"), "de"),
            (Some("fr,en;q=0.5,de;q=0.7"), "de"),
            (Some("de;q=0"), "en"),
            (Some("de;q=x, ;;q=,*"), "en"),
            (Some("DE"), "de"),
        ] {
            assert_eq!(negotiate(field), language, "{field:?}");
        }
        assert_eq!(negotiate(Some(&"de,".repeat(200))), "en");
        assert!(is_supported("de-CH") && !is_supported("fr") && !is_supported(""));
    }

    #[test]
    fn texts_are_filled_or_refused() {
        assert_eq!(fill("a {x} b", |_| Some("1".into())).as_deref(), Some("a 1 b"));
        assert_eq!(fill("a {x} b", |_| None), None);
        assert_eq!(fill("a {x", |_| Some("1".into())), None);
    }
}
