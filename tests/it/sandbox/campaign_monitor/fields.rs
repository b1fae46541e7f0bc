//! Custom fields: keys, values, and their paths.

use super::{LIST, api};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn custom_fields_drop_what_they_do_not_know_and_replace_multiple_choices() {
    let api = api();
    let import = async |fields: Value| {
        let row = json!({"EmailAddress": "a@example.com", "ConsentToTrack": "No", "CustomFields": fields});
        let path = format!("subscribers/{LIST}/import.json");
        assert_eq!(api.post(&path, json!({"Subscribers": [row]})).await.0, 201);
        let mut fields = api.emulator.subscriber(LIST, "a@example.com").unwrap().fields;
        fields.sort();
        fields.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>()
    };
    let first = json!([{"Key": "[consentversion]", "Value": "7"}, {"Key": "unknown", "Value": "x"},
        {"Key": "consent date", "Value": "2026/03/02"}, {"Key": "topics", "Value": "News"},
        {"Key": "topics", "Value": "Events"}, {"Key": "topics", "Value": "Other"}]);
    assert_eq!(import(first).await, ["consentdate=2026-03-02", "consentversion=7", "topics=Events", "topics=News"]);
    let second = json!([{"Key": "topics", "Value": "Events"}, {"Key": "consentdate", "Value": "2099/01/01"},
        {"Key": "consentversion", "Value": "", "Clear": true}]);
    assert_eq!(import(second).await, ["consentdate=2026-03-02", "topics=Events"]);
}

#[tokio::test]
async fn custom_field_keys_in_paths_need_their_brackets() {
    let api = api();
    let path = format!("lists/{LIST}/customfields");
    let create = json!({"FieldName": "Newsletter Format", "DataType": "MultiSelectOne", "Options": ["HTML"]});
    let (status, key) = api.post(&format!("{path}.json"), create.clone()).await;
    assert_eq!((status, key), (201, json!("[NewsletterFormat]")));
    assert_eq!(api.post(&format!("{path}.json"), create).await.1["Code"], 255);
    let put = async |key: &str, body: Value| api.call(Method::PUT, &format!("{path}/{key}.json"), Some(body)).await;
    let options = json!({"KeepExistingOptions": true, "Options": ["Text"]});
    assert_eq!(put("NewsletterFormat/options", options.clone()).await.1["Code"], 253);
    assert_eq!(put("%5BNewsletterFormat%5D/options", options).await.0, 200);
    let renamed = put("%5BNewsletterFormat%5D", json!({"FieldName": "Format"})).await;
    assert_eq!(renamed, (200, json!("[Format]")));
    assert_eq!(api.call(Method::DELETE, &format!("{path}/%5BFormat%5D.json"), None).await.0, 200);
    let all = api.get(&format!("{path}.json")).await.1;
    assert_eq!(all.as_array().unwrap().len(), 3);
    assert_eq!(all[0]["Key"], "[consentversion]");
}
