//! How far an unsubscribe and a suppression reach.

use super::{ALONE, CLIENT, LIST, OTHER, api};
use reconsent::sandbox::campaign_monitor::State;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn an_unsubscribe_reaches_as_far_as_the_list_says_and_suppression_outlives_resubscribing() {
    let api = api();
    for list in [LIST, OTHER, ALONE] {
        api.import(list, &["anna@example.com", "ben@example.com"], false).await;
    }
    let body = json!({"EmailAddress": "ben@example.com"});
    assert_eq!(api.post(&format!("subscribers/{ALONE}/unsubscribe.json"), body).await, (200, Value::Null));
    assert_eq!(api.state(LIST, "ben@example.com"), Some(State::Active));
    assert!(!api.emulator.is_suppressed(CLIENT, "ben@example.com"));
    let body = json!({"EmailAddress": "Anna@example.com"});
    assert_eq!(api.post(&format!("subscribers/{LIST}/unsubscribe.json"), body.clone()).await.0, 200);
    assert_eq!(api.post(&format!("subscribers/{LIST}/unsubscribe.json"), body).await.1["Code"], 203);
    assert_eq!(api.state(OTHER, "anna@example.com"), Some(State::Unsubscribed));
    let (_, refused) = api.import(OTHER, &["anna@example.com"], false).await;
    assert_eq!(refused["ResultData"]["FailureDetails"][0]["Code"], 204);
    assert_eq!(api.import(OTHER, &["anna@example.com"], true).await.0, 201);
    assert_eq!(api.state(OTHER, "anna@example.com"), Some(State::Active));
    assert!(api.emulator.is_suppressed(CLIENT, "anna@example.com"));
    let page = api.get(&format!("clients/{CLIENT}/suppressionlist.json?orderfield=date&orderdirection=desc")).await.1;
    assert_eq!(page["Results"][0]["SuppressionReason"], "Unsubscribed");
    let off = format!("clients/{CLIENT}/unsuppress.json?email=anna%40example.com");
    assert_eq!(api.call(Method::PUT, &off, None).await.0, 200);
    assert_eq!(api.call(Method::PUT, &off, None).await.1["Code"], 176);
    let lists = api.get(&format!("clients/{CLIENT}/listsforemail.json?email=anna%40example.com")).await.1;
    assert_eq!(lists.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn suppressing_empties_lists_that_heed_it_and_a_list_of_its_own_does_not() {
    let api = api();
    for list in [LIST, ALONE] {
        api.import(list, &["anna@example.com"], false).await;
    }
    let body = json!({"EmailAddresses": ["anna@example.com", "new@example.com"]});
    assert_eq!(api.post(&format!("clients/{CLIENT}/suppress.json"), body).await.0, 200);
    assert_eq!(api.state(LIST, "anna@example.com"), Some(State::Unsubscribed));
    assert_eq!(api.state(ALONE, "anna@example.com"), Some(State::Active));
    let (_, refused) = api.import(LIST, &["new@example.com"], false).await;
    assert_eq!(refused["ResultData"]["FailureDetails"][0]["Code"], 204);
    assert_eq!(api.import(ALONE, &["new@example.com"], false).await.0, 201);
}
