//! A sorted set that knows its ranks, so that page 900 costs what page 1 costs.
//!
//! Promises: insert and remove by binary search within a piece of bounded length; a rank, or what stands
//! at one, is found by adding up the lengths of the pieces (about 2,000 for a million entries).

/// A piece this long is cut in two.
const LONGEST: usize = 1024;

/// Entries in ascending order, each once.
pub(super) struct Ranked<T> {
    /// None is empty.
    pieces: Vec<Vec<T>>,
    length: usize,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self { pieces: Vec::new(), length: 0 }
    }
}

impl<T: Ord> Ranked<T> {
    /// Sorts once.
    pub(super) fn of(entries: impl Iterator<Item = T>) -> Self {
        let mut entries: Vec<T> = entries.collect();
        entries.sort_unstable();
        entries.dedup();
        let length = entries.len();
        let mut pieces = Vec::with_capacity(length.div_ceil(LONGEST / 2));
        let mut entries = entries.into_iter().peekable();
        while entries.peek().is_some() {
            pieces.push(entries.by_ref().take(LONGEST / 2).collect());
        }
        Self { pieces, length }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The piece that holds the entry, or would.
    fn piece(&self, entry: &T) -> usize {
        self.pieces.partition_point(|piece| piece.last().is_some_and(|last| last < entry))
    }

    pub(super) fn insert(&mut self, entry: T) {
        let at = self.piece(&entry).min(self.pieces.len().saturating_sub(1));
        let Some(piece) = self.pieces.get_mut(at) else {
            self.pieces.push(vec![entry]);
            self.length = 1;
            return;
        };
        let Err(place) = piece.binary_search(&entry) else {
            return;
        };
        piece.insert(place, entry);
        self.length += 1;
        if piece.len() > LONGEST {
            let rest = piece.split_off(LONGEST / 2);
            self.pieces.insert(at + 1, rest);
        }
    }

    pub(super) fn remove(&mut self, entry: &T) {
        let at = self.piece(entry);
        let Some(piece) = self.pieces.get_mut(at) else {
            return;
        };
        if let Ok(place) = piece.binary_search(entry) {
            piece.remove(place);
            self.length -= 1;
            if piece.is_empty() {
                self.pieces.remove(at);
            }
        }
    }

    /// How many entries stand before the first for which `before` is false; `before` must hold for a
    /// first part of the order and for nothing behind it.
    pub(super) fn rank(&self, before: impl Fn(&T) -> bool) -> usize {
        let at = self.pieces.partition_point(|piece| piece.last().is_some_and(&before));
        let whole: usize = self.pieces[..at].iter().map(Vec::len).sum();
        whole + self.pieces.get(at).map_or(0, |piece| piece.partition_point(before))
    }

    /// The entries from this rank on.
    pub(super) fn from(&self, rank: usize) -> impl Iterator<Item = &T> {
        let (mut skipped, mut at) = (0, 0);
        while let Some(piece) = self.pieces.get(at).filter(|piece| skipped + piece.len() <= rank) {
            skipped += piece.len();
            at += 1;
        }
        self.pieces[at..].iter().flatten().skip(rank - skipped.min(rank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Numbers that look thrown together, the same in each run.
    fn thrown(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)
    }

    #[test]
    fn it_agrees_with_an_ordinary_set_through_many_changes() {
        let (mut ranked, mut plain) = (Ranked::of(thrown(3_000)), thrown(3_000).collect::<BTreeSet<_>>());
        for (turn, number) in thrown(20_000).enumerate() {
            if turn % 3 == 0 {
                ranked.remove(&number);
                plain.remove(&number);
            } else {
                ranked.insert(number);
                plain.insert(number);
            }
        }
        assert_eq!(ranked.len(), plain.len());
        assert!(ranked.len() > 4 * LONGEST && ranked.pieces.iter().all(|piece| (1..=LONGEST).contains(&piece.len())));
        assert!(ranked.from(0).eq(&plain));
        for rank in [1, 511, 512, 513, 2_000, plain.len() - 1, plain.len(), plain.len() + 7] {
            assert!(ranked.from(rank).eq(plain.iter().skip(rank)), "from {rank}");
        }
        for bound in thrown(200) {
            assert_eq!(ranked.rank(|n| *n < bound), plain.range(..bound).count());
        }
        for number in &plain {
            ranked.remove(number);
        }
        assert_eq!((ranked.len(), ranked.pieces.len()), (0, 0));
    }
}
