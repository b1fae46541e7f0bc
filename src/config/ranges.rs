//! Kinds of settings that lie within a stated range: the words that tell the operator are made from the bounds in
//! force, so that the two cannot drift apart.

use std::marker::PhantomData;
use std::time::Duration;

use super::kinds::{Bytes, Kind, SpanOrZero, number};

/// A whole number from `LEAST` to `MOST`.
pub(super) struct Whole<N, const LEAST: u64, const MOST: u64>(PhantomData<N>);

impl<N, const LEAST: u64, const MOST: u64> Whole<N, LEAST, MOST> {
    const WORDS: Words = Words::new().text("a whole number from ").number(LEAST).text(" to ").number(MOST);
}

impl<N: TryFrom<u64>, const LEAST: u64, const MOST: u64> Kind for Whole<N, LEAST, MOST> {
    type Value = N;
    const EXPECTED: &'static str = Self::WORDS.read();

    fn parse(text: &str) -> Option<N> {
        number(text).filter(|n| (LEAST..=MOST).contains(n)).and_then(|n| N::try_from(n).ok())
    }
}

/// A size from `LEAST` to `MOST` bytes.
pub(super) struct Size<const LEAST: usize, const MOST: usize>;

impl<const LEAST: usize, const MOST: usize> Size<LEAST, MOST> {
    const WORDS: Words = Words::new()
        .text("a size in bytes such as 65536, 64KiB or 10MiB, from ")
        .number(LEAST as u64)
        .text(" to ")
        .number(MOST as u64);
}

impl<const LEAST: usize, const MOST: usize> Kind for Size<LEAST, MOST> {
    type Value = usize;
    const EXPECTED: &'static str = Self::WORDS.read();

    fn parse(text: &str) -> Option<usize> {
        Bytes::parse(text).filter(|size| (LEAST..=MOST).contains(size))
    }
}

/// A span of time above zero and of at most `SECONDS`.
pub(super) struct Within<const SECONDS: u64>;

impl<const SECONDS: u64> Within<SECONDS> {
    const WORDS: Words = Words::new()
        .text("a span of time such as 500ms, 30s, 15min or 24h, above zero and at most ")
        .number(SECONDS)
        .text("s");
}

impl<const SECONDS: u64> Kind for Within<SECONDS> {
    type Value = Duration;
    const EXPECTED: &'static str = Self::WORDS.read();

    fn parse(text: &str) -> Option<Duration> {
        SpanOrZero::parse(text).filter(|span| !span.is_zero() && *span <= Duration::from_secs(SECONDS))
    }
}

/// A short text put together while compiling.
struct Words {
    bytes: [u8; 120],
    length: usize,
}

impl Words {
    const fn new() -> Self {
        Self { bytes: [0; 120], length: 0 }
    }

    const fn text(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut at = 0;
        while at < text.len() {
            self.bytes[self.length] = text[at];
            self.length += 1;
            at += 1;
        }
        self
    }

    const fn number(mut self, number: u64) -> Self {
        let mut digits = 1;
        let mut rest = number / 10;
        while rest > 0 {
            digits += 1;
            rest /= 10;
        }
        let mut rest = number;
        let mut left = digits;
        while left > 0 {
            left -= 1;
            self.bytes[self.length + left] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        self.length += digits;
        self
    }

    const fn read(&self) -> &str {
        let (text, _) = self.bytes.split_at(self.length);
        match std::str::from_utf8(text) {
            Ok(text) => text,
            // Ends the compilation: the pieces are text and ASCII digits.
            Err(_) => panic!("words are UTF-8"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_kept_and_told() {
        type Hands = Whole<u32, 1, 64>;
        assert_eq!(Hands::EXPECTED, "a whole number from 1 to 64");
        assert_eq!((Hands::parse("1"), Hands::parse("64")), (Some(1), Some(64)));
        for text in ["0", "65", "-1", "1.0", "", "all"] {
            assert_eq!(Hands::parse(text), None, "{text}");
        }
        type Body = Size<1024, 2_097_152>;
        assert_eq!(Body::EXPECTED, "a size in bytes such as 65536, 64KiB or 10MiB, from 1024 to 2097152");
        assert_eq!((Body::parse("1KiB"), Body::parse("2MiB")), (Some(1024), Some(2_097_152)));
        assert_eq!((Body::parse("1023"), Body::parse("3MiB")), (None, None));
        type Hour = Within<3600>;
        assert_eq!(Hour::EXPECTED, "a span of time such as 500ms, 30s, 15min or 24h, above zero and at most 3600s");
        assert_eq!(Hour::parse("1h"), Some(Duration::from_secs(3600)));
        assert_eq!((Hour::parse("0s"), Hour::parse("61min")), (None, None));
    }

    #[test]
    fn numbers_are_written_whole() {
        for (number, text) in
            [(0, "0"), (9, "9"), (10, "10"), (1_000_000, "1000000"), (u64::MAX, "18446744073709551615")]
        {
            assert_eq!(Words::new().number(number).read(), text);
        }
    }
}
