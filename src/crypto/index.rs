//! Keyed fingerprints for exact look-up. An address is found by its fingerprint, which nobody can make or test
//! without the controller's key; two controllers' fingerprints of one address have nothing in common (R-101, PR-03).

use super::secret::{Key, hmac256};

/// The fingerprint by which a subject is found.
pub fn email_fingerprint(key: &Key, match_key: &str) -> [u8; 32] {
    hmac256(key.bytes(), &[b"email:v1", match_key.as_bytes()])
}

/// The entry of the "never mail" list (SU-02); `controller` is its id as text.
pub fn suppression_fingerprint(key: &Key, controller: &str, channel: &str, match_key: &str) -> [u8; 32] {
    hmac256(key.bytes(), &[b"suppression:v1", controller.as_bytes(), channel.as_bytes(), match_key.as_bytes()])
}

/// The install-wide mark by which a mailbox is capped across controllers; it names none of them and changes each
/// day, so that nothing can be joined over time (architecture section 0, PR-03).
pub fn mailbox_cap_fingerprint(key: &Key, day: i64, match_key: &str) -> [u8; 32] {
    hmac256(key.bytes(), &[b"cap:v1", day.to_string().as_bytes(), match_key.as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_suppression_vector_holds() {
        // consent-law section 9.4
        let key = Key::from_bytes(&(0..32).collect::<Vec<u8>>()).unwrap();
        let mark = suppression_fingerprint(&key, "acme", "email", "jane.doe@example.com");
        assert_eq!(
            data_encoding::HEXLOWER.encode(&mark),
            "a2062f56011c2e440228fc6f0f241ce6dea36819659f09bb40810ef36358b237"
        );
    }
}
