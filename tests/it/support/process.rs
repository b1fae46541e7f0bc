//! The service as a process of its own: the built binary on a port that stays the same over its lives, so that it can be
//! killed, come back, and be asked for its memory.

use std::process::{Child, Command, Stdio};

use super::TestApp;

/// Short times, and caps that a whole crowd behind one address does not reach.
const QUICK: &[(&str, &str)] = &[
    ("RECONSENT_SMTP_CONNECT_TIMEOUT", "900ms"),
    ("RECONSENT_SMTP_COMMAND_TIMEOUT", "900ms"),
    ("RECONSENT_SMTP_FINAL_DOT_TIMEOUT", "900ms"),
    ("RECONSENT_CAMPAIGN_MONITOR_CONNECT_TIMEOUT", "900ms"),
    ("RECONSENT_CAMPAIGN_MONITOR_CALL_TIMEOUT", "1500ms"),
    ("RECONSENT_OUTBOX_LEASE", "1s"),
    ("RECONSENT_OUTBOX_HANDOVER_LEASE", "2s"),
    ("RECONSENT_OUTBOX_MAILS_IN_HAND", "10"),
    ("RECONSENT_OUTBOX_POLL_INTERVAL", "50ms"),
    ("RECONSENT_OUTBOX_TIMETABLE_INTERVAL", "200ms"),
    ("RECONSENT_OUTBOX_RETRY_FIRST", "100ms"),
    ("RECONSENT_OUTBOX_RETRY_CAP", "300ms"),
    ("RECONSENT_RULES_MINIMUM_DWELL", "0s"),
    ("RECONSENT_RULES_CONFIRMATIONS_PER_NETWORK_DAY", "1000000"),
    ("RECONSENT_LOG_LEVEL", "warn"),
];

/// A process that serves, with its worker. It ends when this goes.
pub struct Process {
    app: TestApp,
    port: u16,
    settings: Vec<(String, String)>,
    child: Option<Child>,
}

impl Process {
    /// On the house's database, with settings that outrank the quick ones. It does not run yet.
    pub fn new(app: &TestApp, settings: &[(&str, &str)]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let settings = QUICK.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self { app: app.clone(), port, settings: settings.collect(), child: None }
    }

    /// The house as this process shows it.
    pub fn door(&self) -> TestApp {
        let mut door = self.app.clone();
        door.base = format!("http://127.0.0.1:{}", self.port);
        door
    }

    /// Begins a life. A base address among the settings outranks the process's own.
    pub fn start(&mut self) {
        let address = format!("127.0.0.1:{}", self.port);
        let child = Command::new(env!("CARGO_BIN_EXE_reconsent"))
            .arg("serve")
            .env_clear()
            .env("DATABASE_URL", self.app.database_url())
            .env("RECONSENT_DATA_DIR", self.app.folder())
            .env("RECONSENT_ROOT_KEY", super::ROOT_KEY)
            .env("RECONSENT_BASE_URL", format!("http://{address}"))
            .env("RECONSENT_LISTEN", &address)
            .env("RECONSENT_OPS_LISTEN", "127.0.0.1:0")
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn();
        self.child = Some(child.expect("the service starts"));
    }

    /// The end without warning (SIGKILL).
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it is gone");
        }
    }

    /// Sockets that it has open, connections for the most part.
    pub fn connections(&self) -> usize {
        let id = self.child.as_ref().expect("it runs").id();
        let open = std::fs::read_dir(format!("/proc/{id}/fd")).expect("the system tells of its processes");
        let target = |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        open.filter_map(target).filter(|target| target.to_string_lossy().starts_with("socket:")).count()
    }

    /// The most memory that this life has held at once, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let id = self.child.as_ref().expect("it runs").id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).expect("the system tells of its processes");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("peak memory is told");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
