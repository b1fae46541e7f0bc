//! Deliveries of the provider as large as they come: answered in time, nobody's stop lost, and harmless when told again.

use std::collections::HashSet;
use std::net::TcpListener;
use std::time::Duration;

use reconsent::domain::event::EventKind;
use reconsent::domain::ids::SubjectId;
use reconsent::http::HttpSettings;
use serde_json::{Value, json};

use crate::support::world::{LIST, Shop, World};
use crate::support::{Api, RunningServer, TestApp, settings};

const KNOWN: usize = 400;

fn event(kind: &str, address: &str, state: &str) -> Value {
    json!({ "Type": kind, "Date": "2026-11-24 12:00:00", "EmailAddress": address, "Name": "", "State": state, "CustomFields": [] })
}

/// A thousand events: people on record, addresses that nobody knows, repetitions, starts.
fn delivery() -> Value {
    let known = (0..KNOWN).map(|n| event("Deactivate", &format!("Known{n}@Example.org"), "Unsubscribed"));
    let unknown = (0..500).map(|n| {
        event("Deactivate", &format!("unknown{n}@example.org"), if n % 5 == 0 { "Bounced" } else { "Unsubscribed" })
    });
    let again = (0..25).map(|n| event("Deactivate", &format!("known{n}@example.org"), "Unsubscribed"));
    let worse = (0..25).map(|n| event("Deactivate", &format!("known{n}@example.org"), "Spam"));
    let starts = (0..50).map(|n| event("Subscribe", &format!("start{n}@example.org"), ""));
    let events: Vec<Value> = known.chain(unknown).chain(again).chain(worse).chain(starts).collect();
    assert_eq!(events.len(), 1000);
    json!({ "ListID": LIST, "Events": events })
}

async fn confirmed(app: &TestApp, shop: &Shop) -> Vec<SubjectId> {
    let all = app.api().get("/v1/purposes").await.expect(200).json;
    let newsletter = all["items"].as_array().unwrap().iter().find(|p| p["slug"] == "newsletter").unwrap()["id"].clone();
    let mut people = Vec::new();
    for n in 0..KNOWN {
        let address = format!("known{n}@example.org");
        people.push(app.consenting(&address, newsletter.as_str().unwrap(), &shop.notice, &shop.policy_version).await);
    }
    people
}

/// How many addresses are on the "never mail" list.
async fn never_mailed(app: &TestApp) -> usize {
    let (mut found, mut path) = (HashSet::new(), "/v1/suppressions?limit=500".to_owned());
    loop {
        let page = app.api().get(&path).await.expect(200).json;
        for entry in page["items"].as_array().unwrap() {
            found.insert(entry["fingerprint"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { return found.len() };
        path = format!("/v1/suppressions?limit=500&cursor={next}");
    }
}

both_engines! {
    async fn a_thousand_events_are_taken_in_one_call_and_a_second_telling_changes_nothing(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let people = confirmed(&app, &shop).await;
        app.clock.advance(Duration::from_secs(4 * 3600));

        let receipt = app.nobody().post(&shop.webhook, delivery()).await.expect(200).json;
        assert_eq!((&receipt["stopped"], &receipt["ignored"]), (&json!(925), &json!(75)), "{receipt}");
        for person in &people {
            assert_eq!(app.events(*person).await, [EventKind::Given, EventKind::Withdrawn]);
        }
        let listed = never_mailed(&app).await;
        assert_eq!(listed, KNOWN + 500, "who is not known is on the list all the same (SU-05)");

        app.nobody().post(&shop.webhook, delivery()).await.expect(200);
        for person in &people {
            assert_eq!(app.events(*person).await, [EventKind::Given, EventKind::Withdrawn], "once is enough");
        }
        assert_eq!(never_mailed(&app).await, listed);
    }

    async fn a_delivery_that_is_cut_off_by_its_deadline_is_no_success_and_loses_nothing_when_told_again(app: TestApp) {
        let world = World::around(&app);
        let shop = Shop::open(&app, &world).await;
        let people = confirmed(&app, &shop).await;
        app.clock.advance(Duration::from_secs(4 * 3600));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let hurried = HttpSettings { deadline: Duration::from_millis(40), ..settings() };
        let _server = RunningServer::start(app.services.clone(), hurried, listener);
        let provider = Api::new(reqwest::Client::builder().no_proxy().build().unwrap(), &base, None);
        provider.post(&shop.webhook, delivery()).await.expect(408);
        app.nobody().post(&shop.webhook, delivery()).await.expect(200);
        for person in &people {
            assert_eq!(app.events(*person).await, [EventKind::Given, EventKind::Withdrawn]);
        }
        assert_eq!(never_mailed(&app).await, KNOWN + 500);
    }
}
