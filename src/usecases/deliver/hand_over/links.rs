//! The links that go out with mails: written with the hand-over, taking the place of older ones (LK-06).

use std::collections::HashSet;

use crate::domain::ids::{ControllerId, LinkId, PurposeId, SubjectId};
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::links::Link;
use crate::store::mails::Mail;

use super::super::super::Error;
use super::Handing;

/// New links of a batch, and the open ones that they meet.
#[derive(Default)]
pub(super) struct NewLinks {
    open: Vec<Link>,
    superseded: HashSet<(ControllerId, LinkId)>,
    new: Vec<Link>,
}

impl NewLinks {
    /// Reads the open links of the people who get new ones.
    pub(super) fn read(&mut self, tx: &mut WriteTx<'_>, passed: &[(&Handing, &Mail)]) -> Result<(), Error> {
        let mut people: Vec<_> = passed.iter().map(|(_, mail)| (mail.controller_id, mail.subject_id)).collect();
        people.sort_unstable();
        people.dedup();
        let mut actions: Vec<LinkAction> = passed
            .iter()
            .flat_map(|(handing, _)| handing.draft.links.iter().filter(|link| link.expires_at.is_some()))
            .map(|link| link.action)
            .collect();
        actions.sort_unstable();
        actions.dedup();
        self.open = tx.open_links(&people, &actions)?;
        Ok(())
    }

    /// Adds a mail's links; those before them about one of the same purposes are over. A withdrawal has no end.
    pub(super) fn add(
        &mut self,
        subject: SubjectId,
        links: &[Link],
        asked: &[PurposeId],
        now: Timestamp,
    ) -> Result<(), Error> {
        for link in links.iter().filter(|link| link.expires_at.is_some()) {
            let meets = |known: &Link| {
                let same = known.controller_id == link.controller_id && known.subject_id == subject;
                same && known.action == link.action
            };
            for known in self.open.iter().filter(|known| meets(known)) {
                if known.purposes()?.iter().any(|purpose| asked.contains(purpose)) {
                    self.superseded.insert((known.controller_id, known.id));
                }
            }
            for known in self.new.iter_mut().filter(|known| meets(known)) {
                if known.purposes()?.iter().any(|purpose| asked.contains(purpose)) {
                    known.superseded_at = Some(now);
                }
            }
        }
        self.new.extend(links.iter().cloned());
        Ok(())
    }

    pub(super) fn write(self, tx: &mut WriteTx<'_>, now: Timestamp) -> Result<(), Error> {
        let mut superseded: Vec<_> = self.superseded.into_iter().collect();
        superseded.sort_unstable();
        tx.supersede(&superseded, now)?;
        for piece in self.new.chunks(500) {
            tx.insert_links(piece)?;
        }
        Ok(())
    }
}
