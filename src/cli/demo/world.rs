//! The outside world of the demo: a catcher for its mails, and the mailing provider with one client that owns the
//! lists of both controllers.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::exit::Failure;
use crate::crypto::secret::fill_random;
use crate::sandbox::campaign_monitor::{ClientSeed, CustomFieldSeed, ListSeed, UnsubscribeSetting};
use crate::sandbox::{Emulator, MailCatcher, MailCatcherSettings};

use super::house::loopback;
use super::kept::{Account, Kept, Seeded, port_of};

/// The lists at the provider.
pub(super) const LISTS: [&str; 3] = ["Greenfield newsletter", "Greenfield offers", "Harbour Trust newsletter"];
/// The client's zone: one with daylight saving, so that dates show whether it is heeded.
pub(super) const TIME_ZONE: &str = "Europe/London";

/// Catcher and emulator.
pub(super) struct World {
    catcher: MailCatcher,
    emulator: Emulator,
    /// The account as it was given to the emulator.
    pub account: Account,
}

impl World {
    /// Starts both with their files in `sandbox/`. The emulator takes the port it had, as destinations name it.
    pub(super) fn start(folder: &Path, kept: &mut Kept) -> Result<Self, Failure> {
        let sandbox = folder.join("sandbox");
        let failure = |error: std::io::Error| Failure::failed(format!("the sandbox in {}: {error}", sandbox.display()));
        std::fs::create_dir_all(&sandbox).map_err(failure)?;
        let settings = MailCatcherSettings {
            smtp_addr: again(kept.ports.smtp_port),
            web_addr: again(kept.ports.inbox_port),
            folder: Some(sandbox.clone()),
            ..MailCatcherSettings::default()
        };
        let catcher = MailCatcher::start(settings).map_err(failure)?;
        kept.ports.smtp_port = Some(catcher.smtp_addr().port());
        kept.ports.inbox_port = port_of(catcher.inbox_url());
        let mut account = kept.account.clone().unwrap_or_else(|| Account {
            port: 0,
            api_key: new_id(),
            client_id: new_id(),
            lists: LISTS.iter().map(|title| ((*title).to_owned(), new_id())).collect(),
        });
        let client = ClientSeed {
            id: account.client_id.clone(),
            name: "Reconsent demo".to_owned(),
            time_zone: TIME_ZONE.to_owned(),
            ..ClientSeed::default()
        };
        let mut settings = Emulator::builder()
            .addr(loopback(account.port))
            .folder(&sandbox)
            .account_key(&account.api_key)
            .whole_minutes(false)
            .client(client);
        for (title, id) in &account.lists {
            settings = settings.list(list(&account.client_id, title, id));
        }
        let emulator = settings.start().map_err(|error| match error.kind() {
            std::io::ErrorKind::AddrInUse => Failure::failed(format!(
                "port {} is taken, where this demo's mailing provider was: free it, or begin anew with another --data",
                account.port
            )),
            _ => failure(error),
        })?;
        account.port = port_of(emulator.base_url()).unwrap_or(0);
        kept.account = Some(account.clone());
        Ok(Self { catcher, emulator, account })
    }

    pub(super) fn smtp_addr(&self) -> SocketAddr {
        self.catcher.smtp_addr()
    }

    pub(super) fn inbox_url(&self) -> String {
        self.catcher.inbox_url().to_owned()
    }

    pub(super) fn provider_url(&self) -> String {
        self.emulator.base_url().to_owned()
    }

    /// Registers the controllers' callbacks at the provider, in place of those of an earlier start, whose port may have
    /// been another.
    pub(super) async fn point_webhooks(&self, base_url: &str, seeded: &Seeded) -> Result<(), Failure> {
        for controller in &seeded.controllers {
            let wanted = format!("{base_url}{}", controller.webhook_path);
            for list in &controller.lists {
                let path = format!("lists/{list}/webhooks");
                let known = self.call(reqwest::Method::GET, &format!("{path}.json"), None).await?;
                let known = known.as_array().cloned().unwrap_or_default();
                if known.len() == 1 && known[0]["Url"] == wanted.as_str() && known[0]["Status"] == "Active" {
                    continue;
                }
                for hook in &known {
                    let id = hook["WebhookID"].as_str().unwrap_or_default();
                    self.call(reqwest::Method::DELETE, &format!("{path}/{id}.json"), None).await?;
                }
                let hook = json!({
                    "Url": wanted, "Events": ["Subscribe", "Update", "Deactivate"], "PayloadFormat": "json",
                });
                self.call(reqwest::Method::POST, &format!("{path}.json"), Some(hook)).await?;
            }
        }
        Ok(())
    }

    async fn call(&self, method: reqwest::Method, path: &str, body: Option<Value>) -> Result<Value, Failure> {
        let failure = |why: String| Failure::failed(format!("the emulated provider, {path}: {why}"));
        let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
        let client = client.map_err(Failure::failed)?;
        let url = format!("{}/api/v3.3/{path}", self.emulator.base_url());
        let mut request = client.request(method, url).basic_auth(&self.account.api_key, Some("x"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| failure(error.to_string()))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| failure(error.to_string()))?;
        if status.is_success() {
            Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
        } else {
            Err(failure(format!("{status} {text}")))
        }
    }

    /// Stops both; what they hold is on disk then.
    pub(super) fn stop(&self) -> Result<(), Failure> {
        self.catcher.stop();
        self.emulator.stop().map_err(|error| Failure::failed(format!("the sandbox: {error}")))
    }
}

/// The address with the port of an earlier start, if that is free, or with whatever port is.
fn again(port: Option<u16>) -> SocketAddr {
    let free = |port: &u16| TcpListener::bind(loopback(*port)).is_ok();
    loopback(port.filter(free).unwrap_or(0))
}

fn list(client: &str, title: &str, id: &str) -> ListSeed {
    let date = CustomFieldSeed { data_type: "Date".to_owned(), ..CustomFieldSeed::text("ConsentDate") };
    let texts = ["PolicyVersion", "Purposes", "Basis", "Source", "ReconsentPreferences"].map(CustomFieldSeed::text);
    ListSeed {
        client_id: client.to_owned(),
        id: id.to_owned(),
        title: title.to_owned(),
        // One list's unsubscribe must not stop the other controller's.
        unsubscribe_setting: UnsubscribeSetting::OnlyThisList,
        confirmed_opt_in: false,
        custom_fields: std::iter::once(date).chain(texts).collect(),
    }
}

/// An id as the provider writes them: 32 hex digits.
fn new_id() -> String {
    let mut bytes = [0; 16];
    fill_random(&mut bytes);
    data_encoding::HEXLOWER.encode(&bytes)
}
