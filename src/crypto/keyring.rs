//! A controller's keys, opened for use. Each use has keys of its own (SE-02), in versions: one writes, the newest
//! unless said otherwise, and all of them read. The "never mail" list is looked up under every version, as an erased
//! address cannot be hashed anew (SU-04).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::alarm::Alarms;
use super::field::{self, Place, SealError};
use super::index;
use super::secret::{self, Key};

/// What a controller's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyUse {
    /// Seals subject keys, settings' secrets and queued lists.
    Data,
    /// Fingerprints of addresses. One version: changing it means writing every fingerprint anew.
    Index,
    /// Fingerprints of the "never mail" list.
    Suppression,
    /// Message-IDs and other names that outsiders see.
    Names,
}

impl KeyUse {
    /// Every use.
    pub const ALL: [Self; 4] = [Self::Data, Self::Index, Self::Suppression, Self::Names];

    /// The stable name, as stored.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Index => "index",
            Self::Suppression => "suppression",
            Self::Names => "names",
        }
    }

    /// The use with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key_use| key_use.name() == name)
    }
}

/// The opened keys of one controller.
#[derive(Debug, Clone)]
pub struct ControllerKeys {
    controller: Uuid,
    keys: BTreeMap<(KeyUse, i32), Key>,
    writers: BTreeMap<KeyUse, i32>,
    decoys: BTreeSet<Uuid>,
    alarms: Arc<Alarms>,
}

impl ControllerKeys {
    /// Puts opened keys together; `None` when a use has no key.
    pub fn new(controller: Uuid, keys: impl IntoIterator<Item = (KeyUse, i32, Key)>) -> Option<Self> {
        let keys: BTreeMap<_, _> = keys.into_iter().map(|(key_use, version, key)| ((key_use, version), key)).collect();
        // In the order of versions, so that the newest stays.
        let writers: BTreeMap<_, _> = keys.keys().copied().collect();
        let whole = KeyUse::ALL.iter().all(|key_use| writers.contains_key(key_use));
        whole.then(|| Self { controller, keys, writers, decoys: BTreeSet::new(), alarms: Arc::default() })
    }

    /// The same, with these versions to write; a version without a key changes nothing.
    pub fn writing_with(mut self, versions: impl IntoIterator<Item = (KeyUse, i32)>) -> Self {
        let known = versions.into_iter().filter(|version| self.keys.contains_key(version)).collect::<Vec<_>>();
        self.writers.extend(known);
        self
    }

    /// The same, raising `alarms` when one of these people is opened.
    pub fn guarding(self, decoys: impl IntoIterator<Item = Uuid>, alarms: Arc<Alarms>) -> Self {
        Self { decoys: decoys.into_iter().collect(), alarms, ..self }
    }

    /// The people who are nobody, oldest first.
    pub fn decoys(&self) -> impl Iterator<Item = Uuid> {
        self.decoys.iter().copied()
    }

    /// The version that writes.
    pub fn writes(&self, key_use: KeyUse) -> i32 {
        self.writer(key_use).0
    }

    /// The version that writes for a use, and its key.
    fn writer(&self, key_use: KeyUse) -> (i32, &Key) {
        let version = self.writers[&key_use];
        (version, &self.keys[&(key_use, version)])
    }

    fn place<'a>(&self, table: &'a str, column: &'a str, row: Uuid, key_version: i32) -> Place<'a> {
        Place { table, column, controller: self.controller, row, key_version }
    }

