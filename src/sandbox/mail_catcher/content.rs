//! Collecting the content after `DATA`: dot-unstuffing, the end mark, the size bound.
//!
//! Promises: only CRLF `.` CRLF ends a message, so a bare line feed cannot smuggle a second one in;
//! content over the bound is read to its end but no longer held, so the conversation stays in step.

/// A message body being received.
pub(super) struct Content {
    bytes: Vec<u8>,
    line_start: usize,
    limit: usize,
    too_large: bool,
}

/// What a finished body is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Finished {
    Whole(Vec<u8>),
    TooLarge,
}

impl Content {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), line_start: 0, limit, too_large: false }
    }

    /// Takes bytes up to the end mark. Says how many were used and whether the end was reached.
    pub(super) fn take(&mut self, input: &[u8]) -> (usize, bool) {
        let mut used = 0;
        while used < input.len() {
            let rest = &input[used..];
            let (piece, ends_line) = match rest.iter().position(|byte| *byte == b'\n') {
                Some(at) => (&rest[..=at], true),
                None => (rest, false),
            };
            used += piece.len();
            self.bytes.extend_from_slice(piece);
            if ends_line && self.bytes.ends_with(b"\r\n") && self.line_done() {
                return (used, true);
            }
            self.mind_the_bound();
        }
        (used, false)
    }

    /// Closes the current line; true when it was the end mark.
    fn line_done(&mut self) -> bool {
        let line = &self.bytes[self.line_start..];
        if line == b".\r\n" {
            self.bytes.truncate(self.line_start);
            return true;
        }
        if line.first() == Some(&b'.') {
            self.bytes.remove(self.line_start);
        }
        self.line_start = self.bytes.len();
        false
    }

    fn mind_the_bound(&mut self) {
        if self.bytes.len() > self.limit + 3 {
            self.too_large = true;
        }
        if self.too_large {
            // Enough of the open line stays to recognise the end mark: a line longer than the mark
            // only needs its first bytes (never the mark) and its last (perhaps half of CRLF).
            let line = &self.bytes[self.line_start..];
            let mut kept = line.to_vec();
            if kept.len() > 3 {
                let last = kept[kept.len() - 1];
                kept.truncate(3);
                kept.push(last);
            }
            self.bytes = kept;
            self.line_start = 0;
        }
    }

    pub(super) fn finish(self) -> Finished {
        if self.too_large || self.bytes.len() > self.limit { Finished::TooLarge } else { Finished::Whole(self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(input: &[u8], limit: usize, step: usize) -> (Finished, usize) {
        let mut content = Content::new(limit);
        let mut used = 0;
        for piece in input.chunks(step) {
            let (taken, done) = content.take(piece);
            used += taken;
            if done {
                return (content.finish(), used);
            }
        }
        panic!("no end mark found");
    }

    #[test]
    fn leading_dots_are_unstuffed_and_the_end_mark_is_not_content() {
        let input = b"Subject: x\r\n\r\n..one\r\n...\r\nlast\r\n.\r\nQUIT\r\n";
        for step in 1..input.len() {
            let (finished, used) = receive(input, 1000, step);
            assert_eq!(finished, Finished::Whole(b"Subject: x\r\n\r\n.one\r\n..\r\nlast\r\n".to_vec()));
            assert_eq!(&input[used..], b"QUIT\r\n");
        }
    }

    #[test]
    fn a_bare_line_feed_does_not_end_a_message() {
        let (finished, _) = receive(b"a\n.\nb\n.\r\nc\r\n.\r\n", 1000, 3);
        assert_eq!(finished, Finished::Whole(b"a\n.\nb\n.\r\nc\r\n".to_vec()));
    }

    #[test]
    fn an_empty_message_is_only_the_end_mark() {
        assert_eq!(receive(b".\r\n", 10, 1).0, Finished::Whole(Vec::new()));
    }

    #[test]
    fn too_much_content_is_read_to_its_end_without_being_held() {
        let mut input = vec![b'x'; 5_000];
        input.extend_from_slice(b"\r\n.more\r\n\n.\n\r\n.\r\nNOOP\r\n");
        for step in [1, 7, 100, 6_000] {
            let mut content = Content::new(100);
            let mut used = 0;
            for piece in input.chunks(step) {
                let (taken, done) = content.take(piece);
                used += taken;
                assert!(content.bytes.len() <= 110 + step);
                if done {
                    break;
                }
            }
            assert_eq!(content.finish(), Finished::TooLarge);
            assert_eq!(&input[used..], b"NOOP\r\n");
        }
    }
}
