//! The built service as a process of its own, on a fresh database, with its ports on loopback.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cluster::Cluster;
use super::{Outcome, fault};

/// Base64 of 32 equal bytes: a root key for benchmarks alone.
pub const ROOT_KEY: &str = "CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQk=";

/// On what the service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Embedded.
    Sqlite,
    /// A server of its own.
    Postgres,
}

impl Engine {
    /// As people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// A folder on the disk that is measured: under `TMPDIR`, or /tmp.
pub fn folder(what: &str) -> Outcome<TempDir> {
    Ok(tempfile::Builder::new().prefix(&format!("reconsent-bench-{what}-")).tempdir()?)
}

/// A port nobody listens on.
pub fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// A database and a data folder that stay the same over the lives of the service.
pub struct Ground {
    /// Which engine.
    pub engine: Engine,
    /// Its address.
    pub database: String,
    folder: TempDir,
}

impl Ground {
    /// An empty one.
    pub async fn fresh(engine: Engine, cluster: Option<&Cluster>) -> Outcome<Self> {
        let folder = folder("house")?;
        let database = match (engine, cluster) {
            (Engine::Sqlite, _) => format!("sqlite:{}/reconsent.db", folder.path().display()),
            (Engine::Postgres, Some(cluster)) => {
                cluster.database(&format!("bench{}", super::bytes::Random::new().word())).await?
            }
            (Engine::Postgres, None) => return fault("PostgreSQL without a cluster"),
        };
        let ground = Self { engine, database, folder };
        ground.run(&["migrate"])?;
        Ok(ground)
    }

    /// Gives the place of a server's database back; a file goes with its folder.
    pub async fn leave(&self, cluster: Option<&Cluster>) -> Outcome<()> {
        let name = self.database.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap_or_default();
        match cluster {
            Some(cluster) => cluster.drop_database(name).await,
            None => Ok(()),
        }
    }

    /// Opens the service's own services on this ground, for what would take long through the door.
    pub async fn services(&self, base: &str) -> Outcome<reconsent::usecases::Services> {
        super::library::open(&self.database, ROOT_KEY, base).await
    }

    /// A command of the service's command line, on this ground.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reconsent"));
        command
            .args(arguments)
            .env_clear()
            .env("DATABASE_URL", &self.database)
            .env("RECONSENT_DATA_DIR", self.folder.path())
            .env("RECONSENT_ROOT_KEY", ROOT_KEY)
            .env("RECONSENT_LOG_LEVEL", "error")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end and gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> Outcome<String> {
        let done = self.command(arguments).stderr(Stdio::inherit()).output()?;
        if !done.status.success() {
            return fault(format!("reconsent {arguments:?} ended with {}", done.status));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// The bytes of the database on disk; nothing for a server's.
    pub fn bytes(&self) -> u64 {
        let path = self.database.strip_prefix("sqlite:").unwrap_or_default();
        std::fs::metadata(path).map_or(0, |file| file.len())
    }

    /// Starts the service and waits until it is ready.
    pub async fn serve(&self, settings: &[(&str, String)], arguments: &[&str]) -> Outcome<House> {
        let (http, ops) = (free_port()?, free_port()?);
        let base = format!("http://127.0.0.1:{http}");
        let mut command = self.command(&["serve"]);
        command
            .args(arguments)
            .env("RECONSENT_BASE_URL", &base)
            .env("RECONSENT_LISTEN", format!("127.0.0.1:{http}"))
            .env("RECONSENT_OPS_LISTEN", format!("127.0.0.1:{ops}"))
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        let started = Instant::now();
        let child = command.spawn()?;
        let mut house = House {
            child,
            http: SocketAddr::from(([127, 0, 0, 1], http)),
            ops: SocketAddr::from(([127, 0, 0, 1], ops)),
            base,
            ready_after: Duration::ZERO,
            client: reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(60)).build()?,
        };
        loop {
            if super::load::ask(house.ops, "/readyz").await.is_ok_and(|status| status == 200) {
                house.ready_after = started.elapsed();
                return Ok(house);
            }
            if let Some(ended) = house.child.try_wait()? {
                return fault(format!("the service ended with {ended} before it was ready"));
            }
            if started.elapsed() > Duration::from_secs(60) {
                return fault("the service is not ready after a minute");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The running service.
pub struct House {
    child: Child,
    /// Where people are served.
    pub http: SocketAddr,
    /// Where health and metrics are served.
    pub ops: SocketAddr,
    /// Scheme, host and port.
    pub base: String,
    /// From the start of the process to the first answer that it is ready.
    pub ready_after: Duration,
    client: reqwest::Client,
}

impl House {
    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a request of the API, which has to go well.
    pub async fn api(&self, method: reqwest::Method, path: &str, token: &str, body: Option<Value>) -> Outcome<Value> {
        let mut request = self.client.request(method, format!("{}{path}", self.base)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.told(path, request).await
    }

    /// Uploads a body.
    pub async fn upload(&self, path: &str, token: &str, media: &str, body: Vec<u8>) -> Outcome<Value> {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(token);
        self.told(path, request.header("content-type", media).body(body)).await
    }

    /// Uploads a list that is made up while it goes out; the import's id, and how many bytes it had.
    pub async fn upload_pieces(
        &self,
        path: &str,
        token: &str,
        pieces: impl Iterator<Item = Vec<u8>>,
    ) -> Outcome<(String, usize)> {
        let mut socket = TcpStream::connect(self.http).await?;
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\ncontent-type: text/csv\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n",
            self.http
        );
        socket.write_all(head.as_bytes()).await?;
        let mut sent = 0;
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            sent += piece.len();
            socket.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
            socket.write_all(&piece).await?;
            socket.write_all(b"\r\n").await?;
        }
        socket.write_all(b"0\r\n\r\n").await?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let told: Value = serde_json::from_str(body).unwrap_or_default();
        match told["id"].as_str() {
            Some(id) if answer.starts_with("HTTP/1.1 202") => Ok((id.to_owned(), sent)),
            _ => fault(format!("{path} answered {answer}")),
        }
    }

    async fn told(&self, path: &str, request: reqwest::RequestBuilder) -> Outcome<Value> {
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return fault(format!("{path} answered {status} {text}"));
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// A number among the metrics: the sum over its labels.
    pub async fn metric(&self, name: &str) -> Outcome<f64> {
        let text = self.client.get(format!("http://{}/metrics", self.ops)).send().await?.text().await?;
        let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
        Ok(text.lines().filter(of_name).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// Calls in a commit so far: (commits, calls).
    pub async fn commits(&self) -> Outcome<(f64, f64)> {
        let count = self.metric("reconsent_commit_batch_calls_count").await?;
        Ok((count, self.metric("reconsent_commit_batch_calls_sum").await?))
    }

    /// Ends it in good order.
    pub fn stop(mut self) -> Outcome<()> {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status()?;
        if asked.success() {
            self.child.wait()?;
        }
        Ok(())
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
