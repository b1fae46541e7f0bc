//! Faults on demand, and too much haste.

use super::{Api, LIST, api};
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, FaultRule, State};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn faults_strike_before_or_after_the_write_as_scripted() {
    let api = api();
    let fault = |kind| Fault { method: Some("POST".into()), path: "/import".into(), times: 1, kind };
    api.emulator.faults().push(fault(FaultKind::Status(503)));
    api.emulator.faults().push(fault(FaultKind::ErrorAfterApplying));
    api.emulator.faults().push(fault(FaultKind::Html));
    assert_eq!(api.import(LIST, &["a@example.com"], false).await.0, 503);
    assert_eq!(api.state(LIST, "a@example.com"), None);
    let (status, body) = api.import(LIST, &["b@example.com"], false).await;
    assert_eq!((status, &body["Code"]), (500, &json!(500)));
    assert_eq!(api.state(LIST, "b@example.com"), Some(State::Active));
    assert_eq!(api.import(LIST, &["c@example.com"], false).await, (502, Value::Null));
    let control = format!("{}/sandbox/faults", api.emulator.base_url());
    let lost = json!({"path": "import", "kind": "lost_answer"});
    assert_eq!(api.http.post(control).json(&lost).send().await.unwrap().status(), 204);
    let row = json!({"EmailAddress": "d@example.com", "ConsentToTrack": "No"});
    let request = api.http.post(api.url(&format!("subscribers/{LIST}/import.json")));
    let request = request.basic_auth("client-key", Some("x")).json(&json!({"Subscribers": [row]}));
    assert!(request.send().await.is_err(), "nothing may be answered at all");
    assert_eq!(api.state(LIST, "d@example.com"), Some(State::Active));
    let statuses: Vec<u16> = api.emulator.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 500, 502, 0]);
}

#[tokio::test]
async fn quick_repeats_of_one_address_are_refused_once_that_is_switched_on() {
    let api = api();
    api.emulator.limit_repeats(Some(Duration::from_secs(60)));
    let body = json!({"EmailAddress": "a@example.com", "ConsentToTrack": "No"});
    let path = format!("subscribers/{LIST}.json");
    assert_eq!(api.post(&path, body.clone()).await.0, 201);
    let (status, slow_down) = api.post(&path, body.clone()).await;
    assert_eq!((status, &slow_down["Code"]), (429, &json!(429)));
    api.emulator.limit_repeats(None);
    assert_eq!(api.post(&path, body).await.0, 201);
}

async fn rule(api: &Api, text: &str) {
    api.emulator.faults().clear();
    let control = format!("{}/sandbox/faults", api.emulator.base_url());
    assert_eq!(api.http.post(control).json(&json!({"rule": text})).send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn every_seventh_import_fails_after_it_was_written() {
    let api = api();
    rule(&api, "every 7 POST import: 504 after").await;
    let mut failed = Vec::new();
    for n in 1..=15 {
        let email = format!("p{n}@example.com");
        if api.import(LIST, &[&email], false).await == (504, Value::Null) {
            failed.push(n);
        }
        assert_eq!(api.state(LIST, &email), Some(State::Active));
        assert_eq!(api.get("systemdate.json").await.0, 200);
    }
    assert_eq!(failed, [7, 14]);
}

#[tokio::test]
async fn a_seeded_share_of_calls_is_cut_off_before_anything_is_applied() {
    let api = api();
    rule(&api, "30% seed 4 POST import: closed").await;
    let mut cut = 0;
    for n in 0..40 {
        let email = format!("p{n}@example.com");
        let body = json!({"Subscribers": [{"EmailAddress": email, "ConsentToTrack": "No"}]});
        let request = api.http.post(api.url(&format!("subscribers/{LIST}/import.json")));
        let came_through = request.basic_auth("client-key", Some("x")).json(&body).send().await.is_ok();
        assert_eq!(api.state(LIST, &email).is_some(), came_through);
        cut += usize::from(!came_through);
    }
    assert!((4..=22).contains(&cut), "{cut} of 40");
}

#[tokio::test]
async fn too_many_requests_come_with_and_without_the_headers_of_a_limit() {
    let api = api();
    let ask = || api.http.get(api.url("systemdate.json")).basic_auth("client-key", Some("x"));
    rule(&api, "next: 429 reset 30").await;
    let told = ask().send().await.unwrap();
    assert_eq!((told.status().as_u16(), told.headers()["X-RateLimit-Reset"].to_str().unwrap()), (429, "30"));
    assert_eq!(told.headers()["X-RateLimit-Remaining"], "0");
    rule(&api, "next: 429").await;
    let bare = ask().send().await.unwrap();
    assert_eq!(bare.status(), 429);
    assert!(!bare.headers().keys().any(|name| name.as_str().starts_with("x-ratelimit")));
    assert_eq!(bare.json::<Value>().await.unwrap()["Code"], 429);
    assert_eq!(ask().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_slow_body_begins_at_once_and_ends_late() {
    let api = api();
    rule(&api, "next GET systemdate: slow 600ms").await;
    let begun = Instant::now();
    let answer = api.http.get(api.url("systemdate.json")).basic_auth("client-key", Some("x")).send().await.unwrap();
    let head = begun.elapsed();
    assert!(answer.json::<Value>().await.unwrap()["SystemDate"].is_string());
    let whole = begun.elapsed();
    assert!(whole >= Duration::from_millis(600) && head < Duration::from_millis(500), "{head:?}, {whole:?}");
    rule(&api, "next: html 503").await;
    let page = api.http.get(api.url("systemdate.json")).send().await.unwrap();
    assert_eq!(page.status(), 503);
    assert!(page.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
}

#[tokio::test]
async fn standing_rules_are_listed_removed_and_refused_in_words() {
    let api = api();
    let control = format!("{}/sandbox/faults", api.emulator.base_url());
    let post = async |body: Value| api.http.post(&control).json(&body).send().await.unwrap();
    assert_eq!(post(json!({"rule": "every 2: 503"})).await.status(), 204);
    let refused = post(json!({"rule": "sometimes: 503"})).await;
    assert_eq!(refused.status(), 400);
    assert!(refused.text().await.unwrap().contains("sometimes"));
    assert_eq!([api.get("clients.json").await.0, api.get("clients.json").await.0], [200, 503]);
    let listed = api.http.get(&control).send().await.unwrap().json::<Value>().await.unwrap();
    assert_eq!(listed, json!([{"id": 1, "rule": "every 2: 503", "seen": 2, "struck": 1}]));
    assert!(api.emulator.faults().push("next 3 clients: 500".parse::<FaultRule>().unwrap()));
    let one = format!("{}/faults/1/remove", api.emulator.base_url());
    assert_eq!(api.http.post(&one).send().await.unwrap().status(), 200, "after the redirect to the page");
    assert_eq!(api.emulator.faults().standing()[0].rule.to_string(), "next 3 clients: 500");
    let foreign = api.http.delete(&control).header("Origin", "http://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    assert_eq!(api.http.delete(&control).send().await.unwrap().status(), 204);
    assert_eq!(api.emulator.faults().waiting(), 0);
}
