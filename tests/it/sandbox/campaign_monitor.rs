//! The Campaign Monitor emulator over HTTP: writes by state, import, paging, consent, faults, restart.

#![allow(clippy::unwrap_used)]

use reconsent::sandbox::campaign_monitor::{
    ClientSeed, CustomFieldSeed, Fault, FaultKind, ListSeed, PersonAct, State, TokenState, UnsubscribeSetting,
};
use reconsent::sandbox::{Emulator, EmulatorSettings};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::Duration;

const CLIENT: &str = "c0000000000000000000000000000001";
const LIST: &str = "a0000000000000000000000000000001";
const OTHER: &str = "a0000000000000000000000000000002";
const ALONE: &str = "a0000000000000000000000000000003";

struct Api {
    emulator: Emulator,
    http: Client,
}

fn settings() -> EmulatorSettings {
    let list = |id: &str, title: &str, unsubscribe_setting| ListSeed {
        client_id: CLIENT.into(),
        id: id.into(),
        title: title.into(),
        unsubscribe_setting,
        custom_fields: vec![
            CustomFieldSeed::text("consent version"),
            CustomFieldSeed { name: "consent date".into(), data_type: "Date".into(), options: vec![] },
            CustomFieldSeed {
                name: "topics".into(),
                data_type: "MultiSelectMany".into(),
                options: vec!["News".into(), "Events".into()],
            },
        ],
        ..ListSeed::default()
    };
    Emulator::builder()
        .account_key("account-key")
        .client(ClientSeed { id: CLIENT.into(), api_key: "client-key".into(), ..Default::default() })
        .client(ClientSeed { id: "c2".into(), api_key: "other-key".into(), ..Default::default() })
        .list(list(LIST, "Newsletter", UnsubscribeSetting::AllClientLists))
        .list(list(OTHER, "Offers", UnsubscribeSetting::AllClientLists))
        .list(list(ALONE, "Alone", UnsubscribeSetting::OnlyThisList))
        .token("stale", TokenState::Expired)
        .add_delay(Duration::from_millis(300))
}

fn api() -> Api {
    Api::of(settings().start().unwrap())
}

impl Api {
    fn of(emulator: Emulator) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        Self { emulator, http }
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v3.3/{path}", self.emulator.base_url())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method, self.url(path)).basic_auth("client-key", Some("x"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, None).await
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, Some(body)).await
    }

    async fn import(&self, list: &str, emails: &[&str], resubscribe: bool) -> (u16, Value) {
        let rows: Vec<_> =
            emails.iter().map(|email| json!({"EmailAddress": email, "Name": "N", "ConsentToTrack": "No"})).collect();
        let body = json!({"Subscribers": rows, "Resubscribe": resubscribe});
        self.post(&format!("subscribers/{list}/import.json"), body).await
    }

    fn state(&self, list: &str, email: &str) -> Option<State> {
        self.emulator.subscriber(list, email).map(|subscriber| subscriber.state)
    }
}

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

#[tokio::test]
async fn pages_carry_the_whole_envelope_and_check_their_parameters() {
    let api = api();
    let people: Vec<String> = (0..25).map(|n| format!("p{n:02}@example.com")).collect();
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    api.import(LIST, &people, false).await;
    let page = async |query: &str| api.get(&format!("lists/{LIST}/active.json?{query}")).await.1;
    let last = page("page=3&pagesize=10&orderfield=email&orderdirection=asc").await;
    assert_eq!(last["Results"].as_array().unwrap().len(), 5);
    assert_eq!(last["Results"][0]["EmailAddress"], "p20@example.com");
    for (name, value) in [
        ("ResultsOrderedBy", json!("email")),
        ("OrderDirection", json!("asc")),
        ("PageNumber", json!(3)),
        ("PageSize", json!(10)),
        ("RecordsOnThisPage", json!(5)),
        ("TotalNumberOfRecords", json!(25)),
        ("NumberOfPages", json!(3)),
    ] {
        assert_eq!(last[name], value, "{name}");
    }
    for (query, code) in [
        ("date=yesterday", 5),
        ("page=0", 800),
        ("page=x", 800),
        ("pagesize=9", 801),
        ("pagesize=1001", 801),
        ("orderfield=age", 802),
        ("orderdirection=up", 803),
    ] {
        assert_eq!(page(query).await["Code"], code, "{query}");
    }
    assert_eq!(page("date=2100-01-01").await["TotalNumberOfRecords"], 0);
    assert_eq!(api.get(&format!("lists/{LIST}/stats.json")).await.1["TotalActiveSubscribers"], 25);
}

