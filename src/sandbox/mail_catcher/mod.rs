//! A mail relay that delivers to nobody: real SMTP on one side, a web inbox on the other.
//!
//! Promises: what was answered with 250 is in the inbox (and in the folder, when one is given);
//! memory is bounded; refusals, cut connections and delays happen exactly as scripted.
//! Leaves to others: delivering, TLS, and authentication of the sender.

mod command;
mod content;
mod folder;
mod inbox;
mod listener;
mod mime;
mod pages;
mod rules;
mod session;
mod store;

use super::web::WebListener;
use folder::Folder;
use listener::SmtpListener;
use rules::{Act, Rules, lock};
use session::Relay;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::Store;

pub use rules::Stage;
pub use store::{CaughtMail, MailSummary};

/// How a catcher is set up. The default listens on free ports of the loopback and keeps nothing on disk.
#[derive(Clone, Debug)]
pub struct MailCatcherSettings {
    /// Where SMTP is spoken; port 0 takes a free one.
    pub smtp_addr: SocketAddr,
    /// Where the web inbox is; port 0 takes a free one.
    pub web_addr: SocketAddr,
    /// Messages are also written below `mail/` in here and come back after a restart.
    pub folder: Option<PathBuf>,
    /// Most messages kept; the oldest leave first.
    pub max_messages: usize,
    /// Most bytes of messages kept in memory.
    pub max_bytes: usize,
    /// Largest message accepted, announced as `SIZE`.
    pub message_limit: usize,
    /// Most SMTP connections at a time; more are sent away with 421.
    pub max_connections: usize,
    /// How long a connection may say nothing.
    pub idle_limit: Duration,
}

impl Default for MailCatcherSettings {
    fn default() -> Self {
        let free_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            smtp_addr: free_port,
            web_addr: free_port,
            folder: None,
            max_messages: 200_000,
            max_bytes: 512 * 1024 * 1024,
            message_limit: 10 * 1024 * 1024,
            max_connections: 256,
            idle_limit: Duration::from_secs(60),
        }
    }
}

/// What passed through the SMTP side since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailCounts {
    /// Connections accepted, also those sent away for lack of room.
    pub connections: u64,
    /// `MAIL FROM` commands understood, accepted or not.
    pub transactions: u64,
    /// `RCPT TO` commands understood, accepted or not.
    pub rcpts: u64,
}

/// A running catcher. Stops when dropped.
pub struct MailCatcher {
    relay: Arc<Relay>,
    smtp_addr: SocketAddr,
    inbox_url: String,
    parts: Mutex<Option<(SmtpListener, WebListener)>>,
}

impl MailCatcher {
    /// Binds both listeners, loads the folder, and answers once both accept connections.
    pub fn start(settings: MailCatcherSettings) -> io::Result<Self> {
        let folder = settings.folder.as_deref().map(Folder::open).transpose()?;
        let relay = Arc::new(Relay {
            rules: Rules::default(),
            store: Store::open(settings.max_messages, settings.max_bytes, folder)?,
            message_limit: settings.message_limit,
            idle_limit: settings.idle_limit,
        });
        let for_web = Arc::clone(&relay);
        let web = WebListener::start(
            "mail-catcher-web",
            settings.web_addr,
            move |config| inbox::routes(config, &for_web),
            || {},
        )?;
        let smtp = SmtpListener::start(settings.smtp_addr, settings.max_connections, Arc::clone(&relay))?;
        Ok(Self { relay, smtp_addr: smtp.address(), inbox_url: web.base_url(), parts: Mutex::new(Some((smtp, web))) })
    }

    /// Where SMTP is spoken.
    pub fn smtp_addr(&self) -> SocketAddr {
        self.smtp_addr
    }

    /// Base address of the web inbox, without a slash at the end.
    pub fn inbox_url(&self) -> &str {
        &self.inbox_url
    }

    /// Everything kept, newest first.
    pub fn messages(&self) -> Vec<Arc<CaughtMail>> {
        self.relay.store.newest(None, usize::MAX)
    }

    /// Everything kept for one recipient, newest first.
    pub fn messages_to(&self, address: &str) -> Vec<Arc<CaughtMail>> {
        self.relay.store.newest(Some(address), usize::MAX)
    }

    /// How many messages are kept.
    pub fn message_count(&self) -> usize {
        self.relay.store.len()
    }

    /// Forgets every message, in memory and in the folder.
    pub fn clear(&self) -> io::Result<()> {
        self.relay.store.clear()
    }

    /// Refuses recipients that match (`*` stands for anything) at `stage` with `reply`, a whole SMTP
    /// reply such as `550 5.1.1 No such user`. `None` means for good.
    pub fn refuse(&self, pattern: &str, stage: Stage, reply: &str, times: Option<u32>) {
        // A line break inside would be a second reply and put the conversation out of step.
        let reply = reply.replace(['\r', '\n'], " ");
        self.relay.rules.add(pattern, Act::Refuse(stage, reply), times);
    }

    /// Keeps the next messages to `pattern` but closes the connection without an answer to the final
    /// dot, so that the sender cannot know.
    pub fn drop_after_final_dot(&self, pattern: &str, times: u32) {
        self.relay.rules.add(pattern, Act::DropAfterFinalDot, Some(times));
    }

    /// Waits this long before every answer to a final dot; zero ends it.
    pub fn delay(&self, delay: Duration) {
        self.relay.rules.set_delay(delay);
    }

    /// Ends all refusals, drops and delays.
    pub fn behave(&self) {
        self.relay.rules.clear();
    }

    /// What passed so far.
    pub fn counts(&self) -> MailCounts {
        let rules = &self.relay.rules;
        MailCounts {
            connections: rules.connections.load(Ordering::Relaxed),
            transactions: rules.transactions.load(Ordering::Relaxed),
            rcpts: rules.rcpts.load(Ordering::Relaxed),
        }
    }

    /// How many of the newest 200,000 `RCPT TO` commands named an address that matches, whether
    /// accepted or not.
    pub fn rcpts_for(&self, pattern: &str) -> usize {
        self.relay.rules.rcpts_for(pattern)
    }

    /// Stops both listeners, cutting open connections. Messages stay readable through this handle.
    pub fn stop(&self) {
        let parts = lock(&self.parts).take();
        drop(parts);
    }
}
