//! The rules of the wire: which characters and lines may go out, and how a message is ended.
//!
//! Small and free of everything else, because composing, sending and address checks all rely on it.

use memchr::{memchr_iter, memchr3_iter};

/// Longest line on the wire without its CRLF (RFC 5322 2.1.1).
pub const MAX_LINE: usize = 998;
/// What [`check_bytes`] can find.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireProblem {
    /// A CR without LF or an LF without CR, at this offset.
    #[error("a bare line break at octet {0}")]
    BareLineBreak(usize),
    /// A line over 998 octets that ends at this offset.
    #[error("a line of more than 998 octets, ending at octet {0}")]
    LongLine(usize),
    /// A NUL at this offset.
    #[error("a NUL at octet {0}")]
    Nul(usize),
    /// No blank line between header and body.
    #[error("no header block")]
    NoHeader,
}

/// Characters that must not stand in any header: line breaks and other controls, and what changes or hides the
/// reading direction or has no width, as it lets a name pose as another.
#[must_use]
pub fn is_unsafe_in_header(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// The last look at the bytes before they are frozen, and again before DATA (R-46).
///
/// # Errors
/// The first [`WireProblem`] found.
pub fn check_bytes(bytes: &[u8]) -> Result<(), WireProblem> {
    let mut line_start = 0;
    let mut blank_line = false;
    for at in memchr3_iter(b'\r', b'\n', 0, bytes) {
        match bytes[at] {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => {}
            b'\n' if at > 0 && bytes[at - 1] == b'\r' => {
                let length = at - 1 - line_start;
                if length > MAX_LINE {
                    return Err(WireProblem::LongLine(at));
                }
                blank_line |= length == 0;
                line_start = at + 1;
            }
            0 => return Err(WireProblem::Nul(at)),
            _ => return Err(WireProblem::BareLineBreak(at)),
        }
    }
    if bytes.len() - line_start > MAX_LINE {
        return Err(WireProblem::LongLine(bytes.len()));
    }
    if blank_line { Ok(()) } else { Err(WireProblem::NoHeader) }
}

/// The message with leading dots doubled, ended by CRLF and the final dot.
pub(super) fn dot_stuffed(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 64 + 5);
    let mut from = 0;
    for at in memchr_iter(b'.', bytes).filter(|at| *at == 0 || bytes[at - 1] == b'\n') {
        out.extend_from_slice(&bytes[from..at]);
        out.push(b'.');
        from = at;
    }
    out.extend_from_slice(&bytes[from..]);
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lines as they are read one after the other, with nothing clever.
    fn read_line_by_line(text: &str) -> Result<(), ()> {
        let sound = |line: &str| !line.contains(['\r', '\n', '\0']) && line.len() <= MAX_LINE;
        let lines: Vec<&str> = text.split("\r\n").collect();
        // What stands behind the last line break is no line.
        let blank = lines[..lines.len() - 1].contains(&"");
        if blank && lines.iter().all(|line| sound(line)) { Ok(()) } else { Err(()) }
    }

    proptest! {
        #[test]
        fn the_last_check_agrees_with_reading_line_by_line(pieces in proptest::collection::vec(
            prop_oneof![4 => Just("\r\n"), 4 => Just("ab"), 2 => Just("."), 1 => Just("\r"), 1 => Just("\n"), 1 => Just("\0")], 0..12)) {
            let text = pieces.concat();
            prop_assert_eq!(check_bytes(text.as_bytes()).map_err(|_| ()), read_line_by_line(&text));
        }

        #[test]
        fn what_was_stuffed_reads_back(pieces in proptest::collection::vec(
            prop_oneof![Just("\r\n"), Just("."), Just("a")], 0..16)) {
            let text = pieces.concat() + "\r\n";
            let wire = String::from_utf8(dot_stuffed(text.as_bytes())).unwrap();
            let read: String = wire.split_inclusive("\r\n").take_while(|line| *line != ".\r\n")
                .map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn dots_are_doubled_and_the_end_is_marked() {
        let rows: [(&[u8], &[u8]); 5] = [
            (b"a\r\n", b"a\r\n.\r\n"),
            (b"a", b"a\r\n.\r\n"),
            (b".\r\n..\r\na.\r\n", b"..\r\n...\r\na.\r\n.\r\n"),
            (b"\r\n.\r\n", b"\r\n..\r\n.\r\n"),
            (b"", b"\r\n.\r\n"),
        ];
        for (bytes, wire) in rows {
            assert_eq!(dot_stuffed(bytes), wire);
        }
    }

    #[test]
    fn the_last_check_finds_each_fault() {
        assert_eq!(check_bytes(b"A: b\r\n\r\nbody\r\n"), Ok(()));
        assert_eq!(check_bytes(b"A: b\r\n\r\nbo\ndy\r\n"), Err(WireProblem::BareLineBreak(10)));
        assert_eq!(check_bytes(b"A: b\r\n\r\nbo\rdy\r\n"), Err(WireProblem::BareLineBreak(10)));
        assert_eq!(check_bytes(b"A: b\r\n\r\nbody\r"), Err(WireProblem::BareLineBreak(12)));
        assert_eq!(check_bytes(b"A: b\r\n\r\nbo\0dy\r\n"), Err(WireProblem::Nul(10)));
        assert_eq!(check_bytes(b"A: b\r\n"), Err(WireProblem::NoHeader));
        let line = |n: usize| [b"A: b\r\n\r\n".as_slice(), &vec![b'x'; n], b"\r\n"].concat();
        assert_eq!(check_bytes(&line(998)), Ok(()));
        assert!(matches!(check_bytes(&line(999)), Err(WireProblem::LongLine(_))));
        assert!(matches!(check_bytes(&line(999)[..1007]), Err(WireProblem::LongLine(_))));
    }
}
