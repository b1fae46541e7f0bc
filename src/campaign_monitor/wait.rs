//! How long the headers of an answer ask us to wait.
//!
//! Two headers may say it: `X-RateLimit-Reset` (seconds until the reset, not an epoch; it stands
//! on good answers as well and counts only at 429) and `Retry-After` in either of its forms. The
//! longer one holds. The result lies between one second and one hour, whatever the header says.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::header::{DATE, HeaderMap, HeaderName, RETRY_AFTER};

const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(3600);

pub(super) fn asked(headers: &HeaderMap, status: u16, now_secs: i64) -> Option<Duration> {
    // Their date against their clock: ours may be off.
    let now = text(headers, &DATE).and_then(http_date).unwrap_or(now_secs);
    let reset = HeaderName::from_static("x-ratelimit-reset");
    let reset = if status == 429 { text(headers, &reset).and_then(seconds) } else { None };
    let after = text(headers, &RETRY_AFTER)
        .and_then(|value| seconds(value).or_else(|| Some(http_date(value)?.saturating_sub(now).max(0))));
    let longest = reset.into_iter().chain(after).max()?;
    Some(Duration::from_secs(longest.unsigned_abs()).clamp(LEAST, MOST))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn seconds(value: &str) -> Option<i64> {
    let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
    // A number too long to hold is a very long wait, not none.
    digits.then(|| value.parse().unwrap_or(i64::MAX))
}

/// The three forms of a date in HTTP.
fn http_date(value: &str) -> Option<i64> {
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"]
        .iter()
        .find_map(|form| DateTime::strptime(form, value).ok())
        .and_then(|moment| TimeZone::UTC.to_timestamp(moment).ok())
        .map(|moment| moment.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    /// 1994-11-06 08:49:37 UTC.
    const THEN: i64 = 784_111_777;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn both_headers_in_every_form() {
        type Case<'a> = (&'a [(&'static str, &'a str)], Option<u64>);
        let cases: &[Case<'_>] = &[
            (&[], None),
            (&[("x-ratelimit-reset", "348")], Some(348)),
            (&[("x-ratelimit-reset", "0")], Some(1)),
            (&[("x-ratelimit-reset", "1793530000")], Some(3600)),
            (&[("retry-after", "120")], Some(120)),
            (&[("retry-after", "99999999999999999999999")], Some(3600)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")], Some(60)),
            (&[("retry-after", "Sunday, 06-Nov-94 08:50:37 GMT")], Some(60)),
            (&[("retry-after", "Sun Nov  6 08:50:37 1994")], Some(60)),
            (&[("retry-after", "Sun, 06 Nov 1994 08:00:00 GMT")], Some(1)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-5")], None),
            (&[("retry-after", "1.5")], None),
            (&[("retry-after", "10"), ("x-ratelimit-reset", "20")], Some(20)),
            (&[("retry-after", "30"), ("x-ratelimit-reset", "20")], Some(30)),
        ];
        for (given, expected) in cases {
            let waited = asked(&headers(given), 429, THEN);
            assert_eq!(waited, expected.map(Duration::from_secs), "{given:?}");
        }
    }

    #[test]
    fn their_clock_measures_their_date() {
        let given =
            headers(&[("date", "Sun, 06 Nov 1994 08:50:27 GMT"), ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]);
        assert_eq!(asked(&given, 503, 0), Some(Duration::from_secs(10)));
    }

    #[test]
    fn the_reset_means_nothing_on_other_answers() {
        assert_eq!(asked(&headers(&[("x-ratelimit-reset", "348")]), 503, THEN), None);
    }
}
