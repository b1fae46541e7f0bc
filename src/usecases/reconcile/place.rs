//! Where a comparison stands in its reading: list by list through the state pages, then the client's suppression list, then
//! those who are confirmed here and were seen on no page.

use serde::{Deserialize, Serialize};

use crate::campaign_monitor::ListState;
use crate::domain::ids::SubjectId;

/// What is read next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// The state page of this number among [`ListState::ALL`], of one list.
    State {
        /// Which list.
        list: usize,
        /// Which state.
        state: usize,
    },
    /// The client's suppression list.
    Suppressed,
    /// Those confirmed for a purpose that is kept on one list.
    Missing {
        /// Which list.
        list: usize,
        /// Which of its purposes.
        purpose: usize,
        /// People up to here have been looked at.
        after: Option<SubjectId>,
    },
    /// Everything was read.
    End,
}

/// A place in the reading.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The lists as they were when it began.
    pub lists: Vec<String>,
    /// What is read next.
    pub stage: Stage,
    /// Its next page, from 1.
    pub page: u32,
    /// Differences found so far; one that is found twice counts twice.
    pub found: i64,
}

impl Place {
    /// The place before everything.
    pub fn beginning(mut lists: Vec<String>) -> Self {
        lists.sort_unstable();
        lists.dedup();
        let stage = if lists.is_empty() { Stage::End } else { Stage::State { list: 0, state: 0 } };
        Self { lists, stage, page: 1, found: 0 }
    }

    /// As stored.
    pub fn written(&self) -> String {
        serde_json::to_string(self).expect("texts, numbers and ids are written into memory")
    }

    /// From what is stored.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// The list that is read, if it is one.
    pub fn list(&self) -> Option<&str> {
        match self.stage {
            Stage::State { list, .. } | Stage::Missing { list, .. } => self.lists.get(list).map(String::as_str),
            Stage::Suppressed | Stage::End => None,
        }
    }

    /// Behind one page; `more` says whether another follows.
    #[must_use]
    pub fn behind_page(self, more: bool) -> Self {
        if more {
            return Self { page: self.page.saturating_add(1), ..self };
        }
        let stage = match self.stage {
            Stage::State { list, state } if state + 1 < ListState::ALL.len() => Stage::State { list, state: state + 1 },
            Stage::State { list, .. } if list + 1 < self.lists.len() => Stage::State { list: list + 1, state: 0 },
            Stage::State { .. } => Stage::Suppressed,
            Stage::Suppressed => Stage::Missing { list: 0, purpose: 0, after: None },
            stage @ (Stage::Missing { .. } | Stage::End) => stage,
        };
        Self { stage, page: 1, ..self }
    }

    /// Without the list that is read, as there is none with that id any more; its people are not compared.
    #[must_use]
    pub fn without_list(mut self) -> Self {
        let Stage::State { list, .. } = self.stage else { return self };
        if list < self.lists.len() {
            self.lists.remove(list);
        }
        let stage = if list < self.lists.len() { Stage::State { list, state: 0 } } else { Stage::Suppressed };
        Self { stage, page: 1, ..self }
    }

    /// Behind people who were looked at; `purposes` are kept on the list.
    #[must_use]
    pub fn behind_people(self, last: Option<SubjectId>, purposes: usize) -> Self {
        let Stage::Missing { list, purpose, .. } = self.stage else { return self };
        let stage = match last {
            Some(_) => Stage::Missing { list, purpose, after: last },
            None if purpose + 1 < purposes => Stage::Missing { list, purpose: purpose + 1, after: None },
            None if list + 1 < self.lists.len() => Stage::Missing { list: list + 1, purpose: 0, after: None },
            None => Stage::End,
        };
        Self { stage, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_is_gone_is_passed_over() {
        let lists = || vec!["a".to_owned(), "b".to_owned()];
        let at = |list, state| Place { stage: Stage::State { list, state }, page: 3, ..Place::beginning(lists()) };
        let first = at(0, 2).without_list();
        assert_eq!((first.list(), &first.stage, first.page), (Some("b"), &Stage::State { list: 0, state: 0 }, 1));
        let last = at(1, 0).without_list();
        assert_eq!((last.lists.as_slice(), &last.stage), (&["a".to_owned()][..], &Stage::Suppressed));
    }

    #[test]
    fn every_page_of_every_list_is_come_by_once() {
        let mut place = Place::beginning(vec!["b".to_owned(), "a".to_owned(), "b".to_owned()]);
        let (mut states, mut suppressed, mut missing) = (Vec::new(), 0, Vec::new());
        for _ in 0..100 {
            place = Place::read(&place.written()).unwrap();
            let list = place.list().unwrap_or_default().to_owned();
            place = match place.stage {
                Stage::State { state, .. } => {
                    states.push((list, state, place.page));
                    let more = place.page < 2;
                    place.behind_page(more)
                }
                Stage::Suppressed => {
                    suppressed += 1;
                    place.behind_page(false)
                }
                Stage::Missing { purpose, after, .. } => {
                    missing.push((list, purpose, after.is_some()));
                    let last = after.is_none().then(|| SubjectId::from_uuid(uuid::Uuid::nil()));
                    place.behind_people(last, 2)
                }
                Stage::End => break,
            };
        }
        assert_eq!(place.stage, Stage::End);
        let expected: Vec<_> = ["a", "b"]
            .iter()
            .flat_map(|list| (0..5).flat_map(move |state| (1..=2).map(move |page| ((*list).to_owned(), state, page))))
            .collect();
        assert_eq!((states, suppressed), (expected, 1));
        let expected: Vec<_> = ["a", "b"]
            .iter()
            .flat_map(|list| {
                (0..2).flat_map(move |purpose| [false, true].map(move |later| ((*list).to_owned(), purpose, later)))
            })
            .collect();
        assert_eq!(missing, expected);
    }
}
