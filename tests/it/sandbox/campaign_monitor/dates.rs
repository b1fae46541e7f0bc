//! Dates in the client's zone.

use super::{LIST, api};

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
