//! Canaries of controllers' keys. The rule has two halves, read here as follows.
//!
//! *The wrong key is refused.* Beside each key in use lies a value sealed under it, in a table of its own so that a
//! partial restore of one does not bring the other along. Whoever opens the keys opens their canaries first; one that
//! does not open, or is missing, means that this is not the key that fingerprints and rows were made with. Working on
//! would lose stops, as an address would not be found on the "never mail" list under another key.
//!
//! *Their decryption alarms.* The canary of a data key names decoys: rows among the controller's people that look
//! like any other, belong to nobody, have no consent, and are therefore in no audience, export or look-up. Which rows
//! they are can be read only with the key. Whoever opens one of them as a person has come to it by going through
//! everybody, and that raises the alarm. Sealing a decoy's key anew is no opening.
//!
//! A canary is sealed under a key derived for it alone, so that keys which make fingerprints seal nothing themselves.

use uuid::Uuid;

use super::field::{self, Place, SealError};
use super::keyring::KeyUse;
use super::secret::{Key, hmac256};

const WORD: &[u8] = b"reconsent";
/// Decoys named by one canary, at most; a rotation adds one, and the oldest goes.
const MOST_DECOYS: usize = 16;

fn derived(key: &Key) -> Key {
    Key::from_bytes(&hmac256(key.bytes(), &[b"canary:v1"])).expect("HMAC-SHA-256 has 32 bytes")
}

fn place(controller: Uuid, key_use: KeyUse, key_version: i32) -> Place<'static> {
    Place { table: "key_canaries", column: key_use.name(), controller, row: controller, key_version }
}

/// The canary of a key, naming the controller's decoys, newest last.
pub fn make(controller: Uuid, key_use: KeyUse, version: i32, key: &Key, decoys: &[Uuid]) -> Vec<u8> {
    let mut plain = WORD.to_vec();
    for decoy in &decoys[decoys.len().saturating_sub(MOST_DECOYS)..] {
        plain.extend_from_slice(decoy.as_bytes());
    }
    field::seal(&derived(key), &place(controller, key_use, version), &plain)
}

/// The decoys that a canary names; an error means that this is not its key.
pub fn check(
    controller: Uuid,
    key_use: KeyUse,
    version: i32,
    key: &Key,
    sealed: &[u8],
) -> Result<Vec<Uuid>, SealError> {
    let plain = field::open(&derived(key), &place(controller, key_use, version), sealed)?;
    let decoys = plain.strip_prefix(WORD).ok_or(SealError)?.chunks_exact(16);
    if !decoys.remainder().is_empty() {
        return Err(SealError);
    }
    decoys.map(|bytes| Uuid::from_slice(bytes).map_err(|_| SealError)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_opens_with_its_key_alone_and_names_the_newest_decoys() {
        let (controller, key) = (Uuid::from_u128(7), Key::random());
        let decoys: Vec<_> = (0..20).map(Uuid::from_u128).collect();
        let sealed = make(controller, KeyUse::Data, 2, &key, &decoys);
        assert_eq!(check(controller, KeyUse::Data, 2, &key, &sealed).unwrap(), &decoys[4..]);
        assert!(check(controller, KeyUse::Data, 2, &Key::random(), &sealed).is_err());
        assert!(check(controller, KeyUse::Data, 1, &key, &sealed).is_err());
        assert!(check(controller, KeyUse::Index, 2, &key, &sealed).is_err());
        assert!(check(Uuid::from_u128(8), KeyUse::Data, 2, &key, &sealed).is_err());
        let sealed = make(controller, KeyUse::Index, 1, &key, &[]);
        assert!(check(controller, KeyUse::Index, 1, &key, &sealed).unwrap().is_empty());
    }
}
