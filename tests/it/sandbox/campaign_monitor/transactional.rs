//! Transactional mail: taken with 202, checked, limited with the three headers.

use super::{Api, CLIENT, api};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

impl Api {
    fn smart(&self) -> String {
        let id = self.emulator.add_smart_mail(CLIENT, "Please confirm").unwrap();
        format!("transactional/smartEmail/{id}/send")
    }
}

fn body() -> Value {
    json!({"To": ["Anna <anna@example.com>", "ben@example.com"], "CC": null, "BCC": ["carla@example.com"],
        "Data": {"url": "https://www.example.com/c/token"}, "AddRecipientsToList": false, "ConsentToTrack": "No"})
}

#[tokio::test]
async fn a_send_is_taken_with_one_entry_per_recipient_and_stands_in_the_log() {
    let api = api();
    let send = api.smart();
    let (status, taken) = api.post(&send, body()).await;
    assert_eq!(status, 202);
    let names: Vec<_> = taken.as_array().unwrap().iter().map(|one| one["Recipient"].clone()).collect();
    assert_eq!(names, ["Anna <anna@example.com>", "ben@example.com", "carla@example.com"]);
    assert!(taken.as_array().unwrap().iter().all(|one| one["Status"] == "Accepted"));
    let log = api.get("transactional/messages?count=2").await.1;
    assert_eq!((log.as_array().unwrap().len(), &log[0]["Recipient"]), (2, &names[2]));
    assert_eq!(log[0]["MessageID"], taken[2]["MessageID"]);
    let sent = log[0]["SentAt"].as_str().unwrap();
    assert!(sent.ends_with("+01:00") || sent.ends_with("+02:00"), "{sent} carries its offset");
    let one = format!("transactional/messages/{}", taken[0]["MessageID"].as_str().unwrap());
    assert_eq!(api.get(&one).await.1["Subject"], "Please confirm");
    assert_eq!(api.call(Method::POST, &format!("{one}/resend"), None).await.0, 202);
    assert_eq!(api.get("transactional/messages/nothing").await.1["Code"], 302);
    let mut classic = body();
    classic["Subject"] = json!("Hello");
    assert_eq!(api.post("transactional/classicEmail/send", classic).await.0, 202);
    assert_eq!(api.get("transactional/smartEmail").await.1[0]["Name"], "Please confirm");
    assert_eq!(api.get("transactional/smartEmail.json").await.0, 404, "there is no extension here");
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused() {
    let api = api();
    let send = api.smart();
    let many: Vec<_> = (0..26).map(|n| format!("p{n}@example.com")).collect();
    let long = format!("{}@example.com", "x".repeat(240));
    for (name, value, code) in [
        ("To", json!([]), 952),
        ("To", json!([long]), 953),
        ("To", json!(many), 954),
        ("ConsentToTrack", Value::Null, 974),
        ("Data", json!({"text": "x".repeat(103_000)}), 996),
    ] {
        let mut body = body();
        body[name] = value;
        assert_eq!(api.post(&send, body).await.1["Code"], code, "{name}");
    }
    assert_eq!(api.post("transactional/classicEmail/send", body()).await.1["Code"], 956);
    let account = api.http.get(api.url("transactional/smartEmail")).basic_auth("account-key", Some("x"));
    assert_eq!(account.send().await.unwrap().status(), 401, "an account key has to name the client");
    let account = api.http.get(api.url(&format!("transactional/smartEmail?clientID={CLIENT}")));
    assert_eq!(account.basic_auth("account-key", Some("x")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn the_rate_limit_is_told_on_every_answer_here_and_nowhere_else() {
    let api = api();
    api.emulator.limit_transactional(2, Duration::from_millis(1_500));
    let ask = async || {
        let request = api.http.get(api.url("transactional/smartEmail")).basic_auth("client-key", Some("x"));
        let answer = request.send().await.unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().parse::<u32>().unwrap();
        let told = ["X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"].map(header);
        (answer.status().as_u16(), told)
    };
    assert_eq!(ask().await, (200, [2, 1, 2]));
    assert_eq!(ask().await, (200, [2, 0, 2]));
    let (status, [limit, remaining, reset]) = ask().await;
    assert_eq!((status, limit, remaining), (429, 2, 0));
    let elsewhere = api.http.get(api.url("clients.json")).basic_auth("client-key", Some("x")).send().await.unwrap();
    assert!(elsewhere.status().is_success() && elsewhere.headers().get("X-RateLimit-Limit").is_none());
    tokio::time::sleep(Duration::from_secs(reset.into())).await;
    assert_eq!(ask().await.0, 200, "after the seconds that were told");
}
