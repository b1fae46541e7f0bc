//! The client's suppression list, read before the first person is written to a round's list. An unsubscribe from that list
//! reaches no other one, and therefore the provider does not look at its suppression list for it (campaign-monitor 15.4):
//! whoever complained there, or whose mailbox is dead there, is left out by us. That is no stop here: an unsubscribe of our
//! own, about something else, may have put them there.

use crate::campaign_monitor::{Direction, OrderField, PageRequest};
use crate::domain::campaign::EntryState;
use crate::domain::email::EmailAddress;
use crate::domain::gate::Reason;
use crate::domain::ids::SubjectId;
use crate::store::WriteTx;
use crate::store::round_entries::{RoundEntry, RoundList};

use super::super::super::Error;
use super::record;
use super::step::{Bench, RoundStep};

/// Entries asked for at once.
const PAGE: u16 = 1000;

/// Reads a page; a page and the next one's number are one commit.
pub(super) async fn step(bench: &Bench<'_>, page: i32) -> Result<RoundStep, Error> {
    let request = PageRequest {
        since: None,
        page: u32::try_from(page).unwrap_or(1),
        page_size: PAGE,
        order: OrderField::Date,
        direction: Direction::Ascending,
    };
    let found = bench.account().suppression_list(&bench.destination.client_id, request).await?;
    let next = found.has_next().then_some(page.saturating_add(1));
    let keys = bench.services.keys.of(bench.scope).await?;
    let addresses = found.results.iter().filter_map(|one| EmailAddress::parse(one.email_address.trim()).ok());
    let marks: Vec<Vec<u8>> = addresses.map(|address| keys.email_fingerprint(&address.match_key()).to_vec()).collect();
    let (scope, id, task, lease) = (bench.scope, bench.campaign.id, bench.task.clone(), bench.lease);
    let (campaign, round) = (bench.campaign.clone(), bench.round.clone());
    let work = move |tx: &mut WriteTx<'_>| {
        let people = tx.lock_subjects_by_fingerprints(scope, &marks)?;
        if !tx.extend_lease(&task, lease)? {
            return Ok(RoundStep::NotOurs);
        }
        let ids: Vec<SubjectId> = people.iter().map(|row| row.id).collect();
        let waiting = tx.round_entries_of(scope, id, &ids)?.into_iter();
        let waiting: Vec<RoundEntry> = waiting.filter(|entry| entry.state == EntryState::Waiting).collect();
        // Who was given the link by a download has been asked, whatever the list says.
        let fresh = waiting.iter().filter(|entry| entry.handed_at.is_none());
        let left_out: Vec<(SubjectId, Reason)> = fresh.map(|entry| (entry.subject_id, Reason::Suppressed)).collect();
        record::excluded(tx, &campaign, &left_out)?;
        let gone = waiting.into_iter().map(|entry| RoundEntry { state: EntryState::Gone, ..entry });
        tx.save_round_entries(&gone.collect::<Vec<_>>())?;
        tx.save_round_list(&RoundList { suppressed_page: next, ..round.clone() })?;
        Ok::<_, Error>(RoundStep::More)
    };
    bench.services.store.write(id.uuid(), work).await
}
