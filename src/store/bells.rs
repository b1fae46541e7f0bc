//! Bells: whoever waits for work of a kind hears of it as soon as the commit that asks for it is through, and hears of
//! no other kind. They ring within the process; other processes find the work when they next look.

use tokio::sync::Notify;

use crate::domain::task::TaskKind;

/// The kinds of work that a transaction asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Asked(u32);

impl Asked {
    pub(super) fn note(&mut self, kind: TaskKind) {
        self.0 |= 1 << kind.code();
    }

    pub(super) fn join(&mut self, other: Self) {
        self.0 |= other.0;
    }

    fn has(self, kind: TaskKind) -> bool {
        self.0 & (1 << kind.code()) != 0
    }
}

/// A bell for each kind of work.
#[derive(Debug)]
pub(super) struct Bells(Vec<Notify>);

impl Default for Bells {
    fn default() -> Self {
        Self(TaskKind::ALL.iter().map(|_| Notify::new()).collect())
    }
}

impl Bells {
    pub(super) fn of(&self, kind: TaskKind) -> &Notify {
        // Kinds are numbered in the order in which they are declared, as `ALL` lists them.
        &self.0[kind as usize]
    }

    /// Wakes those who wait for what was asked for.
    pub(super) fn ring(&self, asked: Asked) {
        for kind in TaskKind::ALL.iter().filter(|kind| asked.has(**kind)) {
            self.of(*kind).notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_bell_is_heard_by_those_who_wait_for_its_kind_alone() {
        let bells = Bells::default();
        let (mut mail, mut sync) =
            (Box::pin(bells.of(TaskKind::Mail).notified()), Box::pin(bells.of(TaskKind::Sync).notified()));
        mail.as_mut().enable();
        sync.as_mut().enable();
        let mut asked = Asked::default();
        asked.note(TaskKind::Sync);
        bells.ring(asked);
        assert!(sync.as_mut().enable(), "sync was asked for");
        assert!(!mail.as_mut().enable(), "no mail was asked for");
    }

    #[test]
    fn every_kind_has_a_place_of_its_own_in_the_set() {
        for kind in TaskKind::ALL {
            assert!((1..32).contains(&kind.code()));
            assert_eq!(TaskKind::ALL[*kind as usize], *kind);
        }
    }
}