#[tokio::test]
async fn dates_are_in_the_zone_of_the_client() {
    let api = api();
    api.emulator.freeze_clock(Some("2026-07-01T22:30:15Z".parse().unwrap()));
    api.import(LIST, &["anna@example.com"], false).await;
    let details = api.get(&format!("subscribers/{LIST}.json?email=anna%40example.com")).await.1;
    assert_eq!(details["Date"], "2026-07-02 00:30:00");
    let on = async |date: &str| {
        let page = api.get(&format!("lists/{LIST}/active.json?date={date}")).await.1;
        page["TotalNumberOfRecords"].clone()
    };
    assert_eq!(on("2026-07-02").await, 1);
    assert_eq!(on("2026-07-02%2000:31").await, 0);
    assert_eq!(api.get("systemdate.json").await.1["SystemDate"], "2026-07-01 22:30:15");
}

#[tokio::test]
async fn faults_strike_before_or_after_the_write_as_scripted() {
    let api = api();
    let fault = |kind| Fault { method: Some("POST".into()), path: "/import".into(), times: 1, kind };
    api.emulator.faults().push(fault(FaultKind::Status(503)));
    api.emulator.faults().push(fault(FaultKind::ErrorAfterApplying));
    api.emulator.faults().push(fault(FaultKind::Html));
    assert_eq!(api.import(LIST, &["a@example.com"], false).await.0, 503);
    assert_eq!(api.state(LIST, "a@example.com"), None);
    let (status, body) = api.import(LIST, &["b@example.com"], false).await;
    assert_eq!((status, &body["Code"]), (500, &json!(500)));
    assert_eq!(api.state(LIST, "b@example.com"), Some(State::Active));
    assert_eq!(api.import(LIST, &["c@example.com"], false).await, (502, Value::Null));
    let control = format!("{}/sandbox/faults", api.emulator.base_url());
    let lost = json!({"path": "import", "kind": "lost_answer"});
    assert_eq!(api.http.post(control).json(&lost).send().await.unwrap().status(), 204);
    let row = json!({"EmailAddress": "d@example.com", "ConsentToTrack": "No"});
    let request = api.http.post(api.url(&format!("subscribers/{LIST}/import.json")));
    let request = request.basic_auth("client-key", Some("x")).json(&json!({"Subscribers": [row]}));
    assert!(request.send().await.is_err(), "nothing may be answered at all");
    assert_eq!(api.state(LIST, "d@example.com"), Some(State::Active));
    let statuses: Vec<u16> = api.emulator.requests().iter().map(|request| request.status).collect();
    assert_eq!(statuses, [503, 500, 502, 0]);
}

#[tokio::test]
async fn quick_repeats_of_one_address_are_refused_once_that_is_switched_on() {
    let api = api();
    api.emulator.limit_repeats(Some(Duration::from_secs(60)));
    let body = json!({"EmailAddress": "a@example.com", "ConsentToTrack": "No"});
    let path = format!("subscribers/{LIST}.json");
    assert_eq!(api.post(&path, body.clone()).await.0, 201);
    let (status, slow_down) = api.post(&path, body.clone()).await;
    assert_eq!((status, &slow_down["Code"]), (429, &json!(429)));
    api.emulator.limit_repeats(None);
    assert_eq!(api.post(&path, body).await.0, 201);
}

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

#[tokio::test]
async fn a_visitor_can_play_the_person_on_the_page() {
    let api = api();
    api.import(LIST, &["a+<b>@example.com", "anna@example.com"], false).await;
    let url = |path: &str| format!("{}{path}", api.emulator.base_url());
    let home = api.http.get(url("/")).send().await.unwrap().text().await.unwrap();
    assert!(home.contains("Newsletter"));
    let press = || {
        api.http
            .post(url(&format!("/lists/{LIST}/unsubscribe")))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body("email=anna%40example.com")
    };
    let foreign = press().header("Origin", "http://evil.example").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
    let page = press().send().await.unwrap();
    assert_eq!(page.status(), 200, "after the redirect back");
    assert!(page.text().await.unwrap().contains("suppressed"));
    assert_eq!(api.state(LIST, "anna@example.com"), Some(State::Unsubscribed));
    let control = url(&format!("/sandbox/lists/{LIST}/subscribe"));
    let answer = api.http.post(control).json(&json!({"email": "new@example.com"})).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["changed"], true);
    assert_eq!(api.state(LIST, "new@example.com"), Some(State::Active));
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
