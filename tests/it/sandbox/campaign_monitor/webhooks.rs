//! The emulator's webhooks, received by a real listener.

#![allow(clippy::unwrap_used)]

use actix_web::{App, HttpResponse, HttpServer, web};
use reconsent::sandbox::Emulator;
use reconsent::sandbox::campaign_monitor::{ClientSeed, ListSeed, WebhookDelivery, WebhookTrouble};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LIST: &str = "a0000000000000000000000000000001";

#[derive(Default)]
struct Receiver {
    envelopes: Mutex<Vec<Value>>,
    refusals_left: Mutex<u32>,
}

impl Receiver {
    fn listen(self: &Arc<Self>) -> String {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let shared = web::Data::from(Arc::clone(self));
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .app_data(web::JsonConfig::default().limit(10_000_000))
                .route("/hook", web::post().to(receive))
        });
        actix_web::rt::spawn(server.workers(1).disable_signals().listen(listener).unwrap().run());
        url
    }

    async fn events(&self, count: usize) -> Vec<Value> {
        for _ in 0..200 {
            let events: Vec<Value> = self
                .envelopes
                .lock()
                .unwrap()
                .iter()
                .flat_map(|envelope| envelope["Events"].as_array().unwrap().clone())
                .collect();
            if events.len() >= count {
                return events;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("the events did not arrive");
    }
}

async fn receive(receiver: web::Data<Receiver>, envelope: web::Json<Value>) -> HttpResponse {
    let mut left = receiver.refusals_left.lock().unwrap();
    if *left > 0 {
        *left -= 1;
        return HttpResponse::ServiceUnavailable().body("not now");
    }
    receiver.envelopes.lock().unwrap().push(envelope.into_inner());
    HttpResponse::Ok().finish()
}

fn emulator(delivery: WebhookDelivery) -> Emulator {
    Emulator::builder()
        .account_key("key")
        .client(ClientSeed { id: "c1".into(), ..Default::default() })
        .list(ListSeed { client_id: "c1".into(), id: LIST.into(), title: "News".into(), ..Default::default() })
        .webhooks(delivery)
        .start()
        .unwrap()
}

async fn call(emulator: &Emulator, method: Method, path: &str, body: Value) -> (u16, Value) {
    let url = format!("{}/api/v3.3/{path}", emulator.base_url());
    let http = Client::builder().no_proxy().build().unwrap();
    let answer = http.request(method, url).basic_auth("key", Some("x")).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

async fn hook(emulator: &Emulator, url: &str) -> String {
    let body = json!({"Events": ["Subscribe", "Update", "Deactivate"], "Url": url, "PayloadFormat": "json"});
    let (status, id) = call(emulator, Method::POST, &format!("lists/{LIST}/webhooks.json"), body).await;
    assert_eq!(status, 201);
    id.as_str().unwrap().to_owned()
}

async fn import(emulator: &Emulator, emails: &[String]) {
    let rows: Vec<_> = emails.iter().map(|e| json!({"EmailAddress": e, "ConsentToTrack": "No"})).collect();
    let body = json!({"Subscribers": rows});
    assert_eq!(call(emulator, Method::POST, &format!("subscribers/{LIST}/import.json"), body).await.0, 201);
}

fn quick() -> WebhookDelivery {
    WebhookDelivery { repeats: vec![Duration::from_millis(50); 3], ..Default::default() }
}

#[actix_web::test]
async fn own_writes_and_the_acts_of_people_come_back_as_events() {
    let receiver = Arc::new(Receiver::default());
    let emulator = emulator(quick());
    hook(&emulator, &receiver.listen()).await;
    import(&emulator, &["anna@example.com".into()]).await;
    receiver.events(1).await;
    import(&emulator, &["anna@example.com".into()]).await;
    receiver.events(2).await;
    emulator.change_address_as_person(LIST, "anna@example.com", "anna.new@example.com");
    receiver.events(3).await;
    emulator.complain(LIST, "anna.new@example.com");
    let events = receiver.events(4).await;
    let types: Vec<_> = events.iter().map(|event| event["Type"].as_str().unwrap()).collect();
    assert_eq!(types, ["Subscribe", "Update", "Update", "Deactivate"]);
    assert_eq!(events[1]["OldEmailAddress"], "anna@example.com");
    assert_eq!(events[2]["OldEmailAddress"], "anna@example.com");
    assert_eq!(events[2]["EmailAddress"], "anna.new@example.com");
    assert_eq!(events[3]["State"], "Spam");
    assert_eq!(receiver.envelopes.lock().unwrap()[0]["ListID"], LIST);
}

#[actix_web::test]
async fn many_events_come_in_batches_of_at_most_a_thousand() {
    let receiver = Arc::new(Receiver::default());
    let emulator = emulator(quick());
    hook(&emulator, &receiver.listen()).await;
    for half in 0..3 {
        let people: Vec<_> = (0..900).map(|n| format!("p{half}-{n}@example.com")).collect();
        import(&emulator, &people).await;
    }
    assert_eq!(receiver.events(2700).await.len(), 2700);
    let envelopes = receiver.envelopes.lock().unwrap();
    assert!(envelopes.iter().all(|envelope| envelope["Events"].as_array().unwrap().len() <= 1000));
    assert!(envelopes.len() < 20);
}

#[actix_web::test]
async fn a_receiver_that_refuses_is_tried_again() {
    let receiver = Arc::new(Receiver::default());
    *receiver.refusals_left.lock().unwrap() = 2;
    let emulator = emulator(quick());
    hook(&emulator, &receiver.listen()).await;
    emulator.subscribe_as_person(LIST, "anna@example.com");
    assert_eq!(receiver.events(1).await[0]["SignupIPAddress"], "192.0.2.10");
}

#[actix_web::test]
async fn a_webhook_that_fails_for_too_long_is_switched_off_without_a_word() {
    let emulator = emulator(WebhookDelivery { repeats: vec![], off_after: Duration::ZERO, ..quick() });
    let id = hook(&emulator, "http://127.0.0.1:9/nobody").await;
    emulator.subscribe_as_person(LIST, "anna@example.com");
    let path = format!("lists/{LIST}/webhooks.json");
    let mut hooks = Value::Null;
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        hooks = call(&emulator, Method::GET, &path, Value::Null).await.1;
        if hooks[0]["Status"] != "Active" {
            break;
        }
    }
    assert_eq!(hooks[0]["Status"], "Deactivated");
    let on = format!("lists/{LIST}/webhooks/{id}/activate.json");
    assert_eq!(call(&emulator, Method::PUT, &on, Value::Null).await.0, 200);
    assert_eq!(call(&emulator, Method::GET, &path, Value::Null).await.1[0]["Status"], "Active");
}

#[actix_web::test]
async fn the_test_call_reports_how_the_receiver_answered() {
    let receiver = Arc::new(Receiver::default());
    let emulator = emulator(quick());
    let id = hook(&emulator, &receiver.listen()).await;
    let test = format!("lists/{LIST}/webhooks/{id}/test.json");
    assert_eq!(call(&emulator, Method::GET, &test, Value::Null).await.0, 200);
    assert_eq!(receiver.envelopes.lock().unwrap()[0]["Events"], json!([]));
    *receiver.refusals_left.lock().unwrap() = 1;
    let (status, failed) = call(&emulator, Method::GET, &test, Value::Null).await;
    assert_eq!((status, &failed["Code"]), (400, &json!(610)));
    let result = &failed["ResultData"];
    assert_eq!((&result["FailureResponseCode"], &result["FailureResponse"]), (&json!(503), &json!("not now")));
    assert_eq!(result["FailureStatus"], "ProtocolError");
    assert!(result["FailureResponseMessage"].as_str().unwrap().contains("503"));
}

#[actix_web::test]
async fn unusable_webhooks_are_refused() {
    let emulator = emulator(quick());
    let path = format!("lists/{LIST}/webhooks.json");
    for (events, url, format, code) in [
        (json!(["Subscribe"]), "ftp://example.com/", "json", 601),
        (json!(["Subscribe"]), "http://example.com/", "yaml", 602),
        (json!(["Opened"]), "http://example.com/", "json", 603),
        (json!([]), "http://example.com/", "json", 603),
    ] {
        let body = json!({"Events": events, "Url": url, "PayloadFormat": format});
        assert_eq!(call(&emulator, Method::POST, &path, body).await.1["Code"], code);
    }
}

#[actix_web::test]
async fn events_come_twice_backwards_or_not_at_all_when_told_to() {
    let receiver = Arc::new(Receiver::default());
    let emulator = emulator(quick());
    hook(&emulator, &receiver.listen()).await;
    let trouble = |twice, backwards, lost| WebhookTrouble { twice, backwards, lost, hold: Duration::from_millis(300) };
    emulator.trouble_webhooks(trouble(true, true, false));
    let people: Vec<String> = (0..5).map(|n| format!("p{n}@example.com")).collect();
    import(&emulator, &people).await;
    let events = receiver.events(10).await;
    let addresses: Vec<_> = events.iter().map(|event| event["EmailAddress"].as_str().unwrap().to_owned()).collect();
    let backwards: Vec<String> = people.iter().rev().cloned().collect();
    assert_eq!(addresses, [backwards.clone(), backwards].concat());
    assert_eq!(receiver.envelopes.lock().unwrap().len(), 2, "collected into one batch, which came twice");
    emulator.trouble_webhooks(trouble(false, false, true));
    emulator.unsubscribe_as_person(LIST, "p0@example.com");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let control = format!("{}/sandbox/webhooks", emulator.base_url());
    let http = Client::builder().no_proxy().build().unwrap();
    assert_eq!(http.post(&control).json(&json!({"hold": 50})).send().await.unwrap().status(), 204);
    assert_eq!(http.post(&control).json(&json!({"sometimes": true})).send().await.unwrap().status(), 400);
    emulator.unsubscribe_as_person(LIST, "p1@example.com");
    let events = receiver.events(11).await;
    assert_eq!((events.len(), &events[10]["EmailAddress"]), (11, &json!("p1@example.com")));
}

#[actix_web::test]
async fn a_week_of_failures_switches_a_webhook_off_and_a_success_in_between_does_not() {
    let receiver = Arc::new(Receiver::default());
    let emulator = emulator(WebhookDelivery { repeats: vec![], ..Default::default() });
    hook(&emulator, &receiver.listen()).await;
    let day =
        |n: i64| "2026-03-02T09:00:00Z".parse::<jiff::Timestamp>().unwrap() + jiff::SignedDuration::from_hours(24 * n);
    let calls = || *receiver.refusals_left.lock().unwrap();
    let status = async || {
        let hooks = call(&emulator, Method::GET, &format!("lists/{LIST}/webhooks.json"), Value::Null).await.1;
        hooks[0]["Status"].as_str().unwrap().to_owned()
    };
    // Refused on day 0, heard on day 4, then refused on days 5, 11 and 12: only the last is a week after the first
    // of an unbroken row.
    for (n, refuses) in [(0, true), (4, false), (5, true), (11, true), (12, true)] {
        emulator.freeze_clock(Some(day(n)));
        let heard = receiver.envelopes.lock().unwrap().len();
        *receiver.refusals_left.lock().unwrap() = u32::from(refuses);
        emulator.subscribe_as_person(LIST, &format!("p{n}@example.com"));
        for _ in 0..200 {
            if calls() == 0 && (refuses || receiver.envelopes.lock().unwrap().len() > heard) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // What was answered has to come back before it counts.
        tokio::time::sleep(Duration::from_millis(150)).await;
        assert_eq!(status().await, if n == 12 { "Deactivated" } else { "Active" }, "day {n}");
    }
}
