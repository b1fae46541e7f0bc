//! Calling webhooks back (reference section 14), and the emulator's other background work.
//!
//! Promises: batches of at most 1000 events, one batch in flight per webhook, no signature, a few
//! repeats and then the batch is lost; a webhook that failed for too long is switched off silently.

use super::call::HookTest;
use super::desk::{Desk, Shared};
use super::error::ApiError;
use super::snapshot::Snapshot;
use reqwest::Client;
use serde_json::{Value, json};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const BATCH: usize = 1000;
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
    let mut batches = Vec::new();
    for list in desk.world.lists.values() {
        for hook in list.webhooks.iter().filter(|hook| hook.active) {
            let Some(queue) = desk.hooks.get_mut(&hook.id) else {
                continue;
            };
            if queue.in_flight || queue.events.is_empty() {
                continue;
            }
            queue.in_flight = true;
            let count = queue.events.len().min(BATCH);
            let events: Vec<Value> = queue.events.drain(..count).collect();
            batches.push(Batch { hook_id: hook.id.clone(), url: hook.url.clone(), body: envelope(&list.id, events) });
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
    shared.work(false, |desk, _| {
        let Some(queue) = desk.hooks.get_mut(&batch.hook_id) else {
            return;
        };
        queue.in_flight = false;
        if delivered {
            queue.failing_since = None;
            return;
        }
        let since = *queue.failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= delivery.off_after {
            queue.events.clear();
            let hooks = desk.world.lists.values_mut().flat_map(|list| &mut list.webhooks);
            for hook in hooks.filter(|hook| hook.id == batch.hook_id) {
                hook.active = false;
            }
            desk.changes += 1;
        }
    });
}

/// The failure's status (0 for no answer) and its words.
async fn post(client: &Client, url: &str, body: Vec<u8>) -> Result<(), (u16, String)> {
    let answer = client
        .post(url)
        .header("Content-Type", "application/json")
        .body(body)
        .send()
        .await
        .map_err(|error| (0, error.without_url().to_string()))?;
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err((status.as_u16(), status.to_string())) }
}

/// The webhook test: an envelope without events.
pub(super) async fn test(client: &Client, wanted: &HookTest) -> Result<(), ApiError> {
    let body = envelope(&wanted.list_id, Vec::new());
    post(client, &wanted.url, body).await.map_err(|(status, words)| {
        ApiError::input(610).with_result(json!({
            "FailureStatus": if status == 0 { "ConnectionFailure" } else { "ProtocolError" },
            "FailureResponseMessage": words,
            "FailureResponseCode": status,
            "FailureResponse": "",
        }))
    })
}
