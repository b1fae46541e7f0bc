//! Dates in the client's zone.

use super::{LIST, api};
use serde_json::json;

#[tokio::test]
async fn dates_are_in_the_zone_of_the_client() {
    let api = api();
    api.emulator.freeze_clock(Some("2026-07-01T22:30:15Z".parse().unwrap()));
    api.import(LIST, &["anna@example.com"], false).await;
    let details = api.get(&format!("subscribers/{LIST}.json?email=anna%40example.com")).await.1;
    assert_eq!(details["Date"], "2026-07-02 00:30:00");
    let on = async |date: &str| {
        let page = api.get(&format!("lists/{LIST}/active.json?date={date}")).await.1;
        page["TotalNumberOfRecords"].clone()
    };
    assert_eq!(on("2026-07-02").await, 1);
    assert_eq!(on("2026-07-02%2000:31").await, 0);
    assert_eq!(api.get("systemdate.json").await.1["SystemDate"], "2026-07-01 22:30:15");
}

#[tokio::test]
async fn the_hour_that_comes_twice_in_autumn_looks_alike_and_filters_from_its_first_time() {
    let api = api();
    let moments = [
        ("a@example.com", "2026-10-24T23:30:00Z", "2026-10-25 01:30:00"),
        ("b@example.com", "2026-10-25T00:30:00Z", "2026-10-25 02:30:00"),
        ("c@example.com", "2026-10-25T01:30:00Z", "2026-10-25 02:30:00"),
        ("d@example.com", "2026-10-25T02:30:00Z", "2026-10-25 03:30:00"),
    ];
    for (email, at, shown) in moments {
        api.emulator.freeze_clock(Some(at.parse().unwrap()));
        api.import(LIST, &[email], false).await;
        let details = api.get(&format!("subscribers/{LIST}.json?email={email}")).await.1;
        assert_eq!(details["Date"], shown);
    }
    let page = async |date: &str| {
        let page = api.get(&format!("lists/{LIST}/active.json?orderfield=date&date={date}")).await.1;
        page["Results"].as_array().unwrap().iter().map(|row| row["EmailAddress"].clone()).collect::<Vec<_>>()
    };
    let all: Vec<_> = moments.map(|(email, ..)| json!(email)).to_vec();
    assert_eq!(page("").await, all, "in the order in which it happened, though the dates say less");
    assert_eq!(page("2026-10-25%2002:00").await, all[1..]);
    assert_eq!(page("2026-10-25%2002:45").await, all[2..], "the first 02:45, so that nobody is missed");
    assert_eq!(page("2026-10-25%2003:00").await, all[3..]);
    // A day of 25 hours.
    api.emulator.freeze_clock(Some("2026-10-25T22:59:00Z".parse().unwrap()));
    let stats = api.get(&format!("lists/{LIST}/stats.json")).await.1;
    assert_eq!(stats["NewActiveSubscribersToday"], 4);
}

#[tokio::test]
async fn the_hour_that_is_missing_in_spring_is_read_as_the_one_behind_it() {
    let api = api();
    for (email, at, shown) in [
        ("a@example.com", "2026-03-29T00:59:00Z", "2026-03-29 01:59:00"),
        ("b@example.com", "2026-03-29T01:01:00Z", "2026-03-29 03:01:00"),
        ("c@example.com", "2026-03-29T01:40:00Z", "2026-03-29 03:40:00"),
    ] {
        api.emulator.freeze_clock(Some(at.parse().unwrap()));
        api.import(LIST, &[email], false).await;
        assert_eq!(api.get(&format!("subscribers/{LIST}.json?email={email}")).await.1["Date"], shown);
    }
    let total = async |date: &str| {
        api.get(&format!("lists/{LIST}/active.json?date={date}")).await.1["TotalNumberOfRecords"].clone()
    };
    assert_eq!(total("2026-03-29%2002:30").await, 1, "02:30 never was; 03:30 is meant");
    assert_eq!(total("2026-03-29%2002:00").await, 2);
    assert_eq!(total("2026-03-29").await, 3);
}

#[tokio::test]
async fn the_buckets_of_the_stats_follow_the_calendar_of_the_client() {
    let api = api();
    // Half an hour into a Monday in Amsterdam, still Sunday in UTC; the week began the day before.
    for (email, at) in [
        ("today@example.com", "2026-05-31T22:10:00Z"),
        ("yesterday@example.com", "2026-05-30T22:00:00Z"),
        ("last-week@example.com", "2026-05-30T21:59:59Z"),
        ("last-year@example.com", "2025-12-31T22:59:59Z"),
    ] {
        api.emulator.freeze_clock(Some(at.parse().unwrap()));
        api.import(LIST, &[email], false).await;
    }
    api.emulator.freeze_clock(Some("2026-05-31T22:30:00Z".parse().unwrap()));
    let stats = api.get(&format!("lists/{LIST}/stats.json")).await.1;
    assert_eq!(stats.as_object().unwrap().len(), 24);
    let counts = ["Today", "Yesterday", "ThisWeek", "ThisMonth", "ThisYear"]
        .map(|bucket| stats[format!("NewActiveSubscribers{bucket}")].as_u64().unwrap());
    assert_eq!((counts, &stats["TotalActiveSubscribers"]), ([1, 1, 2, 1, 3], &json!(4)));
}
