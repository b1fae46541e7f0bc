//! A PostgreSQL cluster of its own for one run: durable settings, a socket on loopback, gone afterwards.

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Outcome, fault};

/// A running cluster.
pub struct Cluster {
    programs: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Cluster {
    /// Where initdb and pg_ctl are: the newest installed version.
    pub fn programs() -> Option<PathBuf> {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
        let mut found: Vec<PathBuf> = versions
            .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
            .filter(|folder| folder.join("initdb").exists())
            .collect();
        found.sort();
        found.pop()
    }

    /// Makes and starts one.
    pub fn start() -> Outcome<Self> {
        let Some(programs) = Self::programs() else { return fault("there is no initdb") };
        let folder = super::house::folder("postgres")?;
        let port = super::house::free_port()?;
        let cluster = Self { programs, folder, port };
        if is_root() {
            std::fs::set_permissions(cluster.folder.path(), std::fs::Permissions::from_mode(0o755))?;
            run(Command::new("chown").arg("postgres").arg(cluster.folder.path()))?;
        }
        let data = cluster.data();
        run(cluster.program("initdb").args(["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8"]))?;
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = ''\nmax_connections = 50\n\
             shared_buffers = 512MB\nmax_wal_size = 4GB\nfsync = on\nsynchronous_commit = on\n\
             full_page_writes = on\n"
        );
        let file = std::fs::OpenOptions::new().append(true).open(format!("{data}/postgresql.conf"));
        file?.write_all(settings.as_bytes())?;
        let log = format!("{data}/log");
        run(cluster.program("pg_ctl").args(["-D", &data, "-l", &log, "-w", "-t", "60", "start"]))?;
        Ok(cluster)
    }

    /// A fresh, empty database; its address.
    pub async fn database(&self, name: &str) -> Outcome<String> {
        let client = connect(&self.address("postgres")).await?;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await?;
        client.batch_execute("CHECKPOINT").await?;
        Ok(self.address(name))
    }

    /// Drops a database that is not needed any more.
    pub async fn drop_database(&self, name: &str) -> Outcome<()> {
        let client = connect(&self.address("postgres")).await?;
        Ok(client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?)
    }

    /// The process that all others of the cluster are children of.
    pub fn pid(&self) -> Outcome<u32> {
        let file = std::fs::read_to_string(format!("{}/postmaster.pid", self.data()))?;
        Ok(file.lines().next().unwrap_or_default().trim().parse()?)
    }

    fn address(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    /// PostgreSQL does not run as root: then it is run as its own user.
    fn program(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", "postgres", "--regid", "postgres", "--clear-groups"]).arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir("/");
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let data = self.data();
        let stopped = run(self.program("pg_ctl").args(["-D", &data, "-m", "immediate", "-w", "stop"]));
        if let Err(error) = stopped {
            println!("the cluster did not stop: {error}");
        }
    }
}

/// A connection; what drives it ends with it.
pub async fn connect(address: &str) -> Outcome<tokio_postgres::Client> {
    let (client, connection) = tokio_postgres::connect(address, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|of_this_process| of_this_process.uid() == 0)
}

fn run(command: &mut Command) -> Outcome<()> {
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit()).status()?;
    if done.success() { Ok(()) } else { fault(format!("{command:?} ended with {done}")) }
}

/// The address of an empty database: the cluster's, or a file in this folder.
pub async fn fresh_database(cluster: Option<&Cluster>, folder: &Path) -> Outcome<String> {
    match cluster {
        Some(cluster) => cluster.database("growth").await,
        None => Ok(format!("sqlite:{}/growth.db", folder.display())),
    }
}
