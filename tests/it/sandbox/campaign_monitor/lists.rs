//! Lists: create, change, remove.

use super::{CLIENT, api};
use reqwest::Method;
use serde_json::{Value, json};

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
