//! The SMTP listener: its thread, its bound on connections, its end.

use super::session::{Relay, converse};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use tokio::io::AsyncWriteExt;
use tokio::sync::{Semaphore, watch};

/// The running SMTP side.
pub(super) struct SmtpListener {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

impl SmtpListener {
    pub(super) fn start(address: SocketAddr, max_connections: usize, relay: Arc<Relay>) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = watch::channel(false);
        let thread = std::thread::Builder::new().name("mail-catcher-smtp".into()).spawn(move || {
            runtime.block_on(accept(listener, max_connections, relay, stopped));
            // Open conversations are cut; a peer sees a closed connection as from a dying relay.
            runtime.shutdown_background();
        })?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stop(&mut self) {
        let _ = self.stop.send(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for SmtpListener {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn accept(listener: TcpListener, max_connections: usize, relay: Arc<Relay>, mut stopped: watch::Receiver<bool>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let places = Arc::new(Semaphore::new(max_connections));
    loop {
        let accepted = tokio::select! {
            _ = stopped.changed() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((mut stream, _)) = accepted else {
            // Out of file descriptors, most likely: give the others time to leave.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            continue;
        };
        relay.rules.connections.fetch_add(1, Ordering::Relaxed);
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            tokio::spawn(async move {
                let _ = stream.write_all(b"421 4.7.0 Too many connections\r\n").await;
            });
            continue;
        };
        let relay = Arc::clone(&relay);
        tokio::spawn(async move {
            // A peer that breaks the connection off is everyday life for a relay.
            let _ = converse(stream, relay).await;
            drop(place);
        });
    }
}
