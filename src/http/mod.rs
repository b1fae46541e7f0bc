//! The door on the network: the API for sites and marketers, the pages for people, and the callbacks of others.
//! Handlers read, call a use case, and answer; rules live elsewhere.

pub mod api;
pub mod auth;
pub mod extract;
pub mod middleware;
pub mod ops;
pub mod pages;
pub mod problem;
pub mod public;
pub mod routes;
pub mod server;

use std::net::IpAddr;
use std::time::Duration;

/// How the door is set.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Bytes of a JSON body of the API.
    pub api_body_limit: usize,
    /// Bytes of a form post and of every other public body.
    pub public_body_limit: usize,
    /// Bytes of one callback: a thousand events with custom fields are several megabytes (architecture section 14.3).
    pub hook_body_limit: usize,
    /// The time a whole request may take, its body included.
    pub deadline: Duration,
    /// The time an upload may take.
    pub upload_deadline: Duration,
    /// The time the head of a request may take.
    pub head_timeout: Duration,
    /// The time a client may take to close its end.
    pub disconnect_timeout: Duration,
    /// The time requests in hand have to end when the server stops, in whole seconds.
    pub drain_timeout: Duration,
    /// Idle time before a kept connection is closed.
    pub keep_alive: Duration,
    /// Connections at once, over all workers.
    pub max_connections: usize,
    /// Threads that answer.
    pub workers: usize,
    /// Networks whose `X-Forwarded-For` is believed: address and prefix length.
    pub trusted_proxies: Vec<(IpAddr, u8)>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            api_body_limit: 1024 * 1024,
            public_body_limit: 64 * 1024,
            hook_body_limit: 10 * 1024 * 1024,
            deadline: Duration::from_secs(10),
            upload_deadline: Duration::from_secs(15 * 60),
            head_timeout: Duration::from_secs(10),
            disconnect_timeout: Duration::from_secs(2),
            drain_timeout: Duration::from_secs(8),
            keep_alive: Duration::from_secs(15),
            max_connections: 10_000,
            workers: std::thread::available_parallelism().map_or(2, usize::from),
            trusted_proxies: Vec::new(),
        }
    }
}

impl HttpSettings {
    /// Whether an address belongs to a proxy we believe.
    pub fn is_trusted_proxy(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|(network, prefix)| match (network.to_canonical(), address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(*prefix).min(32)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(*prefix).min(128)).unwrap_or(0);
                network.to_bits() & mask == address.to_bits() & mask
            }
            _ => false,
        })
    }
}
