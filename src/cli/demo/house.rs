//! The demo's folder, its listeners, and its settings: those of any house, but with everything that could lead off
//! this machine left out.

use std::fs::{DirBuilder, OpenOptions};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::cli::exit::{Exit, Failure};
use crate::cli::running::bind;
use crate::config::{Settings, process_environment};
use crate::crypto::RootKeys;

use super::kept::{Kept, write_private};
use super::world::World;

const KEY_FILE: &str = "root.key";
/// What of the environment the demo heeds. The rest (relay, provider, addresses, keys) would lead out of the box.
const HEEDED: [&str; 8] = [
    "DATABASE_URL",
    "RECONSENT_LOG_",
    "RECONSENT_STORE_",
    "RECONSENT_HTTP_",
    "RECONSENT_RULES_",
    "RECONSENT_LIMITS_",
    "RECONSENT_PIECES_",
    "RECONSENT_OUTBOX_",
];

/// The listeners of the house and of the customer's site.
pub(super) struct Doors {
    pub service: TcpListener,
    pub ops: TcpListener,
    pub site: TcpListener,
    pub base_url: String,
    pub ops_url: String,
    pub site_url: String,
}

impl Doors {
    /// Takes the service's port or says that it is taken; the others fall back to free ones.
    pub(super) fn take(port: u16, kept: &Kept) -> Result<Self, Failure> {
        let (service, at) = bind(loopback(port), "--port")?;
        let again = |port: Option<u16>| {
            let there = port.and_then(|port| bind(loopback(port), "--port").ok());
            there.map_or_else(|| bind(loopback(0), "--port"), Ok)
        };
        let (ops, ops_at) = again(kept.ports.ops_port)?;
        let (site, site_at) = again(kept.ports.site_port)?;
        let url = |at: SocketAddr| format!("http://{at}");
        Ok(Self { service, ops, site, base_url: url(at), ops_url: url(ops_at), site_url: url(site_at) })
    }
}

pub(super) fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// Makes the demo's folder, for its owner alone; gives its whole path.
pub(super) fn folder(path: &Path) -> Result<PathBuf, Failure> {
    let failure = |error: std::io::Error| Failure::failed(format!("{}: {error}", path.display()));
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failure)?;
    let folder = path.canonicalize().map_err(failure)?;
    match folder.to_str() {
        Some(_) => Ok(folder),
        None => Err(Failure::new(Exit::Usage, "--data: expected a path in UTF-8")),
    }
}

/// The environment as far as it is heeded.
fn environment() -> Result<Vec<(String, String)>, Failure> {
    let heeded = |name: &str| HEEDED.iter().any(|start| name.starts_with(start));
    Ok(process_environment()?.into_iter().filter(|(name, _)| heeded(name)).collect())
}

/// The database's address as a script would use it: whole, as it was given to us in the first place.
pub(super) fn database_url(folder: &Path) -> Result<String, Failure> {
    let overrides = [("data_dir".to_owned(), folder.display().to_string())];
    Ok(Settings::load(environment()?, overrides)?.service.database_url.expose().to_owned())
}

/// The settings of the demo's house.
pub(super) fn settings(folder: &Path, doors: &Doors, world: &World) -> Result<Settings, Failure> {
    let environment = environment()?;
    let quiet = environment.iter().all(|(name, _)| name != "RECONSENT_LOG_LEVEL");
    let mut overrides = vec![
        ("data_dir", folder.display().to_string()),
        ("base_url", doors.base_url.clone()),
        ("root_key", root_key(folder)?),
        ("smtp_url", format!("smtp://{}", world.smtp_addr())),
        ("campaign_monitor_base_url", world.provider_url()),
    ];
    if quiet {
        // What the visitor is to read is not buried in the log.
        overrides.push(("log_level", "warn".to_owned()));
    }
    let overrides = overrides.into_iter().map(|(name, value)| (name.to_owned(), value));
    Ok(Settings::load(environment, overrides)?)
}

/// The folder's root key; made when there is none.
fn root_key(folder: &Path) -> Result<String, Failure> {
    let path = folder.join(KEY_FILE);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let key = RootKeys::generate();
            write_private(&path, &key)?;
            Ok(key)
        }
        Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
    }
}

/// Makes the database's file, unless it is there, so that only its owner may read it.
pub(super) fn close_to_others(path: &Path) -> Result<(), Failure> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(Failure::new(Exit::Database, format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
