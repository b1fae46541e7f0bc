//! The pages for people.

use super::{Api, CLIENT, LIST, OTHER, api};
use reconsent::sandbox::campaign_monitor::State;
use reqwest::Method;
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

impl Api {
    async fn page(&self, path: &str) -> String {
        let answer = self.http.get(format!("{}{path}", self.emulator.base_url())).send().await.unwrap();
        assert!(answer.headers()["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
        answer.text().await.unwrap()
    }
}

#[tokio::test]
async fn the_account_page_shows_the_account_without_its_secrets() {
    let api = api();
    api.import(LIST, &["anna@example.com", "ben@example.com", "broken"], false).await;
    api.emulator.complain(LIST, "ben@example.com");
    let hook =
        json!({"Events": ["Deactivate"], "Url": "http://127.0.0.1:9/hooks/0123456789abcdef", "PayloadFormat": "json"});
    let hook = api.post(&format!("lists/{LIST}/webhooks.json"), hook).await.1;
    api.get(&format!("subscribers/{LIST}.json?email=anna%40example.com")).await;
    api.get(&format!("subscribers/{OTHER}.json?email=anna%40example.com")).await;
    let page = api.page("/").await;
    for shown in [
        "Newsletter",
        "Offers",
        "1 active",
        "1 unsubscribed",
        CLIENT,
        "Spam Complaint",
        "ben@example.com",
        "http://127.0.0.1:9/hooks/0123\u{2026}",
        "Deactivate",
        "400, code 210",
        "400, code 203",
        "email=a***",
        "POST /api/v3.3",
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    for hidden in ["0123456789", "anna@", "anna%40", "client-key", "account-key", "<script"] {
        assert!(!page.contains(hidden), "{hidden} in {page}");
    }
    let off = format!("lists/{LIST}/webhooks/{}/deactivate.json", hook.as_str().unwrap());
    api.call(Method::PUT, &off, None).await;
    assert!(api.page("/").await.contains("Deactivated"));
}

#[tokio::test]
async fn a_visitor_lets_calls_fail_and_takes_it_back() {
    let api = api();
    let press = async |path: &str, body: &str, origin: Option<&str>| {
        let request = api.http.post(format!("{}{path}", api.emulator.base_url()));
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body.to_owned());
        let request = origin.into_iter().fold(request, |request, origin| request.header("Origin", origin));
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    };
    assert_eq!(press("/faults", "rule=next%3A+503", Some("http://evil.example")).await.0, 403);
    let (status, page) = press("/faults", "rule=every+2+GET%3A+%3Cb%3E", None).await;
    assert_eq!(status, 400);
    assert!(page.contains("&lt;b&gt;") && !page.contains("<b>") && page.contains("expected"), "{page}");
    let (status, page) = press("/faults", "rule=every+2+GET%3A+503", None).await;
    assert_eq!(status, 200, "after the redirect back");
    assert!(page.contains("every 2 GET: 503") && page.contains("Struck 0 of 0"), "{page}");
    assert_eq!([api.get("clients.json").await.0, api.get("clients.json").await.0], [200, 503]);
    assert!(api.page("/").await.contains("Struck 1 of 2"));
    let (status, page) = press("/faults/1/remove", "", None).await;
    assert!(status == 200 && page.contains("No rule stands"), "{page}");
    assert_eq!(api.emulator.faults().waiting(), 0);
}

#[tokio::test]
async fn the_page_of_a_list_shows_the_newest_and_counts_the_rest() {
    let api = api();
    assert_eq!(api.emulator.invent_people(LIST, 1_500).unwrap(), 1_500);
    api.emulator.subscribe_as_person(LIST, "anna@example.com");
    let page = api.page(&format!("/lists/{LIST}")).await;
    let first = page.find("anna@example.com").expect("the newest is there");
    assert!(first < page.find("person0").unwrap(), "and first");
    assert!(page.contains("1,351 active") && page.contains("1,251 more are not shown."), "{page}");
    let missing = api.http.get(format!("{}/lists/nothing", api.emulator.base_url())).send().await.unwrap();
    assert_eq!(missing.status(), 404);
}
