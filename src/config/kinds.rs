//! What a setting may be: each kind knows what it takes, in words and in code. A value reaches it as text, whether it
//! was a variable or a TOML string or number, so that both are read alike.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};

use super::cidr::Cidr;
use crate::crypto::{RootKeys, SecretText};
use crate::store::DatabaseUrl;
use crate::telemetry::{LogFilter, LogFormat};

/// Longest span of time a setting takes: ten years. Sums with a moment then never leave the calendar.
const LONGEST: Duration = Duration::from_secs(3650 * 24 * 3600);
/// Largest number or size a setting takes.
const LARGEST: u64 = 1_000_000_000_000;
/// Longest base address, so that every link made with it stays short.
const BASE_URL_MAX: usize = 200;
/// Blocks of trusted proxies, at most.
const CIDRS_MAX: usize = 256;

/// One kind of value.
pub(super) trait Kind {
    /// What the program gets.
    type Value;
    /// What the operator is told.
    const EXPECTED: &'static str;
    /// Whether the value must never be shown; then it may also come from a file.
    const SECRET: bool = false;

    /// Reads the text, which is not empty.
    fn parse(text: &str) -> Option<Self::Value>;

    /// What stands for a setting that is not given, if it may be absent.
    fn absent() -> Option<Self::Value> {
        None
    }
}

/// A setting that may be absent.
pub(super) struct Maybe<K>(PhantomData<K>);

impl<K: Kind> Kind for Maybe<K> {
    type Value = Option<K::Value>;
    const EXPECTED: &'static str = K::EXPECTED;
    const SECRET: bool = K::SECRET;

    fn parse(text: &str) -> Option<Self::Value> {
        K::parse(text).map(Some)
    }

    fn absent() -> Option<Self::Value> {
        Some(None)
    }
}

/// A span of time above zero: a time-out, a pause between two looks.
pub(super) struct Span;

impl Kind for Span {
    type Value = Duration;
    const EXPECTED: &'static str = "a span of time such as 500ms, 30s, 15min, 24h or 7d, above zero and at most 3650d";

    fn parse(text: &str) -> Option<Duration> {
        SpanOrZero::parse(text).filter(|span| !span.is_zero())
    }
}

/// A span of time that may be zero, which switches off what it limits.
pub(super) struct SpanOrZero;

impl Kind for SpanOrZero {
    type Value = Duration;
    const EXPECTED: &'static str = "a span of time such as 0s, 500ms, 30s, 15min, 24h or 7d, at most 3650d";

    fn parse(text: &str) -> Option<Duration> {
        let text: StrDeserializer<'_, Error> = text.into_deserializer();
        humantime_serde::deserialize(text).ok().filter(|span| *span <= LONGEST)
    }
}

/// A whole number from 1.
pub(super) struct Count<N>(PhantomData<N>);

impl<N: TryFrom<u64>> Kind for Count<N> {
    type Value = N;
    const EXPECTED: &'static str = "a whole number of at least 1";

    fn parse(text: &str) -> Option<N> {
        number(text).filter(|n| *n >= 1).and_then(|n| N::try_from(n).ok())
    }
}

/// A size in bytes, from 1.
pub(super) struct Bytes;

impl Kind for Bytes {
    type Value = usize;
    const EXPECTED: &'static str = "a size in bytes such as 65536, 64KiB, 10MiB or 200MB, at least 1";

    fn parse(text: &str) -> Option<usize> {
        let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit = match text[unit_at..].trim_start() {
            "" | "B" => 1,
            "kB" | "KB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        let size = number(&text[..unit_at])?.checked_mul(unit).filter(|n| (1..=LARGEST).contains(n))?;
        usize::try_from(size).ok()
    }
}

/// Digits alone: no sign, no blank, no separator.
pub(super) fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|n| *n <= LARGEST)
}

/// Address and port to listen on.
pub(super) struct Listen;

impl Kind for Listen {
    type Value = SocketAddr;
    const EXPECTED: &'static str = "an address and a port such as 127.0.0.1:8080 or [::1]:8080";

    fn parse(text: &str) -> Option<SocketAddr> {
        SocketAddr::from_str(text).ok()
    }
}

/// A path of the file system.
pub(super) struct FilePath;

impl Kind for FilePath {
    type Value = PathBuf;
    const EXPECTED: &'static str = "a path without control characters";

    fn parse(text: &str) -> Option<PathBuf> {
        (!text.chars().any(char::is_control)).then(|| PathBuf::from(text))
    }
}

/// The address of a web service, before which a path is put: scheme, host and port only.
pub(super) struct BaseUrl;

impl Kind for BaseUrl {
    type Value = String;
    const EXPECTED: &'static str = "an http:// or https:// address of at most 200 characters without path, final slash, query or user, such as https://consent.example.org";

    fn parse(text: &str) -> Option<String> {
        let url = url::Url::parse(text).ok()?;
        let bare = matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.username().is_empty()
            && url.password().is_none()
            && url.path() == "/"
            && url.query().is_none()
            && url.fragment().is_none()
            // The parser forgives what an operator should hear about.
            && text.contains("://")
            && !text.ends_with(['/', '\\'])
            && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        let plain = url.origin().ascii_serialization();
        (bare && text.len() <= BASE_URL_MAX && plain.len() <= BASE_URL_MAX).then_some(plain)
    }
}

/// Blocks of addresses, separated by commas.
pub(super) struct Cidrs;

impl Kind for Cidrs {
    type Value = Vec<Cidr>;
    const EXPECTED: &'static str = "up to 256 addresses or blocks separated by commas, such as 10.0.0.0/8,fd00::/8, with no bits set behind the prefix";

