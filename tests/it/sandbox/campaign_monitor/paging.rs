//! Pages of people: the envelope, its bounds, its order.

use super::{LIST, api};
use serde_json::json;

#[tokio::test]
async fn pages_carry_the_whole_envelope_and_check_their_parameters() {
    let api = api();
    let people: Vec<String> = (0..25).map(|n| format!("p{n:02}@example.com")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    api.import(LIST, &people, false).await;
    let page = async |query: &str| api.get(&format!("lists/{LIST}/active.json?{query}")).await.1;
    let last = page("page=3&pagesize=10&orderfield=email&orderdirection=asc").await;
    assert_eq!(last["Results"].as_array().unwrap().len(), 5);
    assert_eq!(last["Results"][0]["EmailAddress"], "p20@example.com");
    for (name, value) in [
        ("ResultsOrderedBy", json!("email")),
        ("OrderDirection", json!("asc")),
        ("PageNumber", json!(3)),
        ("PageSize", json!(10)),
        ("RecordsOnThisPage", json!(5)),
        ("TotalNumberOfRecords", json!(25)),
        ("NumberOfPages", json!(3)),
    ] {
        assert_eq!(last[name], value, "{name}");
    }
    for (query, code) in [
        ("date=yesterday", 5),
        ("page=0", 800),
        ("page=x", 800),
        ("pagesize=9", 801),
        ("pagesize=1001", 801),
        ("orderfield=age", 802),
        ("orderdirection=up", 803),
    ] {
        assert_eq!(page(query).await["Code"], code, "{query}");
    }
    assert_eq!(page("date=2100-01-01").await["TotalNumberOfRecords"], 0);
    assert_eq!(api.get(&format!("lists/{LIST}/stats.json")).await.1["TotalActiveSubscribers"], 25);
}
