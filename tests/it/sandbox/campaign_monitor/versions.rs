//! The base paths of the older versions, and what they do not know yet.

use super::{Api, CLIENT, LIST, api};
use reqwest::Method;
use serde_json::{Value, json};

impl Api {
    async fn at(&self, version: &str, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}/api/{version}/{path}", self.emulator.base_url());
        let mut request = self.http.request(method, url).basic_auth("client-key", Some("x"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
    }

    async fn details(&self, version: &str, email: &str) -> Value {
        let path = format!("subscribers/{LIST}.json?email={email}&includetrackingpreference=true");
        let (status, details) = self.at(version, Method::GET, &path, None).await;
        assert_eq!(status, 200, "{details}");
        details
    }
}

#[tokio::test]
async fn four_versions_answer_and_no_others() {
    let api = api();
    for version in ["v3", "v3.1", "v3.2", "v3.3"] {
        assert_eq!(api.at(version, Method::GET, "systemdate.json", None).await.0, 200, "{version}");
    }
    for (version, with_key, without) in
        [("v3.4", 404, 401), ("v3.10", 404, 401), ("v4.0", 404, 404), ("v9.9", 404, 404), ("v2", 404, 404)]
    {
        assert_eq!(api.at(version, Method::GET, "systemdate.json", None).await.0, with_key, "{version}");
        let bare = api.http.get(format!("{}/api/{version}/systemdate.json", api.emulator.base_url()));
        assert_eq!(bare.send().await.unwrap().status(), without, "{version} without a key");
    }
}

#[tokio::test]
async fn before_version_3_2_nobody_is_asked_for_consent_to_track() {
    let api = api();
    let import = format!("subscribers/{LIST}/import.json");
    for (n, version) in ["v3", "v3.1"].into_iter().enumerate() {
        let rows = json!({"Subscribers": [{"EmailAddress": format!("p{n}@example.com")},
            {"EmailAddress": format!("q{n}@example.com"), "ConsentToTrack": "Perhaps"}]});
        assert_eq!(api.at(version, Method::POST, &import, Some(rows)).await.0, 201, "{version}");
        let add = json!({"EmailAddress": format!("r{n}@example.com")});
        assert_eq!(api.at(version, Method::POST, &format!("subscribers/{LIST}.json"), Some(add)).await.0, 201);
        assert!(api.details(version, &format!("p{n}@example.com")).await.get("ConsentToTrack").is_none());
        assert_eq!(api.details("v3.3", &format!("q{n}@example.com")).await["ConsentToTrack"], "");
    }
    // A write of an old version leaves what a newer one said.
    let said = json!({"Subscribers": [{"EmailAddress": "p0@example.com", "ConsentToTrack": "Yes"}]});
    api.at("v3.2", Method::POST, &import, Some(said)).await;
    let silent = json!({"Subscribers": [{"EmailAddress": "p0@example.com", "ConsentToTrack": "No"}]});
    api.at("v3.1", Method::POST, &import, Some(silent)).await;
    assert_eq!(api.details("v3.2", "p0@example.com").await["ConsentToTrack"], "Yes");
}

#[tokio::test]
async fn from_version_3_2_on_a_missing_consent_is_214_and_a_wrong_word_215() {
    let api = api();
    api.import(LIST, &["anna@example.com"], false).await;
    for version in ["v3.2", "v3.3"] {
        for (consent, code) in [(json!(null), 214), (json!(""), 214), (json!("Maybe"), 215)] {
            let row = json!({"EmailAddress": "anna@example.com", "ConsentToTrack": consent});
            let rows =
                json!({"Subscribers": [row.clone(), {"EmailAddress": "ok@example.com", "ConsentToTrack": "no"}]});
            let (status, answer) =
                api.at(version, Method::POST, &format!("subscribers/{LIST}/import.json"), Some(rows)).await;
            assert_eq!((status, &answer["Code"]), (400, &json!(210)));
            assert_eq!(answer["ResultData"]["FailureDetails"][0]["Code"], code, "{version} {consent}");
            let add = api.at(version, Method::POST, &format!("subscribers/{LIST}.json"), Some(row.clone())).await;
            assert_eq!((add.0, &add.1["Code"]), (400, &json!(code)));
            let path = format!("subscribers/{LIST}.json?email=anna@example.com");
            assert_eq!(api.at(version, Method::PUT, &path, Some(row)).await.1["Code"], code);
        }
    }
    assert!(api.emulator.subscriber(LIST, "ok@example.com").is_some());
}

#[tokio::test]
async fn the_date_of_joining_and_the_mobile_number_came_with_version_3_3() {
    let api = api();
    let row = |mobile: &str| {
        json!({"Subscribers": [{"EmailAddress": "anna@example.com", "ConsentToTrack": "No",
            "MobileNumber": mobile, "ConsentToSendSms": "Yes"}]})
    };
    let import = format!("subscribers/{LIST}/import.json");
    assert_eq!(api.at("v3.2", Method::POST, &import, Some(row("no number"))).await.0, 201, "not looked at");
    assert_eq!(
        api.at("v3.3", Method::POST, &import, Some(row("no number"))).await.1["ResultData"]["FailureDetails"][0]["Code"],
        220
    );
    assert_eq!(api.at("v3.3", Method::POST, &import, Some(row("+4915112345678"))).await.0, 201);
    let new = api.details("v3.3", "anna@example.com").await;
    assert_eq!((&new["MobileNumber"], &new["ConsentToSendSms"]), (&json!("+4915112345678"), &json!("Yes")));
    assert_eq!(new["ListJoinedDate"], new["Date"]);
    let old = api.details("v3.2", "anna@example.com").await;
    assert_eq!(old["ConsentToTrack"], "No");
    for name in ["MobileNumber", "ConsentToSendSms", "ListJoinedDate"] {
        assert!(old.get(name).is_none(), "{name}");
    }
    let page = format!("lists/{LIST}/active.json?includesmspreference=True&pagesize=10");
    let row = |page: Value| page["Results"][0].clone();
    assert_eq!(row(api.at("v3.3", Method::GET, &page, None).await.1)["ConsentToSendSms"], "Yes");
    assert!(row(api.at("v3.1", Method::GET, &page, None).await.1).get("ListJoinedDate").is_none());
    let lists = api.at("v3", Method::GET, &format!("clients/{CLIENT}/lists.json"), None).await.1;
    assert_eq!(lists.as_array().unwrap().len(), 3);
}
