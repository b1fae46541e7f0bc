//! Many people at once: partial success, bounds, coming back.

use super::{ALONE, LIST, api};
use reconsent::sandbox::campaign_monitor::State;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_import_with_a_bad_row_answers_210_and_writes_the_good_rows() {
    let api = api();
    let (status, all) = api.import(LIST, &["anna@example.com", "ben@example.com", "ANNA@example.com"], false).await;
    assert_eq!(status, 201);
    assert_eq!(all["TotalNewSubscribers"], 2);
    assert_eq!(all["DuplicateEmailsInSubmission"], json!(["ANNA@example.com"]));
    let (status, part) = api.import(LIST, &["anna@example.com", "carl@example", "dora@example.com"], false).await;
    assert_eq!((status, &part["Code"]), (400, &json!(210)));
    let result = &part["ResultData"];
    assert_eq!(result["TotalUniqueEmailsSubmitted"], 3);
    assert_eq!(result["TotalExistingSubscribers"], 1);
    assert_eq!(result["TotalNewSubscribers"], 1);
    assert_eq!(result["FailureDetails"][0]["EmailAddress"], "carl@example");
    assert_eq!(result["FailureDetails"][0]["Code"], 1);
    assert_eq!(api.state(LIST, "dora@example.com"), Some(State::Active));
}

#[tokio::test]
async fn an_import_refuses_too_many_none_and_missing_consent_to_track() {
    let api = api();
    let path = format!("subscribers/{LIST}/import.json");
    assert_eq!(api.post(&path, json!({"Subscribers": []})).await.1["Code"], 212);
    let row = json!({"EmailAddress": "a@example.com", "ConsentToTrack": "Yes"});
    let many = json!({"Subscribers": vec![row; 1001]});
    assert_eq!(api.post(&path, many).await.1["Code"], 209);
    let rows = json!({"Subscribers": [{"EmailAddress": "a@example.com"},
        {"EmailAddress": "b@example.com", "ConsentToTrack": "Perhaps"}]});
    let (_, answer) = api.post(&path, rows).await;
    assert_eq!(answer["ResultData"]["FailureDetails"][0]["Code"], 214);
    assert_eq!(answer["ResultData"]["FailureDetails"][1]["Code"], 215);
    let (status, wrong) = api.post(&path, json!({"Subscribers": {"EmailAddress": "a@example.com"}})).await;
    assert_eq!((status, wrong["ResultData"].is_null()), (400, true));
}

#[tokio::test]
async fn people_who_left_come_back_only_with_resubscribe() {
    let api = api();
    let people = ["left@example.com", "gone@example.com", "dead@example.com"];
    api.import(ALONE, &people, false).await;
    api.emulator.unsubscribe_as_person(ALONE, people[0]);
    let delete = format!("subscribers/{ALONE}.json?email=gone%40example.com");
    assert_eq!(api.call(Method::DELETE, &delete, None).await.0, 200);
    assert_eq!(api.call(Method::DELETE, &delete, None).await.1["Code"], 203);
    api.emulator.bounce(ALONE, people[2]);
    let (_, refused) = api.import(ALONE, &people, false).await;
    let codes: Vec<_> =
        refused["ResultData"]["FailureDetails"].as_array().unwrap().iter().map(|f| f["Code"].clone()).collect();
    assert_eq!(codes, [206, 205, 207]);
    assert_eq!(api.state(ALONE, people[0]), Some(State::Unsubscribed));
    let (status, _) = api.import(ALONE, &people, true).await;
    assert_eq!(status, 201);
    assert_eq!(api.emulator.count(ALONE, State::Active), 3);
}
