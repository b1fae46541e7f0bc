//! The seal on a page: it says that we made the page for this link or form, and when, so that a page that was never
//! opened cannot be sent, an old one is asked for again, and a yes that comes too fast is noticed (LK-04, LK-05). It
//! needs no storage and no cookie.

use std::time::Duration;

use crate::crypto::Key;
use crate::crypto::secret::{keyed_hash, same_bytes};
use crate::domain::time::Timestamp;

use super::Services;

/// How a page that comes back is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageSeal {
    /// Ours, and this old.
    Fresh(Duration),
    /// Ours, but too old.
    Stale,
    /// Not ours, for something else, or missing.
    Broken,
}

fn key(services: &Services) -> Key {
    services.keys.root().derived("page-nonce")
}

fn mac(services: &Services, about: &str, issued: i64) -> String {
    let hash = keyed_hash(&key(services), &[b"page:v1", about.as_bytes(), issued.to_string().as_bytes()]);
    data_encoding::BASE64URL_NOPAD.encode(&hash[..16])
}

/// A seal for a page about `about`: a link's id or a form's key.
pub fn issue(services: &Services, about: &str) -> String {
    let issued = services.clock.now().micros();
    format!("{issued}.{}", mac(services, about, issued))
}

/// Checks the seal that came back.
pub fn check(services: &Services, about: &str, seal: &str) -> PageSeal {
    let Some((issued, given)) =
        seal.split_once('.').and_then(|(issued, given)| Some((issued.parse::<i64>().ok()?, given)))
    else {
        return PageSeal::Broken;
    };
    if seal.len() > 64 || !same_bytes(mac(services, about, issued).as_bytes(), given.as_bytes()) {
        return PageSeal::Broken;
    }
    let age = services.clock.now().since(Timestamp::from_micros(issued));
    if age > services.rules.page_nonce_ttl { PageSeal::Stale } else { PageSeal::Fresh(age) }
}
