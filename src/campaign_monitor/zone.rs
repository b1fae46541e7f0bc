//! The provider's dates: local times of a client's zone, without an offset.
//!
//! A zone comes from a setting or from the client's label. The offset inside a label is the
//! winter offset and is never computed with. Only labels we are sure of are mapped; for any
//! other the operator sets the zone.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};

/// Labels after their offset, in today's and in older spellings, and the zone they mean.
const LABELS: &[(&str, &str)] = &[
    ("Coordinated Universal Time", "UTC"),
    ("Dublin, Edinburgh, Lisbon, London", "Europe/London"),
    ("Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London", "Europe/London"),
    ("Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna", "Europe/Amsterdam"),
    ("Belgrade, Bratislava, Budapest, Ljubljana, Prague", "Europe/Belgrade"),
    ("Brussels, Copenhagen, Madrid, Paris", "Europe/Brussels"),
    ("Sarajevo, Skopje, Warsaw, Zagreb", "Europe/Sarajevo"),
    ("Athens, Bucharest", "Europe/Athens"),
    ("Athens, Bucharest, Istanbul", "Europe/Athens"),
    ("Helsinki, Kyiv, Riga, Sofia, Tallinn, Vilnius", "Europe/Helsinki"),
    ("Eastern Time (US & Canada)", "America/New_York"),
    ("Central Time (US & Canada)", "America/Chicago"),
    ("Mountain Time (US & Canada)", "America/Denver"),
    ("Pacific Time (US & Canada)", "America/Los_Angeles"),
    ("Chennai, Kolkata, Mumbai, New Delhi", "Asia/Kolkata"),
    ("Osaka, Sapporo, Tokyo", "Asia/Tokyo"),
    ("Canberra, Melbourne, Sydney", "Australia/Sydney"),
    ("Auckland, Wellington", "Pacific/Auckland"),
];

/// Subscriber dates end in `:00` seconds: a whole minute may hide behind one.
const HIDDEN_MICROS: i64 = 59_999_999;
/// What hides behind any other second.
const BELOW_A_SECOND: i64 = 999_999;

/// The IANA name for a client's label, if we know it.
pub fn label_zone(label: &str) -> Option<&'static str> {
    let label = label.trim();
    // The offset's own spelling has changed over the years: "(GMT)", "(GMT+00:00)".
    let places = match label.strip_prefix('(') {
        Some(rest) => rest.split_once(')')?.1,
        None => label,
    };
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let wanted = words(places);
    LABELS.iter().find(|(known, _)| words(known) == wanted).map(|(_, zone)| *zone)
}

/// Why a zone or a date cannot be used. Dates are not quoted: they belong to a person.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZoneError {
    /// This machine's zone data does not know the name.
    #[error("unknown time zone {0}")]
    UnknownZone(String),
    /// No zone is known for a client's label; it has to be set.
    #[error("no time zone is known for the label {0}; set it")]
    UnknownLabel(String),
    /// Not `YYYY-MM-DD HH:MM:SS`.
    #[error("not a date of the provider")]
    BadDate,
}

/// A client's zone, ready for use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

/// The instants a provider's date may mean, in unix microseconds, ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The earliest. Start reading from here.
    pub earliest: i64,
    /// The latest, hidden seconds included. Our consent is newer than their opt-out only if it
    /// is newer than this.
    pub latest: i64,
}

impl Zone {
    /// The zone of this IANA name.
    pub fn named(name: &str) -> Result<Self, ZoneError> {
        TimeZone::get(name).map(Self).map_err(|_| ZoneError::UnknownZone(name.to_owned()))
    }

    /// The zone of a client's label.
    pub fn of_label(label: &str) -> Result<Self, ZoneError> {
        let name = label_zone(label).ok_or_else(|| ZoneError::UnknownLabel(label.to_owned()))?;
        Self::named(name)
    }

