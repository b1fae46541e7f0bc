//! One value sealed to its place. A sealed value opens only with its key and only in the table, column, controller
//! and row it was written for, so that moving bytes about in the database moves nothing.
//!
//! Layout: version (1) | nonce (24) | commitment (16) | AES-256-GCM ciphertext and tag. Each value has a cipher key
//! of its own, derived with the 192-bit random nonce by HMAC-SHA-512 from the sealing key; the other half of the
//! derivation, cut to 128 bits, commits to the key, so that no ciphertext opens under two keys.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::secret::{Key, fill_random};

const VERSION: u8 = 1;
const NONCE: usize = 24;
const COMMITMENT: usize = 16;
const HEAD: usize = 1 + NONCE + COMMITMENT;

/// Where a sealed value stands.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The table.
    pub table: &'a str,
    /// The column.
    pub column: &'a str,
    /// The controller; nil for what belongs to the install.
    pub controller: Uuid,
    /// The row.
    pub row: Uuid,
    /// The version of the key that seals.
    pub key_version: i32,
}

impl Place<'_> {
    fn associated_data(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.table.len() + self.column.len() + 38);
        bytes.extend_from_slice(self.table.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.column.as_bytes());
        bytes.push(0);
        bytes.extend_from_slice(self.controller.as_bytes());
        bytes.extend_from_slice(self.row.as_bytes());
        bytes.extend_from_slice(&self.key_version.to_be_bytes());
        bytes
    }
}

/// The bytes were not sealed with this key for this place, or were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open with this key in this place")]
pub struct SealError;

/// Derives the cipher key and the commitment for one value.
fn derive(key: &Key, nonce: &[u8]) -> (LessSafeKey, [u8; COMMITMENT]) {
    let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA512, key.bytes()), nonce);
    let bytes = mac.as_ref();
    let cipher = UnboundKey::new(&AES_256_GCM, &bytes[..32]).expect("32 bytes are an AES-256 key");
    let commitment = bytes[32..32 + COMMITMENT].try_into().expect("HMAC-SHA-512 has 64 bytes");
    (LessSafeKey::new(cipher), commitment)
}

/// The cipher key is used once, so its nonce may be constant.
fn cipher_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Seals `plain` for `place`.
pub fn seal(key: &Key, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(HEAD + plain.len() + 16);
    sealed.push(VERSION);
    sealed.resize(1 + NONCE, 0);
    fill_random(&mut sealed[1..]);
    let (cipher, commitment) = derive(key, &sealed[1..1 + NONCE]);
    sealed.extend_from_slice(&commitment);
    let mut body = plain.to_vec();
    cipher
        .seal_in_place_append_tag(cipher_nonce(), Aad::from(place.associated_data()), &mut body)
        .expect("AES-GCM seals anything under 64 GiB");
    sealed.append(&mut body);
    sealed
}

/// Opens what [`seal`] made for the same place.
pub fn open(key: &Key, place: &Place<'_>, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    if sealed.len() < HEAD + 16 || sealed[0] != VERSION {
        return Err(SealError);
    }
    let (cipher, commitment) = derive(key, &sealed[1..1 + NONCE]);
    aws_lc_rs::constant_time::verify_slices_are_equal(&commitment, &sealed[1 + NONCE..HEAD]).map_err(|_| SealError)?;
    let mut body = Zeroizing::new(sealed[HEAD..].to_vec());
    let length = cipher
        .open_in_place(cipher_nonce(), Aad::from(place.associated_data()), &mut body)
        .map_err(|_| SealError)?
        .len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place<'static> {
        Place {
            table: "subjects",
            column: "email",
            controller: Uuid::from_u128(1),
            row: Uuid::from_u128(2),
            key_version: 1,
        }
    }

    #[test]
    fn a_value_opens_only_in_its_place_and_with_its_key() {
        let key = Key::random();
        let sealed = seal(&key, &place(), b"ana@example.org");
        assert_eq!(open(&key, &place(), &sealed).unwrap().as_slice(), b"ana@example.org");
        let elsewhere = [
            Place { table: "mails", ..place() },
            Place { column: "name", ..place() },
            Place { controller: Uuid::from_u128(9), ..place() },
            Place { row: Uuid::from_u128(9), ..place() },
            Place { key_version: 2, ..place() },
        ];
        for wrong in elsewhere {
            assert_eq!(open(&key, &wrong, &sealed).unwrap_err(), SealError, "{wrong:?}");
        }
        assert!(open(&Key::random(), &place(), &sealed).is_err());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let key = Key::random();
        let sealed = seal(&key, &place(), b"yes");
        for i in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[i] ^= 1;
            assert!(open(&key, &place(), &changed).is_err(), "byte {i}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key, &place(), &sealed[..length]).is_err(), "cut to {length}");
        }
    }
}
