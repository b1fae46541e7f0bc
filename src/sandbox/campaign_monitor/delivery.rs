//! Calling webhooks back (reference section 14), and the emulator's other background work.
//!
//! Promises: batches of at most 1000 events, one batch in flight per webhook, no signature, a few
//! repeats and then the batch is lost; a webhook that failed for too long is switched off silently.

use super::call::HookTest;
use super::desk::{Desk, Shared};
use super::error::ApiError;
use super::snapshot::Snapshot;
use reqwest::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const BATCH: usize = 1000;
/// How much of a refusal is passed on (bytes).
const SAID: usize = 2_000;
const TICK: Duration = Duration::from_millis(20);

/// How webhooks are called.
#[derive(Clone, Debug)]
pub struct WebhookDelivery {
    /// How long one call may take.
    pub time_out: Duration,
    /// Waits before each repeat; as many repeats as entries.
    pub repeats: Vec<Duration>,
    /// A webhook that only failed for this long is switched off.
    pub off_after: Duration,
}

/// What else happens to events on their way, on demand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookTrouble {
    /// Every batch is delivered a second time.
    pub twice: bool,
    /// What waits is delivered newest first.
    pub backwards: bool,
    /// Events vanish.
    pub lost: bool,
    /// How long events are collected before they go (milliseconds in JSON).
    #[serde(deserialize_with = "super::faults::millis")]
    pub hold: Duration,
}

impl Default for WebhookDelivery {
    fn default() -> Self {
        Self {
            time_out: Duration::from_secs(10),
            repeats: [200, 1_000, 5_000].map(Duration::from_millis).to_vec(),
            off_after: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl WebhookDelivery {
    pub(super) fn client(&self) -> io::Result<Client> {
        Client::builder()
            .timeout(self.time_out)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(io::Error::other)
    }
}

struct Batch {
    hook_id: String,
    url: String,
    body: Vec<u8>,
    twice: bool,
}

/// Settles queued adds, sends webhooks and saves, until the runtime ends.
pub(super) async fn run(
    shared: Arc<Shared>,
    client: Client,
    delivery: WebhookDelivery,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
) {
    loop {
        tokio::time::sleep(TICK).await;
        // Spreading happens after the task, so adds settled now go out with the next tick.
        for batch in shared.work(false, |desk, _| batches(desk)) {
            actix_web::rt::spawn(deliver(Arc::clone(&shared), client.clone(), delivery.clone(), batch));
        }
        if let Some(snapshot) = super::desk::lock(&snapshot).as_mut() {
            snapshot.tick(&shared);
        }
    }
}

fn batches(desk: &mut Desk) -> Vec<Batch> {
    let trouble = desk.trouble;
    let mut batches = Vec::new();
    for list in desk.world.lists.values() {
        for hook in list.webhooks.iter().filter(|hook| hook.active) {
            let Some(queue) = desk.hooks.get_mut(&hook.id) else {
                continue;
            };
            let held = queue.waiting_since.is_some_and(|since| since.elapsed() < trouble.hold);
            if queue.in_flight || queue.events.is_empty() || held {
                continue;
            }
            let count = queue.events.len().min(BATCH);
            let events: Vec<Value> = if trouble.backwards {
                let kept = queue.events.len() - count;
                queue.events.drain(kept..).rev().collect()
            } else {
                queue.events.drain(..count).collect()
            };
            // What is left has waited as long as the rest.
            queue.waiting_since = queue.waiting_since.filter(|_| !queue.events.is_empty());
            if trouble.lost {
                continue;
            }
            queue.in_flight = true;
            let body = envelope(&list.id, events);
            batches.push(Batch { hook_id: hook.id.clone(), url: hook.url.clone(), body, twice: trouble.twice });
        }
    }
    batches
}

fn envelope(list_id: &str, events: Vec<Value>) -> Vec<u8> {
    json!({"ListID": list_id, "Events": events}).to_string().into_bytes()
}

async fn deliver(shared: Arc<Shared>, client: Client, delivery: WebhookDelivery, batch: Batch) {
    let mut delivered = post(&client, &batch.url, batch.body.clone()).await.is_ok();
    for pause in &delivery.repeats {
        if delivered {
            break;
        }
        tokio::time::sleep(*pause).await;
        delivered = post(&client, &batch.url, batch.body.clone()).await.is_ok();
    }
    if delivered && batch.twice {
        // Whether the second time is heard changes nothing.
        let _ = post(&client, &batch.url, batch.body.clone()).await;
    }
    shared.work(false, |desk, now| {
        let Some(queue) = desk.hooks.get_mut(&batch.hook_id) else {
            return;
        };
        queue.in_flight = false;
        if delivered {
            queue.failing_since = None;
            return;
        }
        let since = *queue.failing_since.get_or_insert(now);
        if now.duration_since(since).unsigned_abs() >= delivery.off_after {
            queue.events.clear();
            let hooks = desk.world.lists.values_mut().flat_map(|list| &mut list.webhooks);
            for hook in hooks.filter(|hook| hook.id == batch.hook_id) {
                hook.active = false;
            }
            desk.changes += 1;
        }
    });
}

/// How a receiver failed.
struct Refusal {
    /// 0 for no answer.
    status: u16,
    words: String,
    /// The beginning of what it said.
    said: String,
}

async fn post(client: &Client, url: &str, body: Vec<u8>) -> Result<(), Refusal> {
    let mut answer = client
        .post(url)
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .map_err(|error| Refusal { status: 0, words: error.without_url().to_string(), said: String::new() })?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let mut said = Vec::new();
    while let (true, Ok(Some(part))) = (said.len() < SAID, answer.chunk().await) {
        said.extend_from_slice(&part[..part.len().min(SAID - said.len())]);
    }
    let said = String::from_utf8_lossy(&said).into_owned();
    Err(Refusal { status: status.as_u16(), words: status.to_string(), said })
}

/// The webhook test: an envelope without events.
pub(super) async fn test(client: &Client, wanted: &HookTest) -> Result<(), ApiError> {
    let body = envelope(&wanted.list_id, Vec::new());
    post(client, &wanted.url, body).await.map_err(|refusal| {
        ApiError::input(610).with_result(json!({
            "FailureStatus": if refusal.status == 0 { "ConnectionFailure" } else { "ProtocolError" },
            "FailureResponseMessage": refusal.words,
            "FailureResponseCode": refusal.status,
            "FailureResponse": refusal.said,
        }))
    })
}
