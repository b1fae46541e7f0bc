//! What the emulator remembers: the request log, and its folder.

use super::{Api, LIST, api, settings};
use reconsent::sandbox::campaign_monitor::State;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn the_request_log_shows_whether_anybody_was_resubscribed() {
    let api = api();
    api.import(LIST, &["a@example.com"], false).await;
    let asked = |api: &Api| api.emulator.requests().iter().any(|r| r.body["Resubscribe"] == json!(true));
    assert!(!asked(&api));
    api.import(LIST, &["a@example.com"], true).await;
    assert!(asked(&api));
    assert_eq!(api.emulator.request_count(), 2);
    assert!(!format!("{:?}", api.emulator.requests()).contains("example.com"));
}

#[tokio::test]
async fn the_state_survives_a_restart_in_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let api = Api::of(settings().folder(folder.path()).start().unwrap());
    api.import(LIST, &["a@example.com"], false).await;
    let file = folder.path().join("campaign-monitor.json");
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(std::fs::read_to_string(&file).unwrap().contains("a@example.com"));
    let body = json!({"EmailAddress": "queued@example.com", "ConsentToTrack": "No"});
    api.post(&format!("subscribers/{LIST}.json"), body).await;
    api.emulator.stop().unwrap();
    let again = settings().folder(folder.path()).start().unwrap();
    assert_eq!(again.count(LIST, State::Active), 2);
}