    /// How many seconds its clocks are ahead of UTC at this instant.
    pub fn offset_at(&self, unix_micros: i64) -> Result<i32, ZoneError> {
        let instant = Timestamp::from_microsecond(unix_micros).map_err(|_| ZoneError::BadDate)?;
        Ok(self.0.to_offset(instant).seconds())
    }

    /// The day of the client's calendar at this instant, for the `date` of a page.
    pub fn day_of(&self, unix_micros: i64) -> Result<Date, ZoneError> {
        let instant = Timestamp::from_microsecond(unix_micros).map_err(|_| ZoneError::BadDate)?;
        Ok(self.0.to_datetime(instant).date())
    }

    /// All instants a date may mean.
    pub fn window(&self, date: &str) -> Result<Window, ZoneError> {
        let local = read(date)?;
        let hidden = if local.second() == 0 { HIDDEN_MICROS } else { BELOW_A_SECOND };
        let ambiguous = self.0.to_ambiguous_timestamp(local);
        // A local time that a spring change skips never was on a clock: only a fold has two readings.
        let fold = matches!(ambiguous.offset(), AmbiguousOffset::Fold { .. });
        let latest = ambiguous.later().map_err(|_| ZoneError::BadDate)?;
        let earliest = if fold { ambiguous.earlier().map_err(|_| ZoneError::BadDate)? } else { latest };
        Ok(Window { earliest: earliest.as_microsecond(), latest: latest.as_microsecond().saturating_add(hidden) })
    }
}

/// A provider's date as unix microseconds.
///
/// In the hour that the autumn change repeats, the **later** reading holds. These dates tell when
/// somebody opted out, and they are compared with consent: reading an opt-out too early would let
/// an older consent pass for a newer one and mail a person who said stop, while reading it an
/// hour too late at worst asks a person again. Where the seconds matter too, or the other end is
/// the careful one (watermarks), use [`Zone::window`].
pub fn parse_local(date: &str, zone: &Zone) -> Result<i64, ZoneError> {
    let instant = zone.0.to_ambiguous_timestamp(read(date)?).later();
    instant.map(Timestamp::as_microsecond).map_err(|_| ZoneError::BadDate)
}

