//! Those who are confirmed here and were seen on no page of the list.

use std::collections::{HashMap, HashSet};

use futures_util::future::join_all;

use crate::campaign_monitor::Subscriber;
use crate::domain::ids::SubjectId;
use crate::domain::reconcile::There;
use crate::store::ReadTx;

use super::super::Error;
use super::super::record::Person;
use super::super::sync::Visit;
use super::place::Place;
use super::reading::{Noted, Told, since, there};
use super::{Piece, Run};

/// So many are looked up one by one before they are called missing: rows shift between pages while people come and go, so
/// that somebody may have been read on none (campaign-monitor 6.4).
const LOOKED_UP: usize = 100;

impl Run<'_> {
    /// Looks through the next people who are confirmed for a purpose on a list.
    pub(super) async fn look_for_missing(
        &self,
        place: Place,
        purpose: usize,
        after: Option<SubjectId>,
    ) -> Result<Piece, Error> {
        let list = place.list().unwrap_or_default().to_owned();
        let purposes = self.purposes_on(&list);
        let Some(wanted) = purposes.get(purpose).copied() else {
            return self.go_on(place.behind_people(None, purposes.len()), Noted::default()).await;
        };
        let (scope, keys, id, now) = (self.scope, self.keys.clone(), self.reconcile.id, self.services.clock.now());
        let (most, on) = (i64::from(self.services.rules.pieces.reconcile), list.clone());
        let look = move |tx: &mut ReadTx<'_>| {
            let consents = tx.confirmed_page(scope, wanted, now, after, most)?;
            let ids: Vec<SubjectId> = consents.iter().map(|consent| consent.subject_id).collect();
            let last = ids.last().copied().filter(|_| i64::try_from(ids.len()).is_ok_and(|count| count >= most));
            let seen: HashSet<SubjectId> = tx.seen_on(scope, id, &on, &ids)?.into_iter().collect();
            let unseen: Vec<SubjectId> = ids.into_iter().filter(|id| !seen.contains(id)).collect();
            let mut addresses = HashMap::with_capacity(unseen.len());
            for row in tx.subjects_among(scope, &unseen)?.into_iter().filter(|row| row.erased_at.is_none()) {
                addresses.insert(row.id, Person::open(scope, &keys, row)?.address.as_sent());
            }
            Ok::<_, Error>((last, addresses.into_values().collect::<Vec<String>>()))
        };
        let (last, addresses) = self.services.store.read(look).await?;
        let next = place.behind_people(last, purposes.len());
        if addresses.is_empty() {
            return self.go_on(next, Noted::default()).await;
        }
        let asked_at = self.services.clock.now();
        let told = if addresses.len() > LOOKED_UP {
            addresses.into_iter().map(missing).collect()
        } else {
            let visit = match Visit::begin(self.services, self.provider, &self.destination).await? {
                Ok(visit) => visit,
                Err(pause) => return Ok(Piece::Later { after: Some(pause), untried: true }),
            };
            let account = visit.account();
            let mut answers: Result<Vec<Option<Subscriber>>, _> = Ok(Vec::with_capacity(addresses.len()));
            // As many at a time as go at once: the claim has to outlast their calls alone.
            for some in addresses.chunks(self.calls.max(1)) {
                if !self.extend().await? {
                    visit.end(&answers);
                    return Ok(Piece::Done);
                }
                let told = join_all(some.iter().map(|address| account.subscriber(&list, address))).await;
                let told: Result<Vec<Option<Subscriber>>, _> = told.into_iter().collect();
                answers = answers.and_then(|before| Ok([before, told?].concat()));
                if answers.is_err() {
                    break;
                }
            }
            visit.end(&answers);
            let zone = self.zone()?;
            match answers {
                Ok(answers) => answers
                    .into_iter()
                    .zip(addresses)
                    .map(|(found, address)| match found {
                        None => missing(address),
                        Some(found) => Told {
                            address,
                            there: found.list_state().map_or(There::Missing, there),
                            since: since(&zone, &found.date),
                            details: Some(found),
                            words: None,
                        },
                    })
                    .collect(),
                Err(error) => return self.after(&error).await,
            }
        };
        let mut noted = self.note(&list, &[], told, asked_at).await?;
        noted.rows = 0;
        self.go_on(next, noted).await
    }
}

fn missing(address: String) -> Told {
    Told { address, there: There::Missing, since: None, details: None, words: None }
}