    fn parse(text: &str) -> Option<Vec<Cidr>> {
        let blocks: Vec<Cidr> = text.split(',').map(|block| block.trim().parse().ok()).collect::<Option<_>>()?;
        (blocks.len() <= CIDRS_MAX).then_some(blocks)
    }

    fn absent() -> Option<Vec<Cidr>> {
        Some(Vec::new())
    }
}

/// Where the database is; may hold a password.
pub(super) struct Database;

impl Kind for Database {
    type Value = SecretText;
    const EXPECTED: &'static str = "sqlite:PATH of a file or postgres://USER:PASSWORD@HOST/DATABASE";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<SecretText> {
        DatabaseUrl::parse(text).ok().map(|_| SecretText::new(text.to_owned()))
    }
}

/// A root key.
pub(super) struct RootKey;

impl Kind for RootKey {
    type Value = SecretText;
    const EXPECTED: &'static str = "32 bytes in base64, as `reconsent init` writes them";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<SecretText> {
        RootKeys::parse(text, None).ok().map(|_| SecretText::new(text.to_owned()))
    }
}

/// The mail relay; may hold a password.
pub(super) struct Relay;

impl Kind for Relay {
    type Value = SecretText;
    const EXPECTED: &'static str = "the address of a mail relay such as smtps://USER:PASSWORD@HOST or smtp://HOST:587";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<SecretText> {
        let url = url::Url::parse(text).ok()?;
        let fits = matches!(url.scheme(), "smtp" | "smtps") && url.host_str().is_some_and(|host| !host.is_empty());
        (fits && text.contains("://")).then(|| SecretText::new(text.to_owned()))
    }
}

/// The id of an app at the provider.
pub(super) struct AppId;

impl Kind for AppId {
    type Value = String;
    const EXPECTED: &'static str = "1 to 200 visible ASCII characters";

    fn parse(text: &str) -> Option<String> {
        let fits = text.len() <= 200 && text.bytes().all(|byte| byte.is_ascii_graphic());
        (fits && !text.is_empty()).then(|| text.to_owned())
    }
}

/// The secret of an app at the provider.
pub(super) struct AppSecret;

impl Kind for AppSecret {
    type Value = SecretText;
    const EXPECTED: &'static str = "1 to 200 visible ASCII characters";
    const SECRET: bool = true;

    fn parse(text: &str) -> Option<SecretText> {
        AppId::parse(text).map(SecretText::new)
    }
}

/// What is logged.
pub(super) struct Filter;

impl Kind for Filter {
    type Value = LogFilter;
    const EXPECTED: &'static str =
        "a level (off, error, warn, info, debug, trace), then targets with theirs, such as info,reconsent=debug";

    fn parse(text: &str) -> Option<LogFilter> {
        text.parse().ok()
    }
}

/// How it is logged.
pub(super) struct Format;

impl Kind for Format {
    type Value = LogFormat;
    const EXPECTED: &'static str = "text or json";

    fn parse(text: &str) -> Option<LogFormat> {
        text.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_unit_and_an_end() {
        assert_eq!(Span::parse("15min"), Some(Duration::from_secs(900)));
        assert_eq!(Span::parse("1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(SpanOrZero::parse("0s"), Some(Duration::ZERO));
        for text in ["0s", "30", "soon", "-1s", "3651d", "99999999999999999999d"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_count_is_digits_only() {
        assert_eq!(Count::<u32>::parse("12"), Some(12));
        for text in ["0", "-1", "+1", "1.5", "yes", "4_000", " 4", "4294967296"] {
            assert_eq!(Count::<u32>::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_size_may_have_a_unit() {
        assert_eq!(Bytes::parse("65536"), Some(65_536));
        assert_eq!(Bytes::parse("64KiB"), Some(65_536));
        assert_eq!(Bytes::parse("200 MB"), Some(200_000_000));
        for text in ["0", "KiB", "64K", "1.5MiB", "-1", "99999999999999GiB", "9999999GiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_base_address_is_an_origin() {
        assert_eq!(BaseUrl::parse("https://Consent.Example.org:443").as_deref(), Some("https://consent.example.org"));
        assert_eq!(BaseUrl::parse("http://127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(BaseUrl::parse("http://[::1]:8080").as_deref(), Some("http://[::1]:8080"));
        let long = format!("https://{}.example", "a.".repeat(120));
        for text in [
            "consent.example.org",
            "ftp://example.org",
            "https://example.org/",
            "https://example.org/path",
            "https://example.org?a",
            "https://example.org#a",
            "https://user@example.org",
            "https://:p@example.org",
            "https://",
            "https:example.org",
            " https://example.org",
            "https://exa\nmple.org",
            &long,
        ] {
            assert_eq!(BaseUrl::parse(text), None, "{text}");
        }
    }

    #[test]
    fn addresses_of_database_and_relay_are_told_by_their_scheme() {
        for text in ["sqlite:a.db", "postgres://u:p@h/d", "postgresql://h/d"] {
            assert!(Database::parse(text).is_some(), "{text}");
        }
        for text in ["mysql://h/d", "a.db", "sqlite:", "sqlite::memory:"] {
            assert!(Database::parse(text).is_none(), "{text}");
        }
        for text in ["smtp://localhost:1025", "smtps://user:p%40ss@relay.example"] {
            assert!(Relay::parse(text).is_some(), "{text}");
        }
        for text in ["relay.example:25", "http://relay.example", "smtp:relay", "smtp://"] {
            assert!(Relay::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn proxies_are_a_list() {
        assert_eq!(Cidrs::parse("10.0.0.0/8, ::1").map(|blocks| blocks.len()), Some(2));
        assert!(Cidrs::parse("10.0.0.0/8,").is_none());
        assert!(Cidrs::parse(&["10.0.0.1"; 257].join(",")).is_none());
    }
}
