//! Calls that manage a list's webhooks; what they deliver is read in [`super::payload`].
//!
//! There is no update: to change an address, create the new webhook and then delete the old one.

use reqwest::Method;
use serde::Serialize;
use serde_json::Value;

use super::client::{Account, Call};
use super::error::CallError;
use super::layout::Webhook;

const TEST_FAILED: u32 = 610;
pub(super) const EVENTS: [&str; 3] = ["Subscribe", "Update", "Deactivate"];

/// How the provider's own test of a webhook went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookTest {
    /// Our receiver answered well.
    Passed,
    /// It did not. The codes are the provider's words, at most 60 characters each.
    Failed {
        /// `FailureStatus`.
        status: String,
        /// `FailureResponseCode`, usually the HTTP status our receiver gave.
        response: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateBody<'a> {
    events: [&'static str; 3],
    url: &'a str,
    payload_format: &'static str,
}

impl Account<'_> {
    /// The webhooks of a list.
    pub async fn webhooks(&self, list_id: &str) -> Result<Vec<Webhook>, CallError> {
        self.send(Call::get(&["lists", list_id, "webhooks"])).await?.read()
    }

    /// Create a JSON webhook for every kind of event; answers its id. Not repeatable: after a lost
    /// answer look through [`Account::webhooks`] first.
    pub async fn create_webhook(&self, list_id: &str, url: &str) -> Result<String, CallError> {
        let body = CreateBody { events: EVENTS, url, payload_format: "json" };
        let call = Call::new(Method::POST, &["lists", list_id, "webhooks"]).json(&body);
        self.send(call).await?.read()
    }

    /// Remove a webhook.
    pub async fn delete_webhook(&self, list_id: &str, id: &str) -> Result<(), CallError> {
        self.send(Call::new(Method::DELETE, &["lists", list_id, "webhooks", id])).await?.empty()
    }

    /// Switch a webhook on again after the provider switched it off.
    pub async fn activate_webhook(&self, list_id: &str, id: &str) -> Result<(), CallError> {
        let path = ["lists", list_id, "webhooks", id, "activate"];
        self.send(Call::new(Method::PUT, &path)).await?.empty()
    }

    /// Have the provider call our receiver now.
    pub async fn test_webhook(&self, list_id: &str, id: &str) -> Result<WebhookTest, CallError> {
        let answer = self.send(Call::get(&["lists", list_id, "webhooks", id, "test"])).await?;
        if answer.code() != Some(TEST_FAILED) {
            return answer.empty().map(|()| WebhookTest::Passed);
        }
        let body = answer.value().unwrap_or_default();
        let word = |name: &str| match &body["ResultData"][name] {
            Value::String(text) => text.chars().take(60).collect(),
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        Ok(WebhookTest::Failed { status: word("FailureStatus"), response: word("FailureResponseCode") })
    }
}
