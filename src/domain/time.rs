//! Moments and calendar durations. A moment is microseconds since 1970 UTC, as stored. A validity such as `P24M`
//! is a calendar duration (ISO 8601): two years from the 29th of February is a question for the calendar.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Span;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment, in microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The text was not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a time: expected RFC 3339 such as 2026-11-24T09:30:00Z, or a date such as 2026-11-24")]
pub struct InvalidTimestamp;

impl Timestamp {
    /// From microseconds since 1970 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since 1970 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970 UTC, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// RFC 3339 with an offset or `Z`, or a bare date (taken as midnight UTC).
    pub fn parse(text: &str) -> Result<Self, InvalidTimestamp> {
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Ok(Self(at.as_microsecond()));
        }
        let date: jiff::civil::Date = text.parse().map_err(|_| InvalidTimestamp)?;
        let at = date.to_zoned(jiff::tz::TimeZone::UTC).map_err(|_| InvalidTimestamp)?;
        Ok(Self(at.timestamp().as_microsecond()))
    }

    /// This moment moved on by a span of clock time; stops at the end of the representable range.
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment moved back by a span of clock time.
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_micros()).unwrap_or(i64::MAX)))
    }

    /// Clock time from `earlier` to here; zero when `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same moment for the calendar library; moments outside its range (year 9999) are held at the edge.
    pub fn calendar(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        })
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calendar().fmt(f)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.calendar().fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A calendar duration of whole years, months, weeks and days, at most 100 years, such as `P24M` or `P60D`.
#[derive(Clone, Copy)]
pub struct Period(Span);

/// The text was not a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a period: expected ISO 8601 with whole years, months, weeks or days up to 100 years, such as P24M or P60D"
)]
pub struct InvalidPeriod;

impl Period {
    /// Parses ISO 8601; refuses signs, fractions, clock parts and nothing at all.
    pub fn parse(text: &str) -> Result<Self, InvalidPeriod> {
        // The library's general reader also takes plain words such as "24 months"; this one takes ISO 8601 only.
        let span: Span = jiff::fmt::temporal::SpanParser::new().parse_span(text).map_err(|_| InvalidPeriod)?;
        let clock_parts = span.get_hours() != 0
            || span.get_minutes() != 0
            || span.get_seconds() != 0
            || span.get_milliseconds() != 0
            || span.get_microseconds() != 0
            || span.get_nanoseconds() != 0;
        let too_long = i64::from(span.get_years()) * 366
            + i64::from(span.get_months()) * 31
            + i64::from(span.get_weeks()) * 7
            + i64::from(span.get_days())
            > 36_600;
        if clock_parts || too_long || span.is_negative() || span.is_zero() {
            return Err(InvalidPeriod);
        }
        Ok(Self(span))
    }

    /// The moment this much after `from`, by the UTC calendar.
    pub fn after(self, from: Timestamp) -> Timestamp {
        from.calendar()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .checked_add(self.0)
            .map_or(from, |at| Timestamp::from_micros(at.timestamp().as_microsecond()))
    }

    /// The moment this much before `until`, by the UTC calendar.
    pub fn before(self, until: Timestamp) -> Timestamp {
        until
            .calendar()
            .to_zoned(jiff::tz::TimeZone::UTC)
            .checked_sub(self.0)
            .map_or(until, |at| Timestamp::from_micros(at.timestamp().as_microsecond()))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl FromStr for Period {
    type Err = InvalidPeriod;
    fn from_str(text: &str) -> Result<Self, InvalidPeriod> {
        Self::parse(text)
    }
}

impl Serialize for Period {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_follows_the_calendar() {
        let leap_day = Timestamp::parse("2024-02-29T12:00:00Z").unwrap();
        let two_years = Period::parse("P24M").unwrap();
        assert_eq!(two_years.after(leap_day).to_string(), "2026-02-28T12:00:00Z");
        let window = Period::parse("P60D").unwrap();
        assert_eq!(window.before(Timestamp::parse("2026-03-01").unwrap()).to_string(), "2025-12-31T00:00:00Z");
    }

    #[test]
    fn periods_that_are_not_whole_days_or_have_no_length_are_refused() {
        for text in ["", "P", "P0D", "-P1D", "PT5M", "P1DT1H", "P1.5Y", "P200Y", "24 months"] {
            assert!(Period::parse(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn a_bare_date_is_midnight_utc() {
        assert_eq!(Timestamp::parse("2026-11-24").unwrap(), Timestamp::parse("2026-11-24T00:00:00Z").unwrap());
        assert!(Timestamp::parse("24.11.2026").is_err());
    }
}