/// Seconds may be missing. An offset or a zone behind the time is refused: it would be a
/// different kind of date, and dropping it silently would shift it.
fn read(date: &str) -> Result<DateTime, ZoneError> {
    let date = date.trim();
    ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| DateTime::strptime(form, date).ok())
        .ok_or(ZoneError::BadDate)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    fn at(utc: &str) -> i64 {
        utc.parse::<Timestamp>().unwrap().as_microsecond()
    }

    fn berlin() -> Zone {
        Zone::of_label("(GMT+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna").unwrap()
    }

    #[test]
    fn labels_in_new_and_old_spelling() {
        for (label, zone) in [
            ("(GMT) Coordinated Universal Time", Some("UTC")),
            ("(GMT+00:00) Dublin, Edinburgh, Lisbon, London", Some("Europe/London")),
            ("(GMT) Greenwich Mean Time : Dublin, Edinburgh, Lisbon, London", Some("Europe/London")),
            ("(GMT+02:00) Athens, Bucharest, Istanbul", Some("Europe/Athens")),
            ("(GMT-05:00) Eastern Time (US & Canada)", Some("America/New_York")),
            ("  (GMT+05:30)  chennai, kolkata,  Mumbai, New Delhi ", Some("Asia/Kolkata")),
            ("Canberra, Melbourne, Sydney", Some("Australia/Sydney")),
            ("(GMT+03:00) Istanbul", None),
            ("(GMT+01:00) Amsterdam", None),
            ("(GMT+01:00", None),
            ("", None),
        ] {
            assert_eq!(label_zone(label), zone, "{label}");
        }
    }

    #[test]
    fn every_label_has_zone_data() {
        for (label, _) in LABELS {
            assert!(Zone::of_label(label).is_ok(), "{label}");
        }
        assert!(matches!(Zone::named("Europe/Nowhere"), Err(ZoneError::UnknownZone(_))));
        assert!(matches!(Zone::of_label("x"), Err(ZoneError::UnknownLabel(_))));
    }

    #[test]
    fn summer_and_winter_differ() {
        let zone = berlin();
        for (local, utc) in [
            ("2026-03-02 09:15:31", "2026-03-02T08:15:31Z"),
            ("2026-07-02 09:15:00", "2026-07-02T07:15:00Z"),
            ("2026-07-02 09:15", "2026-07-02T07:15:00Z"),
        ] {
            assert_eq!(parse_local(local, &zone), Ok(at(utc)), "{local}");
        }
    }

    #[test]
    fn the_repeated_hour_takes_the_later_side() {
        let zone = berlin();
        assert_eq!(parse_local("2026-10-25 02:30:00", &zone), Ok(at("2026-10-25T01:30:00Z")));
        let window = zone.window("2026-10-25 02:30:00").unwrap();
        assert_eq!(window.earliest, at("2026-10-25T00:30:00Z"));
        assert_eq!(window.latest, at("2026-10-25T01:31:00Z") - 1);
        // The hour after and the hour before are plain.
        assert_eq!(parse_local("2026-10-25 03:00:00", &zone), Ok(at("2026-10-25T02:00:00Z")));
        assert_eq!(parse_local("2026-10-25 01:59:59", &zone), Ok(at("2026-10-24T23:59:59Z")));
    }

    #[test]
    fn the_skipped_hour_moves_on() {
        let zone = berlin();
        let moment = at("2026-03-29T01:30:00Z");
        assert_eq!(parse_local("2026-03-29 02:30:30", &zone), Ok(moment + 30 * SECOND));
        let window = zone.window("2026-03-29 02:30:30").unwrap();
        assert_eq!((window.earliest, window.latest), (moment + 30 * SECOND, moment + 31 * SECOND - 1));
    }

    #[test]
    fn a_zero_second_hides_a_minute_and_any_other_its_parts() {
        let zone = Zone::named("UTC").unwrap();
        let exact = zone.window("2026-03-02 09:15:31").unwrap();
        assert_eq!(exact.latest - exact.earliest, BELOW_A_SECOND);
        let vague = zone.window("2026-03-02 09:15:00").unwrap();
        assert_eq!(vague.latest - vague.earliest, HIDDEN_MICROS);
    }

    #[test]
    fn other_dates_are_refused() {
        let zone = berlin();
        for date in [
            "",
            "2026-03-02",
            "2026-03-02T09:15:00+01:00",
            "2026-03-02 09:15:00Z",
            "2026-03-02 09:15:00 +0100",
            "2026-02-30 09:15:00",
            "02/03/2026 09:15:00",
        ] {
            assert_eq!(parse_local(date, &zone), Err(ZoneError::BadDate), "{date}");
        }
    }

    #[test]
    fn days_follow_the_clients_calendar() {
        let day = berlin().day_of(at("2026-07-01T22:30:00Z")).unwrap();
        assert_eq!(day.to_string(), "2026-07-02");
        assert_eq!(berlin().day_of(i64::MAX), Err(ZoneError::BadDate));
    }

    proptest::proptest! {
        #[test]
        fn the_window_holds_the_instant_it_was_written_for(secs in 0i64..4_000_000_000, below in 0i64..SECOND) {
            let zone = Zone::named("America/New_York").unwrap();
            let micros = secs * SECOND + below;
            let instant = Timestamp::from_microsecond(micros).unwrap();
            let local = zone.0.to_datetime(instant);
            let full = local.strftime("%Y-%m-%d %H:%M:%S").to_string();
            let cut = local.strftime("%Y-%m-%d %H:%M:00").to_string();
            for text in [full, cut] {
                let window = zone.window(&text).unwrap();
                proptest::prop_assert!(window.earliest <= micros && micros <= window.latest);
                proptest::prop_assert!(parse_local(&text, &zone).unwrap() <= window.latest);
            }
        }
    }
}