    /// Seals a value that belongs to the controller rather than to a person; returns the version of the key.
    pub fn seal(&self, table: &str, column: &str, row: Uuid, plain: &[u8]) -> (i32, Vec<u8>) {
        let (version, key) = self.writer(KeyUse::Data);
        (version, field::seal(key, &self.place(table, column, row, version), plain))
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(
        &self,
        table: &str,
        column: &str,
        row: Uuid,
        version: i32,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let key = self.keys.get(&(KeyUse::Data, version)).ok_or(SealError)?;
        field::open(key, &self.place(table, column, row, version), sealed)
    }

    /// A fresh key for a person, with its sealed form and the version of the key that sealed it.
    pub fn new_subject_key(&self, subject: Uuid) -> (SubjectKey, i32, Vec<u8>) {
        let key = Key::random();
        let (version, sealed) = self.seal("subjects", "wrapped_key", subject, key.bytes());
        (SubjectKey { controller: self.controller, key }, version, sealed)
    }

    /// A person's key sealed anew under the version that writes, without being used.
    pub fn reseal_subject_key(&self, subject: Uuid, version: i32, sealed: &[u8]) -> Result<(i32, Vec<u8>), SealError> {
        let bytes = self.open("subjects", "wrapped_key", subject, version, sealed)?;
        Ok(self.seal("subjects", "wrapped_key", subject, &bytes))
    }

    /// Opens a person's key. Who opens a decoy's is told nothing, and is told of.
    pub fn subject_key(&self, subject: Uuid, version: i32, sealed: &[u8]) -> Result<SubjectKey, SealError> {
        if self.decoys.contains(&subject) {
            self.alarms.canary_opened(self.controller);
        }
        let bytes = self.open("subjects", "wrapped_key", subject, version, sealed)?;
        Ok(SubjectKey { controller: self.controller, key: Key::from_bytes(&bytes).ok_or(SealError)? })
    }

    /// The fingerprint by which an address is found.
    pub fn email_fingerprint(&self, match_key: &str) -> [u8; 32] {
        index::email_fingerprint(self.writer(KeyUse::Index).1, match_key)
    }

    /// The fingerprint that a new entry of the "never mail" list gets, and its key version.
    pub fn suppression_fingerprint(&self, channel: &str, match_key: &str) -> (i32, [u8; 32]) {
        let (version, key) = self.writer(KeyUse::Suppression);
        (version, index::suppression_fingerprint(key, &self.controller.to_string(), channel, match_key))
    }

    /// The fingerprints under which an entry may stand, over all key versions (SU-04).
    pub fn suppression_candidates(&self, channel: &str, match_key: &str) -> Vec<[u8; 32]> {
        let controller = self.controller.to_string();
        self.keys
            .range((KeyUse::Suppression, i32::MIN)..=(KeyUse::Suppression, i32::MAX))
            .map(|(_, key)| index::suppression_fingerprint(key, &controller, channel, match_key))
            .collect()
    }

    /// The key for names that outsiders see.
    pub fn names_key(&self) -> &Key {
        self.writer(KeyUse::Names).1
    }
}

/// A person's key. Destroyed with the person; nothing sealed under it opens again.
#[derive(Debug, Clone)]
pub struct SubjectKey {
    controller: Uuid,
    key: Key,
}

impl SubjectKey {
    /// Seals a person's value for its place.
    pub fn seal(&self, table: &str, column: &str, row: Uuid, plain: &[u8]) -> Vec<u8> {
        field::seal(&self.key, &Place { table, column, controller: self.controller, row, key_version: 0 }, plain)
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(&self, table: &str, column: &str, row: Uuid, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
        field::open(&self.key, &Place { table, column, controller: self.controller, row, key_version: 0 }, sealed)
    }

    /// A fingerprint of something said about the person, to see whether it has changed: it gives nothing away, and says
    /// nothing any more once the person's key is gone.
    pub fn mark(&self, purpose: &str, plain: &[u8]) -> [u8; 32] {
        secret::keyed_hash(&self.key, &[b"mark", purpose.as_bytes(), plain])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(versions: i32) -> ControllerKeys {
        let all = KeyUse::ALL.into_iter().flat_map(|key_use| (1..=versions).map(move |v| (key_use, v, Key::random())));
        ControllerKeys::new(Uuid::from_u128(7), all).unwrap()
    }

    /// The same keys and a second version for one use.
    fn with_another(old: &ControllerKeys, key_use: KeyUse) -> ControllerKeys {
        let all = old.keys.iter().map(|((key_use, version), key)| (*key_use, *version, key.clone()));
        ControllerKeys::new(old.controller, all.chain([(key_use, 2, Key::random())])).unwrap()
    }

    #[test]
    fn the_newest_version_writes_and_older_ones_still_read() {
        let old = keys(1);
        let row = Uuid::from_u128(1);
        let (version, sealed) = old.seal("destinations", "credentials", row, b"secret");
        let grown = with_another(&old, KeyUse::Data);
        assert_eq!(grown.open("destinations", "credentials", row, version, &sealed).unwrap().as_slice(), b"secret");
        assert_eq!(grown.seal("destinations", "credentials", row, b"secret").0, 2);
        let patient = grown.writing_with([(KeyUse::Data, 1), (KeyUse::Index, 9)]);
        assert_eq!(patient.seal("destinations", "credentials", row, b"secret").0, 1, "it writes when it is told to");
        assert_eq!(patient.writes(KeyUse::Index), 1, "there is no such version");
    }

    #[test]
    fn a_suppression_is_found_under_every_key_version() {
        let old = keys(1);
        let (_, entry) = old.suppression_fingerprint("email", "ana@example.org");
        let grown = with_another(&old, KeyUse::Suppression);
        assert!(grown.suppression_candidates("email", "ana@example.org").contains(&entry));
        assert_ne!(grown.suppression_fingerprint("email", "ana@example.org").1, entry);
    }

    #[test]
    fn a_persons_values_open_with_the_persons_key_alone() {
        let keys = keys(1);
        let (ana, ben) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (key, version, wrapped) = keys.new_subject_key(ana);
        let sealed = key.seal("subjects", "email", ana, b"ana@example.org");
        assert_eq!(
            keys.subject_key(ana, version, &wrapped)
                .unwrap()
                .open("subjects", "email", ana, &sealed)
                .unwrap()
                .as_slice(),
            b"ana@example.org"
        );
        assert!(keys.subject_key(ben, version, &wrapped).is_err(), "a wrapped key belongs to one person's row");
        let (_, resealed) = keys.reseal_subject_key(ana, version, &wrapped).unwrap();
        assert_eq!(keys.subject_key(ana, version, &resealed).unwrap().key.bytes(), key.key.bytes());
    }

    #[test]
    fn who_opens_a_decoy_raises_an_alarm_and_who_seals_it_anew_does_not() {
        let (decoy, ana, alarms) = (Uuid::from_u128(1), Uuid::from_u128(2), Arc::new(Alarms::default()));
        let keys = keys(1).guarding([decoy], Arc::clone(&alarms));
        let (_, version, wrapped) = keys.new_subject_key(decoy);
        keys.reseal_subject_key(decoy, version, &wrapped).unwrap();
        let (_, version, hers) = keys.new_subject_key(ana);
        keys.subject_key(ana, version, &hers).unwrap();
        assert_eq!(alarms.canaries_opened(), 0);
        keys.subject_key(decoy, version, &wrapped).unwrap();
        assert_eq!(alarms.canaries_opened(), 1);
    }
}
