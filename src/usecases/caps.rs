//! Marks by which confirmation mails are counted and capped (DO-06): per mailbox over all controllers, and per network
//! and form within one. The install-wide mark by which a mailbox is capped across controllers. It names no controller, changes each day and
//! is forgotten within 48 hours; nothing else crosses controllers (architecture section 0, R-21, PR-03).

use crate::crypto::index::mailbox_cap_fingerprint;
use crate::crypto::secret::keyed_hash;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, FormId};

use super::Services;

/// The mark of a mailbox on a day.
pub fn mailbox_mark(services: &Services, day: i64, address: &EmailAddress) -> [u8; 32] {
    mailbox_cap_fingerprint(&services.keys.root().derived("mailbox-caps"), day, &address.match_key())
}

/// The mark of a network within a controller on a day; made where the network is known, counted at hand-over.
pub fn network_mark(services: &Services, scope: ControllerScope, day: i64, network: &str) -> [u8; 32] {
    mark(services, &format!("network {} {day} {network}", scope.controller()))
}

/// The mark of a form on a day.
pub fn form_mark(services: &Services, form: FormId, day: i64) -> [u8; 32] {
    mark(services, &format!("form {form} {day}"))
}

fn mark(services: &Services, about: &str) -> [u8; 32] {
    keyed_hash(&services.keys.root().derived("source-caps"), &[b"cap:v1", about.as_bytes()])
}
