//! The pages for people.

use super::{LIST, api};
use reconsent::sandbox::campaign_monitor::State;
use serde_json::{Value, json};

#[tokio::test]
async fn a_visitor_can_play_the_person_on_the_page() {
    let api = api();
    api.import(LIST, &["a+<b>@example.com", "anna@example.com"], false).await;
    let url = |path: &str| format!("{}{path}", api.emulator.base_url());
    let home = api.http.get(url("/")).send().await.unwrap().text().await.unwrap();
    assert!(home.contains("Newsletter"));
    let press = || {
        api.http
            .post(url(&format!("/lists/{LIST}/unsubscribe")))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("email=anna%40example.com")
    };
    let foreign = press().header("Origin", "http://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let page = press().send().await.unwrap();
    assert_eq!(page.status(), 200, "after the redirect back");
    assert!(page.text().await.unwrap().contains("suppressed"));
    assert_eq!(api.state(LIST, "anna@example.com"), Some(State::Unsubscribed));
    let control = url(&format!("/sandbox/lists/{LIST}/subscribe"));
    let answer = api.http.post(control).json(&json!({"email": "new@example.com"})).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["changed"], true);
    assert_eq!(api.state(LIST, "new@example.com"), Some(State::Active));
}
