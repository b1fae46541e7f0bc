//! Random bytes, cheap and good enough to stand for sealed ones; and ids that grow with time, as the service's do.

/// A source of random bytes (xorshift, seeded by the process).
pub struct Random(u64);

impl Random {
    /// A source of its own.
    pub fn new() -> Self {
        use std::hash::{BuildHasher, Hasher};
        Self(std::collections::hash_map::RandomState::new().build_hasher().finish() | 1)
    }

    /// Eight bytes.
    pub fn word(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// So many bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.word().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }

    /// An id like a UUID of version 7 made at `millis`.
    pub fn id(&mut self, millis: u64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        id[6..14].copy_from_slice(&self.word().to_le_bytes());
        id[14..].copy_from_slice(&self.word().to_le_bytes()[..2]);
        id[6] = 0x70 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        id
    }
}

/// Milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "a benchmark makes rows as of now, and no test looks at them")]
pub fn millis() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
