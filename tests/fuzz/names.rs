//! Names: what is taken is one line, safe in a header, and the same when read again.

use reconsent::domain::name::{DisplayName, is_unsafe_in_a_line};

pub fn corpus() -> Vec<Vec<u8>> {
    let long = "x".repeat(199);
    ["Ana Maria", " Anaïs Ñandú ", "Eve\r\nBcc: all@example.org", "\u{202e}evE", "李 小龍", "  ", long.as_str()]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(Some(name)) = DisplayName::parse(&text) else { return };
    let line = name.as_str();
    assert!(!line.is_empty() && line.trim() == line && line.chars().count() <= 200);
    assert!(!line.chars().any(is_unsafe_in_a_line) && !line.contains(['\r', '\n', '\0']));
    assert_eq!(DisplayName::parse(line), Ok(Some(name.clone())));
    assert_eq!(format!("{name:?}"), "DisplayName(***)");
    assert!(!name.masked().is_empty());
}
