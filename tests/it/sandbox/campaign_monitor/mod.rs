//! The Campaign Monitor emulator, asked over HTTP as any client asks it; nothing of our own client is used here.

#![allow(clippy::unwrap_used)]

mod access;
mod account_page;
mod crowds;
mod dates;
mod faults;
mod fields;
mod importing;
mod keeping;
mod leniency;
mod lists;
mod paging;
mod reach;
mod single;
mod transactional;
mod versions;
mod webhooks;

use reconsent::sandbox::campaign_monitor::{
    ClientSeed, CustomFieldSeed, ListSeed, State, TokenState, UnsubscribeSetting,
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
