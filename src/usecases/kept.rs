//! What was read a moment ago, kept so that visitors do not cost the same reading again and again. What somebody changes
//! shows as soon as the kept is too old; what is kept is bounded.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Things as they were read a moment ago, by their keys.
pub struct Kept<K, V> {
    read: RwLock<HashMap<K, (Arc<V>, Instant)>>,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { read: RwLock::default() }
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    /// The one with this key, if it was read within `refresh`.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q, refresh: Duration) -> Option<Arc<V>>
    where
        K: Borrow<Q>,
    {
        let read = self.read.read().unwrap_or_else(PoisonError::into_inner);
        read.get(key).filter(|(_, at)| at.elapsed() < refresh).map(|(kept, _)| Arc::clone(kept))
    }

    /// Keeps one that was found, so that strangers cannot fill it; `most` at a time.
    pub fn keep(&self, key: K, found: &Arc<V>, most: usize) {
        let mut read = self.read.write().unwrap_or_else(PoisonError::into_inner);
        if read.len() >= most {
            read.clear();
        }
        read.insert(key, (Arc::clone(found), Instant::now()));
    }
}
