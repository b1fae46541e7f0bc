//! Times as the provider writes them: the client's zone, no offset, whole minutes for subscribers.
//!
//! The labels are those of reference section 4.1; their offset is the winter one and computes nothing.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, Unit};

/// Label and IANA zone, in the order of `GET /timezones.json`.
pub(super) const ZONES: [(&str, &str); 26] = [
    ("(GMT-10:00) Hawaii", "Pacific/Honolulu"),
    ("(GMT-08:00) Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("(GMT-07:00) Mountain Time (US & Canada)", "America/Denver"),
    ("(GMT-06:00) Central Time (US & Canada)", "America/Chicago"),
    ("(GMT-05:00) Eastern Time (US & Canada)", "America/New_York"),
    ("(GMT-04:00) Atlantic Time (Canada)", "America/Halifax"),
    ("(GMT-03:00) Brasilia", "America/Sao_Paulo"),
    ("(GMT) Coordinated Universal Time", "UTC"),
    ("(GMT+00:00) Dublin, Edinburgh, Lisbon, London", "Europe/London"),
    ("(GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Amsterdam"),
    ("(GMT+01:00) Belgrade, Bratislava, Budapest, Ljubljana, Prague", "Europe/Belgrade"),
    ("(GMT+01:00) Brussels, Copenhagen, Madrid, Paris", "Europe/Brussels"),
    ("(GMT+01:00) Sarajevo, Skopje, Warsaw, Zagreb", "Europe/Sarajevo"),
    ("(GMT+02:00) Athens, Bucharest", "Europe/Athens"),
    ("(GMT+02:00) Cairo", "Africa/Cairo"),
    ("(GMT+02:00) Harare, Pretoria", "Africa/Johannesburg"),
    ("(GMT+02:00) Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius", "Europe/Helsinki"),
    ("(GMT+03:00) Istanbul", "Europe/Istanbul"),
    ("(GMT+03:00) Nairobi", "Africa/Nairobi"),
    ("(GMT+04:00) Abu Dhabi, Muscat", "Asia/Dubai"),
    ("(GMT+05:30) Chennai, Kolkata, Mumbai, New Delhi", "Asia/Kolkata"),
    ("(GMT+08:00) Kuala Lumpur, Singapore", "Asia/Singapore"),
    ("(GMT+09:00) Osaka, Sapporo, Tokyo", "Asia/Tokyo"),
    ("(GMT+10:00) Brisbane", "Australia/Brisbane"),
    ("(GMT+10:00) Canberra, Melbourne, Sydney", "Australia/Sydney"),
    ("(GMT+12:00) Auckland, Wellington", "Pacific/Auckland"),
];

/// The IANA name for a label or an IANA name, if this machine knows the zone.
pub(super) fn iana(zone: &str) -> Option<String> {
    let name = ZONES.iter().find(|(label, _)| *label == zone).map_or(zone, |(_, name)| name);
    TimeZone::get(name).ok().map(|_| name.to_owned())
}

pub(super) fn label(iana: &str) -> String {
    ZONES.iter().find(|(_, name)| *name == iana).map_or_else(|| iana.to_owned(), |(label, _)| (*label).to_owned())
}

fn zone(iana: &str) -> TimeZone {
    // Checked when the client was made; a machine that lost its zone data still answers.
    TimeZone::get(iana).unwrap_or(TimeZone::UTC)
}

pub(super) fn local(at: Timestamp, iana: &str) -> DateTime {
    at.to_zoned(zone(iana)).datetime()
}

/// `YYYY-MM-DD HH:MM:SS` in the zone.
pub(super) fn seconds(at: Timestamp, iana: &str) -> String {
    local(at, iana).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// ISO 8601 with the offset of that moment.
pub(super) fn with_offset(at: Timestamp, iana: &str) -> String {
    at.to_zoned(zone(iana)).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// When a day begins in the zone.
pub(super) fn midnight(day: Date, iana: &str) -> Timestamp {
    // Only the last days of the calendar have no such moment.
    day.to_zoned(zone(iana)).map_or(Timestamp::MAX, |at| at.timestamp())
}

/// The moment cut to its minute, the resolution subscriber dates have.
pub(super) fn minute(at: Timestamp) -> Timestamp {
    let rounding = jiff::TimestampRound::new().smallest(Unit::Minute).mode(jiff::RoundMode::Trunc);
    at.round(rounding).unwrap_or(at)
}

/// `YYYY-MM-DD`, optionally with a time to the minute or second, in the zone.
pub(super) fn parse(text: &str, iana: &str) -> Option<Timestamp> {
    let local = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|format| DateTime::strptime(format, text).ok())
        .or_else(|| Date::strptime("%Y-%m-%d", text).ok().map(|date| date.at(0, 0, 0, 0)))?;
    local.to_zoned(zone(iana)).ok().map(|at| at.timestamp())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_zone_through_summer_and_winter() {
        let zone = iana("(GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna").unwrap();
        assert_eq!(zone, "Europe/Amsterdam");
        let summer: Timestamp = "2026-07-01T12:00:31Z".parse().unwrap();
        assert_eq!(seconds(summer, &zone), "2026-07-01 14:00:31");
        assert_eq!(seconds(minute(summer), &zone), "2026-07-01 14:00:00");
        let winter: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        assert_eq!(parse("2026-01-01 13:00", &zone), Some(winter));
        assert_eq!(parse("2026-13-01", &zone), None);
        assert_eq!(parse("01/02/2026", &zone), None);
    }

    #[test]
    fn every_label_names_a_zone_that_exists() {
        for (label, _) in ZONES {
            assert!(iana(label).is_some(), "{label}");
        }
    }
}
