//! What the API takes although it is not written so, and what it refuses all the same.

use super::{Api, CLIENT, LIST, api};
use flate2::read::GzDecoder;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use std::io::Read;

impl Api {
    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, self.url(path)).basic_auth("client-key", Some("anything at all"))
    }
}

#[tokio::test]
async fn names_in_bodies_and_queries_match_in_any_case() {
    let api = api();
    let body = json!({"SUBSCRIBERS": [{"emailaddress": "anna@example.com", "NAME": "Anna", "consenttotrack": "yes",
        "customFields": [{"KEY": "Consent Version", "value": "7"}]}], "resubscribe": "False"});
    assert_eq!(api.post(&format!("subscribers/{LIST}/import.json"), body).await.0, 201);
    let anna = api.emulator.subscriber(LIST, "anna@example.com").unwrap();
    assert_eq!((anna.name.as_str(), anna.tracking, anna.fields.len()), ("Anna", Some(true), 1));
    let page = api.get(&format!("lists/{LIST}/ACTIVE.json?PageSize=10&ORDERFIELD=Email&orderDirection=DESC")).await.1;
    assert_eq!(
        (&page["PageSize"], &page["ResultsOrderedBy"], &page["OrderDirection"]),
        (&json!(10), &json!("email"), &json!("desc"))
    );
    for (flag, shown) in [("True", true), ("true", true), ("False", false), ("", false)] {
        let path = format!("subscribers/{LIST}.json?Email=ANNA%40example.com&IncludeTrackingPreference={flag}");
        assert_eq!(api.get(&path).await.1.get("ConsentToTrack").is_some(), shown, "{flag}");
    }
}

#[tokio::test]
async fn booleans_may_be_texts_and_other_wrong_types_are_named() {
    let api = api();
    let path = format!("lists/{CLIENT}.json");
    let (status, id) = api.post(&path, json!({"Title": "Asks", "ConfirmedOptIn": "true"})).await;
    assert_eq!(status, 201);
    let list = api.get(&format!("lists/{}.json", id.as_str().unwrap())).await.1;
    assert_eq!(list["ConfirmedOptIn"], true);
    for (body, named) in [
        (json!({"Title": "B", "ConfirmedOptIn": "perhaps"}), "ConfirmedOptIn"),
        (json!({"Title": ["B"]}), "Title"),
        (json!(["B"]), "request"),
    ] {
        let (status, refusal) = api.post(&path, body).await;
        assert_eq!(status, 400);
        assert!(refusal["Message"].as_str().unwrap().contains(named), "{refusal}");
    }
}

#[tokio::test]
async fn a_malformed_body_is_400_and_writes_nothing() {
    let api = api();
    for body in ["", "{", "{\"Subscribers\": [{\"EmailAddress\": \"a@example.com\", }]}", "\u{0}"] {
        let path = format!("subscribers/{LIST}/import.json");
        let answer = api.bare(Method::POST, &path).body(body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{body}");
        let refusal = answer.json::<Value>().await.unwrap();
        assert!(refusal["Message"].as_str().unwrap().contains("deserialize") && refusal["ResultData"].is_null());
    }
    assert_eq!(api.emulator.population(LIST), 0);
}

#[tokio::test]
async fn bodies_of_get_and_delete_are_not_looked_at() {
    let api = api();
    api.import(LIST, &["anna@example.com", "ben@example.com"], false).await;
    let path = format!("subscribers/{LIST}.json?email=anna%40example.com");
    let other = "{\"EmailAddress\": \"ben@example.com\"";
    for (method, state) in [(Method::GET, "Active"), (Method::DELETE, "Deleted")] {
        assert_eq!(api.bare(method, &path).body(other).send().await.unwrap().status(), 200);
        assert_eq!(api.get(&path).await.1["State"], state);
    }
    assert_eq!(api.get(&path.replace("anna", "ben")).await.1["State"], "Active");
}

#[tokio::test]
async fn a_body_needs_no_content_type_and_a_put_without_one_may_send_a_blank() {
    let api = api();
    let row = json!({"Subscribers": [{"EmailAddress": "anna@example.com", "ConsentToTrack": "No"}]});
    let import = format!("subscribers/{LIST}/import.json");
    let answer = api.bare(Method::POST, &import).body(row.to_string()).send().await.unwrap();
    assert_eq!(answer.status(), 201);
    let text = api.bare(Method::POST, &import).header("Content-Type", "text/plain").body(row.to_string());
    assert_eq!(text.send().await.unwrap().status(), 201);
    let hook = json!({"Events": ["Update"], "Url": "http://127.0.0.1:9/x", "PayloadFormat": "json"});
    let hook = api.post(&format!("lists/{LIST}/webhooks.json"), hook).await.1;
    let suppress = json!({"EmailAddresses": ["ben@example.com"]});
    api.post(&format!("clients/{CLIENT}/suppress.json"), suppress).await;
    for path in [
        format!("lists/{LIST}/webhooks/{}/deactivate.json", hook.as_str().unwrap()),
        format!("lists/{LIST}/webhooks/{}/activate.json", hook.as_str().unwrap()),
        format!("clients/{CLIENT}/unsuppress.json?email=ben%40example.com"),
    ] {
        let answer = api.bare(Method::PUT, &path).body(" ").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, ""), "{path}");
    }
}

#[tokio::test]
async fn answers_are_indented_and_zipped_when_asked() {
    let api = api();
    let path = format!("lists/{LIST}.json");
    let plain = api.bare(Method::GET, &path).send().await.unwrap();
    assert!(plain.headers().get("content-encoding").is_none());
    let plain = plain.text().await.unwrap();
    assert!(!plain.contains('\n'));
    let pretty = api.bare(Method::GET, &format!("{path}?Pretty=True")).send().await.unwrap().text().await.unwrap();
    assert!(pretty.contains("\n  \"Title\": \"Newsletter\""));
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(value(&pretty), value(&plain));
    for (accepts, zipped) in [("gzip", true), ("deflate, GZIP;q=0.5", true), ("gzip;q=0, br", false), ("br", false)] {
        let answer = api.bare(Method::GET, &path).header("Accept-Encoding", accepts).send().await.unwrap();
        assert_eq!(answer.headers().get("content-encoding").is_some(), zipped, "{accepts}");
        let bytes = answer.bytes().await.unwrap();
        let mut text = String::new();
        if zipped {
            GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
        } else {
            text = String::from_utf8(bytes.to_vec()).unwrap();
        }
        assert_eq!(text, plain);
    }
}

#[tokio::test]
async fn a_plus_in_an_address_has_to_be_encoded() {
    let api = api();
    api.import(LIST, &["anna+news@example.com"], false).await;
    let details = async |email: &str| api.get(&format!("subscribers/{LIST}.json?email={email}")).await;
    assert_eq!(details("anna%2Bnews%40example.com").await.1["State"], "Active");
    assert_eq!(details("anna+news@example.com").await.1["Code"], 203);
    assert_eq!(details("").await.1["Code"], 1);
}
