//! The outside world for a test: a real relay that keeps what it gets, the provider's emulator, and workers that can be
//! killed. Demo and tests use the same two.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reconsent::mail::{PoolLimits, Relay, RelayPool, RelaySettings};
use reconsent::sandbox::campaign_monitor::{ClientSeed, CustomFieldSeed, ListSeed};
use reconsent::sandbox::mail_catcher::CaughtMail;
use reconsent::sandbox::{Emulator, EmulatorSettings, MailCatcher, MailCatcherSettings};
use reconsent::usecases::sync::{Provider, ProviderSettings};
use reconsent::worker::{Worker, WorkerSettings};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::TestApp;

/// The client at the emulator that owns the tests' lists.
pub const CLIENT: &str = "c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1";
/// The list for newsletters.
pub const LIST: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

/// Another list of that client.
pub const OTHER_LIST: &str = "b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2";

/// Relay and provider.
pub struct World {
    /// What every mail went to.
    pub catcher: Arc<MailCatcher>,
    /// The provider.
    pub emulator: Emulator,
    app: TestApp,
}

/// A worker that runs until it is stopped or killed.
pub struct RunningWorker {
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

impl RunningWorker {
    /// Lets it finish what it has in hand.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        self.task.await.expect("the worker ends well");
    }
}

/// Short times, so that tests need not wait.
pub fn quick() -> WorkerSettings {
    WorkerSettings {
        poll_interval: Duration::from_millis(20),
        timetable_interval: Duration::from_millis(50),
        retry_first: Duration::ZERO,
        retry_cap: Duration::ZERO,
        paused_look: Duration::ZERO,
        unreachable_look: Duration::ZERO,
        ..WorkerSettings::default()
    }
}

impl World {
    /// Opens the world around a house.
    pub fn around(app: &TestApp) -> Self {
        Self::around_with(app, |emulator| emulator)
    }

    /// The same, with more said about the emulator before it starts.
    pub fn around_with(app: &TestApp, more: impl FnOnce(EmulatorSettings) -> EmulatorSettings) -> Self {
        let catcher = MailCatcher::start(MailCatcherSettings::default()).expect("the catcher starts");
        let list = |id: &str, title: &str| ListSeed {
            client_id: CLIENT.to_owned(),
            id: id.to_owned(),
            title: title.to_owned(),
            custom_fields: vec![
                CustomFieldSeed { name: "ConsentDate".to_owned(), data_type: "Date".to_owned(), options: Vec::new() },
                CustomFieldSeed::text("PolicyVersion"),
                CustomFieldSeed::text("Purposes"),
                CustomFieldSeed::text("Basis"),
                CustomFieldSeed::text("Source"),
                CustomFieldSeed::text("ReconsentPreferences"),
            ],
            ..ListSeed::default()
        };
        let emulator = more(Emulator::builder())
            .client(ClientSeed { id: CLIENT.to_owned(), name: "Acme".to_owned(), ..ClientSeed::default() })
            .list(list(LIST, "Newsletter"))
            .list(list(OTHER_LIST, "Letters"))
            .start()
            .expect("the emulator starts");
        Self { catcher: Arc::new(catcher), emulator, app: app.clone() }
    }

    /// Its workers are this house's from now on.
    pub fn works_for(&mut self, app: &TestApp) {
        self.app = app.clone();
    }

    /// A pool of connections to the catcher.
    pub fn relay(&self) -> RelayPool {
        let relay = Relay::new(RelaySettings::loopback(self.catcher.smtp_addr().port())).expect("a relay on loopback");
        RelayPool::new(relay, PoolLimits { max: 4, idle_timeout: Duration::from_secs(5), mails_per_connection: 100 })
    }

    /// Starts a worker.
    pub fn worker(&self) -> RunningWorker {
        self.worker_with(quick())
    }

