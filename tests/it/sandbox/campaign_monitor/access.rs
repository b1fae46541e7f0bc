//! Who may call: keys, tokens, and what each sees.

use super::{CLIENT, api};
use serde_json::{Value, json};

#[tokio::test]
async fn authentication_comes_before_routing_and_a_client_key_sees_its_own_client() {
    let api = api();
    let bare = api.http.get(api.url("no/such/path.json")).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(bare.json::<Value>().await.unwrap()["Code"], 100);
    assert_eq!(api.get("no/such/path.json").await.0, 404);
    let stale = api.http.get(api.url("clients.json")).bearer_auth("stale").send().await.unwrap();
    assert_eq!(stale.json::<Value>().await.unwrap()["Code"], 121);
    assert_eq!(api.get("clients.json").await.1.as_array().unwrap().len(), 1);
    let all = api.http.get(api.url("clients.json")).basic_auth("account-key", Some("any"));
    assert_eq!(all.send().await.unwrap().json::<Value>().await.unwrap().as_array().unwrap().len(), 2);
    let (status, foreign) = api.get("clients/c2/lists.json").await;
    assert_eq!((status, &foreign["Code"]), (401, &json!(102)));
    let (status, unknown) = api.get("lists/nothing/stats.json").await;
    assert_eq!((status, &unknown["Code"]), (401, &json!(101)));
    assert!(api.get("systemdate.json").await.1["SystemDate"].is_string());
    assert_eq!(api.get(&format!("clients/{CLIENT}.json")).await.1["ApiKey"], "client-key");
}
