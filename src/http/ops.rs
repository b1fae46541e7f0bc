//! The listener for those who run the house: whether it lives, whether it is ready for work, and its numbers. It has
//! no log-in and nothing personal; it belongs on an address that the public cannot reach.
//!
//! Promises: every look ends within a set time, and looking often costs the database little. Leaves to others: what
//! is counted; the numbers come in as a function.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::Server;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use actix_web::middleware::DefaultHeaders;
use actix_web::web::Data;
use actix_web::{App, HttpResponse, HttpServer, get};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use crate::store::{DatabaseUrl, ReadTx, SchemaStanding, Store, StoreError};
use crate::usecases::{Keys, Services};

/// How this door is set.
#[derive(Debug, Clone)]
pub struct OpsDoor {
    /// Connections at once.
    pub connections: usize,
    /// How long the head of a request may take.
    pub head_timeout: Duration,
    /// How long a look at the database may take.
    pub ready_timeout: Duration,
    /// How long a schema found current counts as current: the comparison opens a connection of its own.
    pub schema_holds: Duration,
}

impl Default for OpsDoor {
    fn default() -> Self {
        Self {
            connections: 64,
            head_timeout: Duration::from_secs(5),
            ready_timeout: Duration::from_secs(2),
            schema_holds: Duration::from_secs(10),
        }
    }
}

/// Gives the metrics as text.
pub type MetricsText = Arc<dyn Fn() -> String + Send + Sync>;

/// What readiness is judged by.
pub struct Readiness {
    store: Store,
    keys: Arc<Keys>,
    url: DatabaseUrl,
    write_queue: usize,
    runtime: Handle,
    patience: Duration,
    schema_holds: Duration,
    schema_seen: Mutex<Option<Instant>>,
}

/// What was found, check by check: `ok`, or what is wrong. Words only from here, as errors may quote an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReadinessReport {
    /// `ready` or `not ready`.
    pub status: &'static str,
    /// Whether the database answers.
    pub database: &'static str,
    /// Whether its schema is this program's.
    pub schema: &'static str,
    /// Whether there is room before the writer.
    pub write_queue: &'static str,
    /// Whether controllers' keys are the ones they were. It takes nothing from readiness: it stops one
    /// controller's work, and the other controllers' people must be able to withdraw.
    pub keys: &'static str,
}

impl Readiness {
    /// `write_queue` is how many calls may wait for a writer; `runtime` outlives the listener.
    pub fn new(services: &Services, url: DatabaseUrl, write_queue: usize, runtime: Handle, door: &OpsDoor) -> Self {
        let (store, keys) = (services.store.clone(), Arc::clone(&services.keys));
        let (patience, schema_holds) = (door.ready_timeout, door.schema_holds);
        Self { store, keys, url, write_queue, runtime, patience, schema_holds, schema_seen: Mutex::new(None) }
    }

    /// Looks now.
    pub async fn look(&self) -> ReadinessReport {
        let database = self.database().await;
        let schema = if database == "ok" { self.schema().await } else { "unknown" };
        let full = self.store.write_queue_depth() >= self.write_queue;
        let write_queue = if full { "full" } else { "ok" };
        let all = [database, schema, write_queue].iter().all(|found| *found == "ok");
        let keys = self.keys();
        ReadinessReport { status: if all { "ready" } else { "not ready" }, database, schema, write_queue, keys }
    }

    /// The alarms of this process. An opened canary stays told until somebody has looked into it and started anew.
    fn keys(&self) -> &'static str {
        let alarms = self.keys.alarms();
        match (alarms.wrong_keys(), alarms.canaries_opened()) {
            (0, 0) => "ok",
            (0, _) => "canary opened",
            _ => "wrong key",
        }
    }

    async fn database(&self) -> &'static str {
        let look = self.store.read(|tx: &mut ReadTx<'_>| tx.canary().map(|_| ()));
        match tokio::time::timeout(self.patience, look).await {
            Ok(Ok(())) => "ok",
            Ok(Err(StoreError::Busy(_))) => "busy",
            Ok(Err(error)) => {
                tracing::warn!(%error, "not ready: the database");
                "failed"
            }
            Err(_) => "too slow",
        }
    }

    async fn schema(&self) -> &'static str {
        // One look at a time; whoever waited finds what the one before found.
        let look = async {
            let mut seen = self.schema_seen.lock().await;
            if seen.is_some_and(|at| at.elapsed() < self.schema_holds) {
                return "ok";
            }
            let url = self.url.clone();
            let standing = self.runtime.spawn_blocking(move || Store::schema_standing(&url)).await;
            let found = match standing {
                Ok(Ok(SchemaStanding::Current)) => "ok",
                Ok(Ok(SchemaStanding::Behind(_))) => "behind",
                Ok(Ok(SchemaStanding::Newer(_))) => "newer",
                Ok(Err(_)) | Err(_) => "unknown",
            };
            *seen = (found == "ok").then(Instant::now);
            found
        };
        tokio::time::timeout(self.patience, look).await.unwrap_or("too slow")
    }
}

/// The process answers.
#[get("/healthz")]
async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "status": "ok" }))
}

/// The house can take work: 200, else 503; either way with what was found.
#[get("/readyz")]
async fn readyz(readiness: Data<Readiness>) -> HttpResponse {
    let report = readiness.look().await;
    match report.status {
        "ready" => HttpResponse::Ok().json(report),
        _ => HttpResponse::ServiceUnavailable().json(report),
    }
}

/// The numbers, as Prometheus reads them.
#[get("/metrics")]
async fn numbers(text: Data<MetricsText>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body((*text.into_inner())())
}

/// A server on a bound listener; it runs while the answer is awaited.
pub fn serve(
    readiness: Readiness,
    metrics: MetricsText,
    door: &OpsDoor,
    listener: TcpListener,
) -> std::io::Result<Server> {
    let (readiness, metrics) = (Data::new(readiness), Data::new(metrics));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(readiness.clone())
            .app_data(metrics.clone())
            .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store")).add((X_CONTENT_TYPE_OPTIONS, "nosniff")))
            .service(healthz)
            .service(readyz)
            .service(numbers)
    })
    .workers(1)
    .max_connections(door.connections)
    .client_request_timeout(door.head_timeout)
    .client_disconnect_timeout(Duration::from_secs(1))
    .shutdown_timeout(1)
    .disable_signals()
    .listen(listener)?
    .run();
    Ok(server)
}
