//! Lists: create, change, remove.

use super::{ALONE, CLIENT, LIST, OTHER, api};
use reconsent::sandbox::campaign_monitor::State;
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn lists_are_made_changed_and_removed() {
    let api = api();
    let path = format!("lists/{CLIENT}.json");
    assert_eq!(api.post(&path, json!({"Title": ""})).await.1["Code"], 251);
    assert_eq!(api.post(&path, json!({"Title": "newsletter"})).await.1["Code"], 250);
    let wrong = json!({"Title": "Fresh", "UnsubscribeSetting": "Sometimes"});
    assert_eq!(api.post(&path, wrong).await.1["Code"], 261);
    let (status, id) = api.post(&path, json!({"Title": "Fresh"})).await;
    assert_eq!(status, 201);
    let list = format!("lists/{}.json", id.as_str().unwrap());
    let change = json!({"Title": "Fresh", "UnsubscribeSetting": "OnlyThisList"});
    assert_eq!(api.call(Method::PUT, &list, Some(change)).await, (200, Value::Null));
    assert_eq!(api.get(&list).await.1["UnsubscribeSetting"], "OnlyThisList");
    assert_eq!(api.call(Method::DELETE, &list, None).await.0, 200);
    assert_eq!(api.get(&list).await.1["Code"], 101);
}

#[tokio::test]
async fn the_list_of_lists_lags_behind_when_told_to() {
    let api = api();
    api.emulator.set_list_lag(Duration::from_millis(800));
    let titles = async || {
        let lists = api.get(&format!("clients/{CLIENT}/lists.json")).await.1;
        let mut titles: Vec<_> =
            lists.as_array().unwrap().iter().map(|list| list["Name"].as_str().unwrap().to_owned()).collect();
        titles.sort();
        titles
    };
    let fresh = api.post(&format!("lists/{CLIENT}.json"), json!({"Title": "Fresh"})).await.1;
    assert_eq!(api.get(&format!("lists/{}.json", fresh.as_str().unwrap())).await.0, 200, "it is there by its id");
    assert_eq!(api.call(Method::DELETE, &format!("lists/{OTHER}.json"), None).await.0, 200);
    assert_eq!(titles().await, ["Alone", "Newsletter", "Offers"]);
    tokio::time::sleep(Duration::from_millis(900)).await;
    assert_eq!(titles().await, ["Alone", "Fresh", "Newsletter"]);
}

#[tokio::test]
async fn a_list_that_comes_to_heed_suppression_can_fill_the_list_and_be_scrubbed_with_it() {
    let api = api();
    for list in [LIST, ALONE] {
        api.import(list, &["left@example.com", "shunned@example.com", "stays@example.com"], false).await;
    }
    api.emulator.unsubscribe_as_person(ALONE, "left@example.com");
    let shun = json!({"EmailAddresses": ["shunned@example.com"]});
    api.post(&format!("clients/{CLIENT}/suppress.json"), shun).await;
    assert_eq!(api.state(ALONE, "shunned@example.com"), Some(State::Active));
    let change = async |setting: &str, adds: bool, scrubs: bool| {
        let body = json!({"Title": "Alone", "UnsubscribeSetting": setting,
            "AddUnsubscribesToSuppList": adds, "ScrubActiveWithSuppList": scrubs});
        assert_eq!(api.call(Method::PUT, &format!("lists/{ALONE}.json"), Some(body)).await, (200, Value::Null));
    };
    change("OnlyThisList", true, true).await;
    assert_eq!(api.state(ALONE, "shunned@example.com"), Some(State::Active), "both mean nothing for a list alone");
    assert!(!api.emulator.is_suppressed(CLIENT, "left@example.com"));
    change("AllClientLists", false, false).await;
    assert_eq!(api.state(ALONE, "shunned@example.com"), Some(State::Active), "nothing happens by itself");
    change("AllClientLists", true, true).await;
    assert_eq!(api.state(ALONE, "shunned@example.com"), Some(State::Unsubscribed));
    assert!(api.emulator.is_suppressed(CLIENT, "left@example.com"));
    assert_eq!(api.state(LIST, "left@example.com"), Some(State::Unsubscribed), "it counts for the client now");
    assert_eq!(api.state(ALONE, "stays@example.com"), Some(State::Active));
}

#[tokio::test]
async fn the_lists_of_a_person_are_named_in_every_state() {
    let api = api();
    api.emulator.freeze_clock(Some("2026-03-02T08:15:00Z".parse().unwrap()));
    for list in [LIST, ALONE] {
        api.import(list, &["anna@example.com"], false).await;
    }
    api.emulator.bounce(ALONE, "anna@example.com");
    let path = format!("clients/{CLIENT}/listsforemail.json?email=ANNA%40example.com");
    let lists = api.get(&path).await.1;
    let one = |title: &str| lists.as_array().unwrap().iter().find(|list| list["ListName"] == title).cloned().unwrap();
    assert_eq!(
        one("Newsletter"),
        json!({"ListID": LIST, "ListName": "Newsletter", "SubscriberState": "Active",
        "DateSubscriberAdded": "2026-03-02 09:15:00"})
    );
    assert_eq!(one("Alone")["SubscriberState"], "Bounced");
    assert_eq!(lists.as_array().unwrap().len(), 2);
    assert_eq!(api.get(&path.replace("ANNA", "nobody")).await, (200, json!([])));
}
