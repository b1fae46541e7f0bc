//! A load generator of our own, light on the processor since it shares it with what it measures: one thread, sockets
//! held open, requests made up in place, and every latency kept.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Outcome, fault};

/// How hard, and for how long.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Connections, each with one request under way.
    pub connections: usize,
    /// Time before anything is counted.
    pub warm: Duration,
    /// Time that is counted.
    pub time: Duration,
}

/// Writes request number `n` into the buffer; says no when there is none left.
pub trait Requests: Send + 'static {
    /// See above.
    fn write(&mut self, n: u64, into: &mut Vec<u8>) -> bool;
}

impl<F: FnMut(u64, &mut Vec<u8>) -> bool + Send + 'static> Requests for F {
    fn write(&mut self, n: u64, into: &mut Vec<u8>) -> bool {
        self(n, into)
    }
}

/// What came of it.
#[derive(Debug, Clone, Default)]
pub struct Counted {
    /// Answers with the expected status.
    pub good: usize,
    /// Answers with another.
    pub bad: usize,
    /// One of the other statuses.
    pub odd: Option<u16>,
    /// How long was counted.
    pub took: Duration,
    /// Every latency in microseconds, sorted.
    latencies: Vec<u32>,
}

impl Counted {
    /// Good answers in a second.
    pub fn per_second(&self) -> f64 {
        self.good as f64 / self.took.as_secs_f64().max(0.001)
    }

    /// The latency in milliseconds that this share of the answers kept to.
    pub fn percentile(&self, share: f64) -> f64 {
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
    }
}

struct Shared {
    requests: Box<dyn Requests>,
    next: u64,
    counted: Counted,
}

/// Runs the load on a thread of its own. `look` is called at the beginning and at the end of what is counted, for
/// readings. Ends early when the requests are used up.
pub async fn run<R: Send + 'static>(
    to: SocketAddr,
    expected: u16,
    load: Load,
    requests: impl Requests,
    look: impl Fn() -> R + Send + 'static,
) -> Outcome<(Counted, R, R)> {
    let work = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, drive(to, expected, load, Box::new(requests), look))
    };
    tokio::task::spawn_blocking(work).await?
}

async fn drive<R>(
    to: SocketAddr,
    expected: u16,
    load: Load,
    requests: Box<dyn Requests>,
    look: impl Fn() -> R,
) -> Outcome<(Counted, R, R)> {
    let shared = Rc::new(std::cell::RefCell::new(Shared { requests, next: 0, counted: Counted::default() }));
    // Set while it counts: when that began.
    let counting: Rc<Cell<Option<Instant>>> = Rc::default();
    let over = Rc::new(Cell::new(false));
    let mut walkers = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        let socket = TcpStream::connect(to).await?;
        socket.set_nodelay(true)?;
        let (shared, counting, over) = (Rc::clone(&shared), Rc::clone(&counting), Rc::clone(&over));
        walkers.push(tokio::task::spawn_local(walk(socket, expected, shared, counting, over)));
    }
    tokio::time::sleep(load.warm).await;
    let before = look();
    let began = Instant::now();
    counting.set(Some(began));
    let all = futures_util::future::join_all(walkers);
    tokio::pin!(all);
    let ended = tokio::select! {
        ended = &mut all => Some(ended),
        () = tokio::time::sleep(load.time) => None,
    };
    let took = began.elapsed();
    counting.set(None);
    let after = look();
    over.set(true);
    let ended = match ended {
        Some(ended) => ended,
        None => all.await,
    };
    for walker in ended {
        walker??;
    }
    let mut counted = std::mem::take(&mut shared.borrow_mut().counted);
    counted.took = took;
    counted.latencies.sort_unstable();
    Ok((counted, before, after))
}

async fn walk(
    mut socket: TcpStream,
    expected: u16,
    shared: Rc<std::cell::RefCell<Shared>>,
    counting: Rc<Cell<Option<Instant>>>,
    over: Rc<Cell<bool>>,
) -> Outcome<()> {
    let (mut request, mut answer) = (Vec::with_capacity(2048), Vec::with_capacity(16 * 1024));
    while !over.get() {
        {
            let mut shared = shared.borrow_mut();
            let n = shared.next;
            shared.next += 1;
            request.clear();
            if !shared.requests.write(n, &mut request) {
                return Ok(());
            }
        }
        let sent = Instant::now();
        socket.write_all(&request).await?;
        let status = read_answer(&mut socket, &mut answer).await?;
        if counting.get().is_some() {
            let micros = u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX);
            let counted = &mut shared.borrow_mut().counted;
            counted.latencies.push(micros);
            if status == expected {
                counted.good += 1;
            } else {
                counted.bad += 1;
                counted.odd = Some(status);
            }
        }
    }
    Ok(())
}

/// Reads one answer whole; gives its status.
async fn read_answer(socket: &mut TcpStream, buffer: &mut Vec<u8>) -> Outcome<u16> {
    buffer.clear();
    let head = loop {
        let from = buffer.len().saturating_sub(3);
        if socket.read_buf(buffer).await? == 0 {
            return fault("the service hung up");
        }
        if let Some(at) = buffer[from..].windows(4).position(|four| four == b"\r\n\r\n") {
            break from + at + 4;
        }
        if buffer.len() > 64 * 1024 {
            return fault("an answer's head has no end");
        }
    };
    let status = buffer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let Some(status) = status else { return fault("an answer without a status") };
    let length = content_length(&buffer[..head]);
    while buffer.len() < head + length {
        if socket.read_buf(buffer).await? == 0 {
            return fault("an answer broke off");
        }
    }
    Ok(status)
}

fn content_length(head: &[u8]) -> usize {
    const NAME: &[u8] = b"content-length:";
    let value = head.split(|byte| *byte == b'\n').find_map(|line| {
        line.get(..NAME.len()).filter(|name| name.eq_ignore_ascii_case(NAME))?;
        std::str::from_utf8(&line[NAME.len()..]).ok()?.trim().parse().ok()
    });
    value.unwrap_or(0)
}

/// One request on a connection of its own; its status.
pub async fn ask(to: SocketAddr, path: &str) -> Outcome<u16> {
    let mut socket = TcpStream::connect(to).await?;
    socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    read_answer(&mut socket, &mut Vec::new()).await
}