    /// Starts a worker with these settings.
    pub fn worker_with(&self, settings: WorkerSettings) -> RunningWorker {
        let provider = Arc::new(Provider::new(ProviderSettings {
            breaker_pause: Duration::from_millis(1),
            breaker_pause_cap: Duration::from_millis(1),
            ..ProviderSettings::default()
        }));
        let worker = Worker::new(self.app.services.clone(), settings, Some(self.relay()), provider);
        let (stop, stopped) = watch::channel(false);
        RunningWorker { stop, task: tokio::spawn(worker.run(stopped)) }
    }

    /// The newest mail to an address, once there is one.
    pub async fn mail_to(&self, address: &str) -> Arc<CaughtMail> {
        eventually("a mail arrives", async || self.catcher.messages_to(address).into_iter().next()).await
    }

    /// The address of a link in a mail, such as `/r/` for the answer page.
    pub fn link_in(mail: &CaughtMail, path: &str) -> String {
        let text = mail.text();
        let start = text.find(path).unwrap_or_else(|| panic!("no {path} link in the mail"));
        let from = text[..start].rfind("http").expect("a link begins with its scheme");
        let end = text[start..].find(|c: char| c == '>' || c.is_whitespace()).map_or(text.len(), |n| start + n);
        text[from..end].to_owned()
    }
}

/// Calls the emulator's API as the account; gives what it answers, if it is JSON.
pub async fn api(world: &World, method: reqwest::Method, path: &str, body: Option<Value>) -> Value {
    let url = format!("{}/api/v3.3/{path}", world.emulator.base_url());
    let request = reqwest::Client::new().request(method, url).basic_auth(world.emulator.account_key(), Some("x"));
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.expect("the emulator answers");
    let (status, text) = (answer.status(), answer.text().await.expect("an answer comes whole"));
    assert!(status.is_success(), "{path}: {text}");
    serde_json::from_str(&text).unwrap_or_default()
}

/// Waits until the question has an answer; fails after ten seconds.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, question: impl FnMut() -> F) -> T {
    within(Duration::from_secs(10), what, question).await
}

/// Waits until the question has an answer; fails after this time.
pub async fn within<T, F: Future<Output = Option<T>>>(
    patience: Duration,
    what: &str,
    mut question: impl FnMut() -> F,
) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(started.elapsed() < patience, "waited {patience:?} in vain: {what}");
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// A controller that is ready to ask and be asked: purposes, policy, notice, sender, form, destination.
pub struct Shop {
    /// The notice's id.
    pub notice: String,
    /// The policy version's id.
    pub policy_version: String,
    /// The sender's id.
    pub sender: String,
    /// The form's id.
    pub form: String,
    /// The form's key.
    pub form_key: String,
    /// The destination's id.
    pub destination: String,
    /// The path of the destination's webhook.
    pub webhook: String,
}

/// The wording that tests show.
pub fn wording() -> Value {
    json!({
        "language": "en-GB",
        "title": "Stay in touch with acme Ltd",
        "introduction": "acme Ltd would like to send you its newsletter by e-mail, and to see whether you open it.",
        "labels": [
            { "purpose": "newsletter", "label": "The monthly newsletter" },
            { "purpose": "tracking", "label": "Measuring whether I open it (Open tracking)" },
        ],
        "yes": "Yes", "no": "No", "send": "Send my answer",
        "controller_name": "acme Ltd",
        "third_parties": [],
        "withdrawal": "You can stop at any time by the link in each mail.",
    })
}

