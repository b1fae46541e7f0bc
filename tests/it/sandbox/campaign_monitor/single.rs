//! Single people: add, update, confirmed opt-in, consent to track.

use super::{ALONE, Api, CLIENT, LIST, OTHER, api, settings};
use reconsent::sandbox::campaign_monitor::{ListSeed, PersonAct, State};
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_single_add_is_accepted_at_once_and_visible_later() {
    let api = api();
    let path = format!("subscribers/{LIST}.json");
    let body = json!({"EmailAddress": "anna@example.com", "Name": "Anna", "ConsentToTrack": "Yes"});
    assert_eq!(api.post(&path, body.clone()).await, (201, json!("anna@example.com")));
    let details = format!("{path}?email=anna%40example.com");
    let (status, missing) = api.get(&details).await;
    assert_eq!((status, &missing["Code"]), (400, &json!(203)));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(api.get(&details).await.1["State"], "Active");
    api.emulator.unsubscribe_as_person(LIST, "anna@example.com");
    assert_eq!(api.post(&path, body).await.1["Code"], 204);
}

#[tokio::test]
async fn consent_to_track_belongs_to_the_client_and_is_shown_on_request() {
    let api = api();
    let row = |consent: &str| json!({"Subscribers": [{"EmailAddress": "anna@example.com", "ConsentToTrack": consent}]});
    let details = format!("subscribers/{LIST}.json?email=anna%40example.com");
    let shown = format!("{details}&IncludeTrackingPreference=True");
    api.post(&format!("subscribers/{LIST}/import.json"), row("Unchanged")).await;
    assert_eq!(api.get(&shown).await.1["ConsentToTrack"], "");
    api.post(&format!("subscribers/{OTHER}/import.json"), row("No")).await;
    api.post(&format!("subscribers/{OTHER}/import.json"), row("unchanged")).await;
    assert_eq!(api.get(&shown).await.1["ConsentToTrack"], "No");
    assert!(api.get(&details).await.1["ConsentToTrack"].is_null());
}

#[tokio::test]
async fn an_update_changes_the_address_but_never_creates_or_wakes_anybody() {
    let api = api();
    api.import(ALONE, &["old@example.com", "taken@example.com"], false).await;
    let put = async |email: &str, to: &str| {
        let body = json!({"EmailAddress": to, "ConsentToTrack": "Unchanged"});
        api.call(Method::PUT, &format!("subscribers/{ALONE}.json?email={email}"), Some(body)).await
    };
    assert_eq!(put("nobody@example.com", "nobody@example.com").await.1["Code"], 203);
    assert_eq!(put("old@example.com", "taken@example.com").await.1["Code"], 201);
    assert_eq!(put("old@example.com", "broken").await.1["Code"], 211);
    api.emulator.unsubscribe_as_person(ALONE, "old@example.com");
    assert_eq!(put("old@example.com", "new%2B1@example.com").await.0, 200);
    assert_eq!(api.state(ALONE, "new%2B1@example.com"), Some(State::Unsubscribed));
    assert_eq!(api.state(ALONE, "old@example.com"), None);
}

#[tokio::test]
async fn a_list_with_confirmed_opt_in_asks_people_who_are_added_singly() {
    let list = ListSeed {
        client_id: CLIENT.into(),
        id: "asks".into(),
        title: "Asks".into(),
        confirmed_opt_in: true,
        ..ListSeed::default()
    };
    let api = Api::of(settings().list(list).add_delay(Duration::ZERO).start().unwrap());
    let body = json!({"EmailAddress": "anna@example.com", "ConsentToTrack": "No"});
    assert_eq!(api.post("subscribers/asks.json", body.clone()).await.0, 201);
    assert_eq!(api.state("asks", "anna@example.com"), Some(State::Unconfirmed));
    assert_eq!(api.post("subscribers/asks.json", body).await.1["Code"], 208);
    let page = api.get("lists/asks/unconfirmed.json").await.1;
    assert_eq!(page["TotalNumberOfRecords"], 1);
    assert!(api.emulator.act_as_person(PersonAct::Confirm, "asks", "anna@example.com"));
    assert_eq!(api.state("asks", "anna@example.com"), Some(State::Active));
}
