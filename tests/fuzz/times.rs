//! Moments and periods: what is taken is written in one form that reads as the same, and never leaves the calendar.

use reconsent::domain::time::{Period, Timestamp};

pub fn timestamps() -> Vec<Vec<u8>> {
    [
        "2026-11-24",
        "2026-11-24T09:30:00Z",
        "2026-11-24T09:30:00.123456789+05:30",
        "1969-12-31T23:59:59.9999995Z",
        "9999-12-31",
        "-009999-01-01",
        "2024-02-29T23:59:60Z",
        "20261124T093000Z",
        "2026-11-24T09:30:00[Europe/London]",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

pub fn run_timestamp(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(at) = Timestamp::parse(&text) else { return };
    assert_eq!(Timestamp::parse(&at.to_string()), Ok(at), "{at}");
    assert_eq!(Timestamp::from_micros(at.micros()), at);
    for period in ["P24M", "P100Y", "P60D"].map(|text| Period::parse(text).expect("a period")) {
        assert!(period.after(at) >= at && period.before(at) <= at);
    }
}

pub fn periods() -> Vec<Vec<u8>> {
    ["P24M", "P60D", "P1Y2M3W4D", "P2W", "P100Y", "P0D", "-P1D", "PT5M", "P1DT1H", "P1.5Y", "p1y", "P99999999999D"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}

pub fn run_period(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let Ok(period) = Period::parse(&text) else { return };
    assert_eq!(Period::parse(&period.to_string()), Ok(period), "{period}");
    for from in
        ["2024-02-29T12:00:00Z", "1970-01-01", "2026-11-24"].map(|text| Timestamp::parse(text).expect("a moment"))
    {
        assert!(period.after(from) > from, "a period has a length");
        assert!(period.before(from) < from);
    }
}