impl Shop {
    /// Sets it up through the API, with the world's emulator as destination.
    pub async fn open(app: &TestApp, world: &World) -> Self {
        let api = app.api();
        for (slug, label, kind) in
            [("newsletter", "Newsletter", "marketing"), ("tracking", "Open tracking", "tracking")]
        {
            api.post(
                "/v1/purposes",
                json!({ "slug": slug, "label": label, "description": "News once a month", "kind": kind }),
            )
            .await
            .expect(201);
        }
        let policy = api
            .post("/v1/policies", json!({ "slug": "privacy", "name": "Privacy policy" }))
            .await
            .expect(201)
            .text("id");
        let version = api
            .upload(
                &format!("/v1/policies/{policy}/versions?label=2026-09-01&language=en-GB&in_force_from=2026-09-01"),
                "text/html",
                "<h1>Privacy</h1><p>We keep little.</p>",
            )
            .await
            .expect(201)
            .text("id");
        let notice = json!({ "slug": "sign-up", "wording": wording(), "purposes": ["newsletter", "tracking"],
            "policy_version_id": version });
        let notice = api.post("/v1/notices", notice).await.expect(201).text("id");
        let sender = api
            .post(
                "/v1/senders",
                json!({ "name": "acme Ltd", "address": "news@acme.example", "postal": "1 Rose Lane, York" }),
            )
            .await
            .expect(201)
            .text("id");
        let form = api
            .post(
                "/v1/forms",
                json!({ "name": "footer", "notice_id": notice, "sender_id": sender,
                "origins": ["https://www.acme.example"], "return_urls": ["https://www.acme.example/thanks"] }),
            )
            .await
            .expect(201);
        let destination = api
            .post(
                "/v1/destinations",
                json!({ "base_url": world.emulator.base_url(), "client_id": CLIENT,
                "api_key": world.emulator.account_key(), "time_zone": "Europe/Amsterdam" }),
            )
            .await
            .expect(201);
        let id = destination.text("id");
        api.put(
            &format!("/v1/destinations/{id}/lists"),
            json!({ "lists": [{ "purpose": "newsletter", "list_id": LIST }] }),
        )
        .await
        .expect(200);
        let webhook = destination.text("webhook_url").replace(&app.base, "");
        Self {
            notice,
            policy_version: version,
            sender,
            form: form.text("id"),
            form_key: form.text("form_key"),
            destination: id,
            webhook,
        }
    }
}

/// Imports a list on the basis of consent, launches a round over it, and gives its id and the dry run's counts. A worker
/// has to run.
pub async fn launched_round(app: &TestApp, shop: &Shop, list: &str) -> (String, Value) {
    let (campaign, dry) = drafted_round(app, shop, list).await;
    app.api().post(&format!("/v1/campaigns/{campaign}/launch"), json!({})).await.expect(200);
    (campaign, dry)
}

/// Imports a list on the basis of consent, drafts a round over it, and gives its id and the dry run's counts.
pub async fn drafted_round(app: &TestApp, shop: &Shop, list: &str) -> (String, Value) {
    let import = import(
        app,
        "kind=contacts&basis=consent&how=shop%20till&statement=Collected%20by%20us&attester=A.%20Clerk",
        list,
    )
    .await;
    let deadline = app.services.clock.now().plus(Duration::from_secs(14 * 86_400)).to_string();
    let campaign = app
        .api()
        .post(
            "/v1/campaigns",
            json!({ "name": "Autumn round", "purposes": ["newsletter", "tracking"], "import_ids": [import],
            "notice_id": shop.notice, "sender_id": shop.sender, "deadline": deadline }),
        )
        .await
        .expect(201)
        .text("id");
    let dry = app.api().post(&format!("/v1/campaigns/{campaign}/dry-run"), json!({})).await.expect(200).json;
    (campaign, dry)
}

/// Uploads a list and waits until a worker has read it; gives its id.
pub async fn import(app: &TestApp, query: &str, list: &str) -> String {
    let path = format!("/v1/imports?purposes=newsletter&name=list&{query}");
    let import = app.api().upload(&path, "text/csv", list).await.expect(202).text("id");
    // A long list may take its time.
    let patience = Duration::from_secs(10 + list.lines().count() as u64 / 100);
    within(patience, "the list is read", async || {
        let job = app.api().get(&format!("/v1/imports/{import}")).await.expect(200);
        assert_ne!(job.text("status"), "failed", "{}", job.json);
        (job.text("status") == "done").then_some(())
    })
    .await;
    import
}
