//! The install-wide mark by which a mailbox is capped across controllers. It names no controller, changes each day and
//! is forgotten within 48 hours; nothing else crosses controllers (architecture section 0, R-21, PR-03).

use crate::crypto::index::mailbox_cap_fingerprint;
use crate::domain::email::EmailAddress;

use super::Services;

/// The mark of a mailbox on a day.
pub fn mailbox_mark(services: &Services, day: i64, address: &EmailAddress) -> [u8; 32] {
    mailbox_cap_fingerprint(&services.keys.root().derived("mailbox-caps"), day, &address.match_key())
}
