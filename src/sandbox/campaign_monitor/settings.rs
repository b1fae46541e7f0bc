//! How an emulator is set up.

use super::Emulator;
use super::api::TokenState;
use super::delivery::WebhookDelivery;
use super::oauth::OauthAppSeed;
use super::seed::{ClientSeed, ListSeed};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How an emulator is set up. The default listens on a free port of the loopback, is empty, keeps
/// nothing on disk, and lets a single add become visible after half a second.
#[derive(Clone)]
pub struct EmulatorSettings {
    /// Where it listens; port 0 takes a free one.
    pub addr: SocketAddr,
    /// The state is kept in `campaign-monitor.json` in here.
    pub folder: Option<PathBuf>,
    /// The key that sees every client; made up when empty.
    pub account_key: String,
    /// The zone of `systemdate.json`: an IANA name or a label.
    pub account_time_zone: String,
    /// Access tokens and what they do.
    pub tokens: BTreeMap<String, TokenState>,
    /// Apps that may ask for access.
    pub oauth_apps: Vec<OauthAppSeed>,
    /// Clients to start with.
    pub clients: Vec<ClientSeed>,
    /// Lists to start with.
    pub lists: Vec<ListSeed>,
    /// How long a single add stays invisible.
    pub add_delay: Duration,
    /// Whether subscriber dates are shown cut to their minute, as the vendor's samples are.
    pub whole_minutes: bool,
    /// How webhooks are called.
    pub webhooks: WebhookDelivery,
}

impl Default for EmulatorSettings {
    fn default() -> Self {
        Self {
            addr: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            folder: None,
            account_key: String::new(),
            account_time_zone: "UTC".to_owned(),
            tokens: BTreeMap::new(),
            oauth_apps: Vec::new(),
            clients: Vec::new(),
            lists: Vec::new(),
            add_delay: Duration::from_millis(500),
            whole_minutes: true,
            webhooks: WebhookDelivery::default(),
        }
    }
}

impl std::fmt::Debug for EmulatorSettings {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without the keys.
        out.debug_struct("EmulatorSettings")
            .field("addr", &self.addr)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl EmulatorSettings {
    /// Where to listen.
    pub fn addr(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// Where to keep the state.
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// The key that sees every client.
    pub fn account_key(mut self, key: impl Into<String>) -> Self {
        self.account_key = key.into();
        self
    }

    /// The zone of the account: an IANA name or a label.
    pub fn account_time_zone(mut self, zone: impl Into<String>) -> Self {
        self.account_time_zone = zone.into();
        self
    }

    /// An access token and what it does.
    pub fn token(mut self, token: impl Into<String>, state: TokenState) -> Self {
        self.tokens.insert(token.into(), state);
        self
    }

    /// An app that may ask for access.
    pub fn oauth_app(mut self, app: OauthAppSeed) -> Self {
        self.oauth_apps.push(app);
        self
    }

    /// A client to start with.
    pub fn client(mut self, client: ClientSeed) -> Self {
        self.clients.push(client);
        self
    }

    /// A list to start with; its client must be among the clients, or be left empty for the last of them.
    pub fn list(mut self, list: ListSeed) -> Self {
        self.lists.push(list);
        self
    }

    /// How long a single add stays invisible.
    pub fn add_delay(mut self, delay: Duration) -> Self {
        self.add_delay = delay;
        self
    }

    /// Whether subscriber dates are cut to their minute.
    pub fn whole_minutes(mut self, whole: bool) -> Self {
        self.whole_minutes = whole;
        self
    }

    /// How webhooks are called.
    pub fn webhooks(mut self, webhooks: WebhookDelivery) -> Self {
        self.webhooks = webhooks;
        self
    }

    /// Starts it.
    pub fn start(self) -> io::Result<Emulator> {
        Emulator::start(self)
    }
}
