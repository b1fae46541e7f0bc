//! An SMTP server that takes everything and keeps nothing but counts, the moments, and the first mail.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Outcome;

/// What the addresses of single mails begin with whose moment is wanted.
pub const AWAITED: &str = "awaited";

/// What has come in.
#[derive(Default)]
struct Caught {
    mails: AtomicU64,
    bytes: AtomicU64,
    connections: AtomicU64,
    first: Mutex<Option<(Instant, Vec<u8>)>>,
    last: Mutex<Option<Instant>>,
    awaited: Mutex<Vec<(String, Instant)>>,
}

/// A running sink; it ends with its runtime.
#[derive(Clone)]
pub struct Sink {
    /// Where it listens.
    pub address: SocketAddr,
    caught: Arc<Caught>,
}

impl Sink {
    /// Starts one.
    pub async fn start() -> Outcome<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, caught) = (listener.local_addr()?, Arc::new(Caught::default()));
        let keeper = Arc::clone(&caught);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                keeper.connections.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(talk(socket, Arc::clone(&keeper)));
            }
        });
        Ok(Self { address, caught })
    }

    /// Mails so far.
    pub fn mails(&self) -> u64 {
        self.caught.mails.load(Ordering::Relaxed)
    }

    /// Connections so far.
    pub fn connections(&self) -> u64 {
        self.caught.connections.load(Ordering::Relaxed)
    }

    /// Bytes of all mails.
    pub fn bytes(&self) -> u64 {
        self.caught.bytes.load(Ordering::Relaxed)
    }

    /// When the first mail was taken, and its bytes.
    pub fn first(&self) -> Option<(Instant, Vec<u8>)> {
        self.caught.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The mails to addresses that begin with [`AWAITED`], and when each came.
    pub fn awaited(&self) -> Vec<(String, Instant)> {
        self.caught.awaited.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When the last mail was taken.
    pub fn last(&self) -> Option<Instant> {
        *self.caught.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One conversation: whatever stands in the buffer is answered in one go, so that a client may send ahead.
async fn talk(mut socket: TcpStream, caught: Arc<Caught>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    socket.write_all(b"220 sink.invalid ESMTP\r\n").await?;
    let (mut buffer, mut answers, mut in_data) = (Vec::with_capacity(64 * 1024), Vec::new(), false);
    loop {
        let mut used = 0;
        loop {
            let rest = &buffer[used..];
            if in_data {
                let Some(end) = end_of_data(rest) else { break };
                caught.take(&rest[..end]);
                used += end;
                in_data = false;
                answers.extend_from_slice(b"250 2.0.0 taken\r\n");
                continue;
            }
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { break };
            let word = rest[..end].get(..4).unwrap_or_default().to_ascii_uppercase();
            used += end + 1;
            match &word[..] {
                b"EHLO" => {
                    answers.extend_from_slice(b"250-sink.invalid\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
                }
                b"DATA" => {
                    in_data = true;
                    answers.extend_from_slice(b"354 go on\r\n");
                }
                b"QUIT" => return socket.write_all(b"221 2.0.0 bye\r\n").await,
                _ => answers.extend_from_slice(b"250 2.1.0 ok\r\n"),
            }
        }
        buffer.drain(..used);
        if !answers.is_empty() {
            socket.write_all(&answers).await?;
            answers.clear();
        }
        if buffer.len() > 8 * 1024 * 1024 || socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// Where the mail ends, its final dot included.
fn end_of_data(bytes: &[u8]) -> Option<usize> {
    if bytes.starts_with(b".\r\n") {
        return Some(3);
    }
    bytes.windows(5).position(|five| five == b"\r\n.\r\n").map(|at| at + 5)
}

impl Caught {
    fn take(&self, mail: &[u8]) {
        let now = Instant::now();
        if self.mails.fetch_add(1, Ordering::Relaxed) == 0 {
            let bytes = mail.strip_suffix(b".\r\n").unwrap_or(mail).to_vec();
            *self.first.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, bytes));
        }
        let head = mail.get(..2000).unwrap_or(mail);
        let to = format!("\r\nTo: {AWAITED}");
        if let Some(at) = head.windows(to.len()).position(|bytes| bytes == to.as_bytes()) {
            let rest = &head[at + 6..];
            let end = rest.iter().position(|byte| *byte == b'\r').unwrap_or(rest.len());
            let address = String::from_utf8_lossy(&rest[..end]).into_owned();
            self.awaited.lock().unwrap_or_else(PoisonError::into_inner).push((address, now));
        }
        self.bytes.fetch_add(mail.len() as u64, Ordering::Relaxed);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}
