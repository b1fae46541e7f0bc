//! Names and other short lines of text from outside, safe to show and to put into a header.

use std::fmt;

/// A line of 1 to 200 characters without control characters or direction overrides. Personal: `Debug` masks it.
#[derive(Clone, PartialEq, Eq)]
pub struct DisplayName(String);

/// Why a text is not such a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// More than 200 characters.
    #[error("at most 200 characters")]
    TooLong,
    /// Line breaks, control characters or characters that turn the direction of text around.
    #[error("control characters, line breaks and direction overrides are not allowed")]
    Control,
}

impl DisplayName {
    /// Parses a name; blank text is no name.
    pub fn parse(raw: &str) -> Result<Option<Self>, InvalidName> {
        // ASCII blanks go first; Unicode's idea of blanks takes in line separators, which are to be refused, not dropped.
        let text = raw.trim_matches(|c: char| c.is_ascii_whitespace());
        if text.chars().any(is_unsafe_in_a_line) {
            return Err(InvalidName::Control);
        }
        let text = text.trim();
        if text.chars().count() > 200 {
            return Err(InvalidName::TooLong);
        }
        Ok((!text.is_empty()).then(|| Self(text.to_owned())))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// First character and dots, for pages reached by link (LK-08).
    pub fn masked(&self) -> String {
        let mut initials = self.0.split_whitespace().filter_map(|word| word.chars().next());
        initials.by_ref().take(3).map(|c| format!("{c}•••")).collect::<Vec<_>>().join(" ")
    }
}

impl fmt::Debug for DisplayName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DisplayName(***)")
    }
}

/// Control characters (C0, DEL, C1), line and paragraph separators, direction marks and overrides, byte order mark.
pub fn is_unsafe_in_a_line(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_break_a_header_are_refused() {
        for bad in ["Eve\r\nBcc: all@example.org", "Eve\0", "Eve\u{202e}", "Eve\u{2028}", "E\u{85}ve"] {
            assert_eq!(DisplayName::parse(bad), Err(InvalidName::Control), "{bad:?}");
        }
        assert_eq!(DisplayName::parse(&"x".repeat(201)), Err(InvalidName::TooLong));
        assert_eq!(DisplayName::parse("  ").unwrap(), None);
        assert_eq!(DisplayName::parse(" Anaïs Ñandú ").unwrap().unwrap().as_str(), "Anaïs Ñandú");
    }

    #[test]
    fn a_masked_name_keeps_initials_only() {
        assert_eq!(DisplayName::parse("Ana Maria").unwrap().unwrap().masked(), "A••• M•••");
    }
}
