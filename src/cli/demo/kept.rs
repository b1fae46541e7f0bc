//! What the demo keeps between two starts, in `demo.json`: who was seeded in which database, with their credentials,
//! and where the sandbox is. Only its owner may read it.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::cli::exit::{Exit, Failure};

const FILE: &str = "demo.json";

/// The whole file. It holds secrets and is not printed.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Kept {
    /// The account at the emulated provider.
    pub account: Option<Account>,
    /// Where the rest was, to be there again as far as the ports are still free.
    #[serde(default, flatten)]
    pub ports: Ports,
    /// What was seeded, by database.
    databases: BTreeMap<String, Seeded>,
}

/// Ports on 127.0.0.1 at the last start.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Ports {
    /// The customer's site.
    pub site_port: Option<u16>,
    /// Health and metrics.
    pub ops_port: Option<u16>,
    /// The inbox's page.
    pub inbox_port: Option<u16>,
    /// The catcher's SMTP side.
    pub smtp_port: Option<u16>,
}

/// The port at the end of an address such as `http://127.0.0.1:8080`.
pub(super) fn port_of(address: &str) -> Option<u16> {
    address.trim_end_matches('/').rsplit_once(':').and_then(|(_, port)| port.parse().ok())
}

/// The emulated provider: its address stands in the destinations, so it has to be there again.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Account {
    pub port: u16,
    pub api_key: String,
    pub client_id: String,
    /// Ids of the lists, by the title given to them.
    pub lists: BTreeMap<String, String>,
}

/// What stands in one database.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Seeded {
    pub controllers: Vec<SeededController>,
}

/// A controller of the demo.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct SeededController {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub api_token: String,
    pub form_key: String,
    pub list_id: String,
    /// Path of the callback, with its secret.
    pub webhook_path: String,
    /// All lists of the controller at the provider.
    pub lists: Vec<String>,
    pub campaign_id: Option<String>,
}

impl Seeded {
    /// The controller that asks.
    pub(super) fn first(&self) -> Result<&SeededController, Failure> {
        self.controllers.first().ok_or_else(|| Failure::failed(format!("{FILE} names no controller")))
    }
}

impl Kept {
    /// Reads the file, if there is one.
    pub(super) fn load(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(Failure::failed(format!("{}: {error}", path.display()))),
        };
        serde_json::from_str(&text).map_err(|_| {
            let message = format!("{} does not read: remove the demo's folder to begin anew", path.display());
            Failure::new(Exit::Refused, message)
        })
    }

    /// Writes the file, whole or not at all.
    pub(super) fn save(&self, folder: &Path) -> Result<(), Failure> {
        let (path, fresh) = (folder.join(FILE), folder.join("demo.json.new"));
        let text = serde_json::to_string_pretty(self).map_err(Failure::failed)?;
        let _ = std::fs::remove_file(&fresh);
        write_private(&fresh, &text)?;
        std::fs::rename(&fresh, &path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
    }

    pub(super) fn seeded(&self, database: &str) -> Option<&Seeded> {
        self.databases.get(database)
    }

    pub(super) fn keep(&mut self, database: &str, seeded: Seeded) {
        self.databases.insert(database.to_owned(), seeded);
    }
}

/// Writes a new file that only its owner may read.
pub(super) fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}
