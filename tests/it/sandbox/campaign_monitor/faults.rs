//! Faults on demand, and too much haste.

use super::{LIST, api};
use reconsent::sandbox::campaign_monitor::{Fault, FaultKind, State};
use serde_json::{Value, json};
use std::time::Duration;

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
