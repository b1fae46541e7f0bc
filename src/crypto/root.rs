//! The root key: outside the database and its backups, from a file or the environment. It opens the controllers'
//! keys and nothing else. During a rotation the one before it is given too, to open what it sealed.

use std::fmt;

use super::field::{self, Place, SealError};
use super::secret::{Key, sha256};

/// The root key in force and, during a rotation, the one before it.
#[derive(Clone)]
pub struct RootKeys {
    current: Key,
    previous: Option<Key>,
}

/// Why a text is not a root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a root key is 32 bytes in base64, as `reconsent init` writes it")]
pub struct InvalidRootKey;

impl RootKeys {
    /// Parses base64 of 32 bytes each; surrounding blanks are ignored.
    pub fn parse(current: &str, previous: Option<&str>) -> Result<Self, InvalidRootKey> {
        let key = |text: &str| {
            let bytes = data_encoding::BASE64.decode(text.trim().as_bytes()).map_err(|_| InvalidRootKey)?;
            Key::from_bytes(&bytes).ok_or(InvalidRootKey)
        };
        Ok(Self { current: key(current)?, previous: previous.map(key).transpose()? })
    }

    /// A fresh root key as text, for `init`.
    pub fn generate() -> String {
        data_encoding::BASE64.encode(Key::random().bytes())
    }

    /// The name of the current key: the first 8 bytes of its SHA-256 in hex. Names it without telling it.
    pub fn fingerprint(&self) -> String {
        data_encoding::HEXLOWER.encode(&sha256(self.current.bytes())[..8])
    }

    /// Seals a key or a canary of the install.
    pub fn seal(&self, place: &Place<'_>, plain: &[u8]) -> Vec<u8> {
        field::seal(&self.current, place, plain)
    }

    /// Opens what this key or the one before it sealed; says whether it was the one before.
    pub fn open(&self, place: &Place<'_>, sealed: &[u8]) -> Result<(zeroize::Zeroizing<Vec<u8>>, Sealer), SealError> {
        match (field::open(&self.current, place, sealed), &self.previous) {
            (Ok(plain), _) => Ok((plain, Sealer::Current)),
            (Err(SealError), Some(previous)) => Ok((field::open(previous, place, sealed)?, Sealer::Previous)),
            (Err(SealError), None) => Err(SealError),
        }
    }

    /// A key derived for one use of the install itself, such as the caps that no controller owns.
    pub fn derived(&self, label: &str) -> Key {
        Key::from_bytes(&super::secret::hmac256(self.current.bytes(), &[b"derived:v1", label.as_bytes()]))
            .expect("HMAC-SHA-256 has 32 bytes")
    }
}

/// Which root key had sealed a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealer {
    /// The one in force.
    Current,
    /// The one before: seal it anew.
    Previous,
}

impl fmt::Debug for RootKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKeys({})", self.fingerprint())
    }
}
