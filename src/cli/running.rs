//! What runs until it is told to stop: servers on threads of their own, the worker, and the folding of metrics. The
//! first signal ends it in good order within a set time; the second ends it at once.

use std::future::pending;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::exit;
use std::sync::Arc;

use actix_web::dev::{Server, ServerHandle};
use futures_util::future::{join_all, select_all};
use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::http::ops::{self, MetricsText, Readiness};
use crate::telemetry::{self, Metrics};
use crate::usecases::Services;
use crate::usecases::sync::Provider;
use crate::worker::Worker;

use super::boot::Parts;
use super::exit::{Exit, Failure};

/// Everything that runs in this process.
pub struct Running {
    services: Services,
    parts: Parts,
    metrics: Metrics,
    servers: Vec<ServerThread>,
    worker: Option<JoinHandle<()>>,
    upkeep: JoinHandle<()>,
    stop: watch::Sender<bool>,
    signals: Signals,
}

struct ServerThread {
    handle: ServerHandle,
    ended: oneshot::Receiver<io::Result<()>>,
}

/// Both signals that ask for an end.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on the signals are heard.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of either.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Starts the log, as the settings say.
pub fn start_log(parts: &Parts) -> Result<(), Failure> {
    let crate::config::LogSettings { level, format } = &parts.log;
    telemetry::start_log(level, *format).map_err(Failure::failed)
}

/// Takes an address, or says which setting names another.
pub fn bind(address: SocketAddr, setting: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let failure = |error: io::Error| match error.kind() {
        io::ErrorKind::AddrInUse => Failure::failed(format!("{address} is taken: choose another with {setting}")),
        _ => Failure::failed(format!("cannot listen on {address} ({setting}): {error}")),
    };
    let listener = TcpListener::bind(address).map_err(failure)?;
    let bound = listener.local_addr().map_err(failure)?;
    Ok((listener, bound))
}

impl Running {
    /// Nothing runs yet but the counting.
    pub fn new(parts: Parts, services: Services) -> Result<Self, Failure> {
        let metrics = Metrics::start().map_err(Failure::failed)?;
        let (counting, pause) = (metrics.clone(), parts.house.metrics_fold);
        let upkeep = tokio::spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                counting.upkeep();
            }
        });
        let (stop, _) = watch::channel(false);
        let signals = Signals::listen()?;
        Ok(Self { services, parts, metrics, servers: Vec::new(), worker: None, upkeep, stop, signals })
    }

    /// Opens the public door.
    pub async fn serve(&mut self, listener: TcpListener) -> Result<(), Failure> {
        let (services, http) = (self.services.clone(), self.parts.http.clone());
        self.server("http", move || crate::http::server::serve(services, http, listener)).await
    }

    /// Opens the door for those who run the house.
    pub async fn serve_ops(&mut self, listener: TcpListener) -> Result<(), Failure> {
        let (store, metrics) = (self.services.store.clone(), self.metrics.clone());
        let settings = &self.parts.store;
        let door = self.parts.house.door.clone();
        let (url, runtime) = (settings.url.clone(), Handle::current());
        let readiness = Readiness::new(&self.services, url, settings.write_queue, runtime, &door);
        let text: MetricsText = Arc::new(move || {
            // A process without a worker has nobody else to look.
            metrics::gauge!("reconsent_write_queue_depth").set(store.write_queue_depth() as f64);
            metrics.render()
        });
        self.server("ops", move || ops::serve(readiness, text, &door, listener)).await
    }

    /// Starts a server on a thread with a system of its own.
    pub async fn server(
        &mut self,
        name: &str,
        make: impl FnOnce() -> io::Result<Server> + Send + 'static,
    ) -> Result<(), Failure> {
        let (tell, told) = oneshot::channel();
        let (tell_end, ended) = oneshot::channel();
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let outcome = match make() {
                    Ok(server) => {
                        // Whoever asked may have gone; then the process ends.
                        let _ = tell.send(Ok(server.handle()));
                        server.await
                    }
                    Err(error) => {
                        let _ = tell.send(Err(error));
                        Ok(())
                    }
                };
                let _ = tell_end.send(outcome);
            });
        })?;
        let handle = told.await.map_err(|_| Failure::failed(format!("the {name} server did not start")))??;
        self.servers.push(ServerThread { handle, ended });
        Ok(())
    }

    /// Starts the worker.
    pub fn work(&mut self) {
        let provider = Arc::new(Provider::new(self.parts.provider.clone()));
        let (settings, relay) = (self.parts.worker.clone(), self.parts.relay.clone());
        let worker = Worker::new(self.services.clone(), settings, relay, provider);
        self.worker = Some(tokio::spawn(worker.run(self.stop.subscribe())));
    }

    /// Whether a relay is set, without which mails wait.
    pub const fn has_relay(&self) -> bool {
        self.parts.relay.is_some()
    }

    /// Runs until a signal, or until a part ends that should not; then stops the rest in good order.
    pub async fn until_told(mut self) -> Result<(), Failure> {
        let ended = {
            let servers: Vec<_> = self.servers.iter_mut().map(|server| &mut server.ended).collect();
            let any_server = async {
                if servers.is_empty() {
                    pending::<()>().await;
                }
                // How it ended is in the log; that it ended is enough to know here.
                let _ = select_all(servers).await;
            };
            let worker = async {
                match self.worker.as_mut() {
                    Some(worker) => drop(worker.await),
                    None => pending().await,
                }
            };
            tokio::select! {
                () = self.signals.next() => None,
                () = any_server => Some("a server ended by itself"),
                () = worker => Some("the worker ended by itself"),
            }
        };
        match ended {
            None => tracing::info!("stopping; a second signal stops at once"),
            Some(what) => {
                self.worker = None;
                tracing::error!(what, "stopping");
            }
        }
        let mut signals = self.signals;
        let at_once = tokio::spawn(async move {
            signals.next().await;
            tracing::warn!("stopped at once; work in hand is taken up again when its lease runs out");
            exit(i32::from(Exit::Failed as u8));
        });
        let patience = self.parts.house.stop_timeout;
        let (stop, servers, worker, relay) = (self.stop, self.servers, self.worker, self.parts.relay);
        let orderly = async {
            // The worker first stops claiming; meanwhile the doors finish what they have begun.
            stop.send_replace(true);
            join_all(servers.iter().map(|server| server.handle.stop(true))).await;
            if let Some(worker) = worker {
                let _ = worker.await;
            }
            if let Some(relay) = relay {
                relay.close().await;
            }
        };
        let in_time = tokio::time::timeout(patience, orderly).await.is_ok();
        self.upkeep.abort();
        at_once.abort();
        if !in_time {
            tracing::warn!("stopped with work in hand; it is taken up again when its lease runs out");
        }
        match ended {
            None => Ok(()),
            Some(what) => Err(Failure::failed(what)),
        }
    }
}
