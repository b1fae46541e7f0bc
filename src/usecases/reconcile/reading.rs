//! Reading one page of what the provider has, and noting where it differs.

use crate::campaign_monitor::{
    Account, CallError, CustomField, Direction, ListState, OrderField, Page, PageRequest, Reason, Subscriber,
    SuppressionEntry, Zone, normalise_address,
};
use crate::domain::email::EmailAddress;
use crate::domain::ids::{FindingId, SubjectId};
use crate::domain::reconcile::{
    Between, Difference, Differences, FindingStatus, Here, ReconcileStatus, There, compare,
};
use crate::domain::time::Timestamp;
use crate::store::reconciles::{Finding, Reconcile};
use crate::store::sightings::Sighting;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::super::Error;
use super::super::sync::{PREFERENCES, Rows, Visit, Wait};
use super::details;
use super::people::{Found, Marks, People, found};
use super::place::{Place, Stage};
use super::{Piece, Run, closed};

/// Somebody as the provider tells of them.
pub(super) struct Told {
    /// The address, as told.
    pub address: String,
    /// How they stand.
    pub there: There,
    /// Since when.
    pub since: Option<Between>,
    /// Their details, where they were told.
    pub details: Option<Subscriber>,
    /// In which words the provider gives a reason.
    pub words: Option<String>,
}

impl Told {
    /// In the form for matching. What is no address in our eyes is matched as it is, so that it is told all the same.
    pub fn match_key(&self) -> String {
        EmailAddress::parse(&self.address)
            .map_or_else(|_| normalise_address(&self.address), |address| address.match_key())
    }
}

/// What one page has come to.
#[derive(Default)]
pub(super) struct Noted {
    pub findings: Vec<Finding>,
    pub sightings: Vec<Sighting>,
    pub rows: usize,
    /// What somebody should know of the plan.
    pub remark: Option<String>,
}

pub(super) fn since(zone: &Zone, date: &str) -> Option<Between> {
    let window = zone.window(date).ok()?;
    Some(Between { earliest: Timestamp::from_micros(window.earliest), latest: Timestamp::from_micros(window.latest) })
}

/// The state of a page's rows.
pub(super) const fn there(state: ListState) -> There {
    match state {
        ListState::Active => There::Active,
        ListState::Unconfirmed => There::Unconfirmed,
        ListState::Unsubscribed => There::Unsubscribed,
        ListState::Bounced => There::Bounced,
        ListState::Deleted => There::Deleted,
    }
}

impl Run<'_> {
    /// Reads the next piece.
    pub(super) async fn read(&self) -> Result<Piece, Error> {
        let place = Place::read(&self.reconcile.place)?;
        match place.stage.clone() {
            Stage::State { state, .. } => self.read_list(place, ListState::ALL[state.min(4)]).await,
            Stage::Suppressed => self.read_suppressed(place).await,
            Stage::Missing { purpose, after, .. } => self.look_for_missing(place, purpose, after).await,
            Stage::End => self.complete(place.found >= self.services.rules.limits.findings).await,
        }
    }

    pub(super) fn zone(&self) -> Result<Zone, Error> {
        Zone::named(&self.destination.time_zone).map_err(|error| Error::Internal(format!("time zone: {error}")))
    }

    fn request(&self, page: u32) -> PageRequest {
        let (order, direction) = (OrderField::Date, Direction::Ascending);
        PageRequest { since: None, page, page_size: self.services.rules.pieces.reconcile, order, direction }
    }

    /// What follows from a call that failed.
    pub(super) async fn after(&self, error: &CallError) -> Result<Piece, Error> {
        match Wait::after(error) {
            Wait::For(after) => Ok(Piece::Later { after, untried: false }),
            Wait::Person(_) => self.fail(error.to_string()).await,
        }
    }

    async fn read_list(&self, place: Place, state: ListState) -> Result<Piece, Error> {
        let list = place.list().unwrap_or_default().to_owned();
        if self.purposes_on(&list).is_empty() {
            // It was given up meanwhile; those on it are asked to leave.
            return self.go_on(place.behind_page(false), Noted::default()).await;
        }
        let asked_at = self.services.clock.now();
        let visit = match Visit::begin(self.services, self.provider, &self.destination).await? {
            Ok(visit) => visit,
            Err(pause) => return Ok(Piece::Later { after: Some(pause), untried: true }),
        };
        let page = page_and_fields(visit.account(), &list, state, self.request(place.page)).await;
        visit.end(&page);
        let (page, fields) = match page {
            Ok(found) => found,
            // The other lists are none the worse for it.
            Err(error) if is_gone(&error) && place.lists.len() > 1 => {
                let remark = Some(format!("there is no list {list} there: its people were not compared"));
                return self.go_on(place.without_list(), Noted { remark, ..Noted::default() }).await;
            }
            Err(error) => return self.after(&error).await,
        };
        let (more, zone) = (page.has_next(), self.zone()?);
        let told = page.results.into_iter().map(|row| Told {
            address: row.email_address.clone(),
            // The page's name counts: a word that is not known says nothing.
            there: there(row.list_state().unwrap_or(state)),
            since: since(&zone, &row.date),
            details: Some(row),
            words: None,
        });
        let noted = self.note(&list, &fields, told.collect(), asked_at).await?;
        self.go_on(place.behind_page(more), noted).await
    }

    async fn read_suppressed(&self, place: Place) -> Result<Piece, Error> {
        let asked_at = self.services.clock.now();
        let visit = match Visit::begin(self.services, self.provider, &self.destination).await? {
            Ok(visit) => visit,
            Err(pause) => return Ok(Piece::Later { after: Some(pause), untried: true }),
        };
        let page = visit.account().suppression_list(&self.destination.client_id, self.request(place.page)).await;
        visit.end(&page);
        let page = match page {
            Ok(page) => page,
            Err(error) => return self.after(&error).await,
        };
        let (more, zone) = (page.has_next(), self.zone()?);
        let mut noted = Noted::default();
        for list in &place.lists {
            // It stops mail on every list of the client. Lists that do not look at it are protected by us (15.4).
            let told = page.results.iter().map(|entry: &SuppressionEntry| Told {
                address: entry.email_address.clone(),
                there: There::Suppressed,
                since: since(&zone, &entry.date),
                details: None,
                words: Some(
                    entry
                        .suppression_reason
                        .chars()
                        .filter(|c| c.is_ascii_alphabetic() || *c == ' ')
                        .take(40)
                        .collect(),
                ),
            });
            let of_list = self.note(list, &[], told.collect(), asked_at).await?;
            noted.findings.extend(of_list.findings);
            noted.rows = noted.rows.max(of_list.rows);
        }
        self.go_on(place.behind_page(more), noted).await
    }

    /// Compares what was told of a list, which has these custom fields, with the record.
    pub(super) async fn note(
        &self,
        list: &str,
        fields: &[CustomField],
        told: Vec<Told>,
        asked_at: Timestamp,
    ) -> Result<Noted, Error> {
        let (scope, keys, purposes) = (self.scope, self.keys.clone(), self.purposes_on(list));
        let (list, now) = (list.to_owned(), self.services.clock.now());
        let (ids, reconcile) = (self.services.ids.clone(), self.reconcile.clone());
        let (destination, fields) = (self.destination.clone(), fields.to_vec());
        let most_former = self.services.rules.limits.former_lists;
        let signer = self.services.keys.signer(scope).await?;
        let marks: Vec<Marks> = told.iter().map(|one| Marks::of(&keys, &one.match_key())).collect();
        let look = move |tx: &mut ReadTx<'_>| {
            let Found { rows, known } = found(tx, scope, &marks, &list)?;
            // Links are looked for where a list's fields are told, and carry them.
            let carries = details::has(&fields, PREFERENCES);
            let linked: Vec<SubjectId> = if carries { known.values().copied().collect() } else { Vec::new() };
            let people = People::read(tx, scope, rows, &marks, &list, purposes.clone(), now)?;
            let mut wanted = Rows::read(tx, scope, signer.clone(), &linked, most_former)?;
            let mut noted = Noted { rows: told.len(), ..Noted::default() };
            for (one, marks) in told.iter().zip(&marks) {
                let subject = known.get(&marks.email).copied();
                if let Some(subject_id) = subject.filter(|_| one.there != There::Suppressed) {
                    noted.sightings.push(Sighting {
                        controller_id: scope.controller(),
                        list_id: list.clone(),
                        subject_id,
                        there: one.there,
                        reconcile_id: reconcile.id,
                        seen_at: now,
                    });
                }
                if subject.is_some_and(|id| people.is_moving(id, asked_at)) {
                    continue;
                }
                let here = people.here(subject, marks);
                if subject.is_some_and(|id| people.is_no_word(id, here, one.since)) {
                    continue;
                }
                let differing = match (subject, here, &one.details) {
                    (Some(id), Here::Wanted { .. }, Some(details)) if one.there == There::Active => {
                        let row = people.wanted_row(tx, &mut wanted, &keys, &destination, id)?;
                        let token = details::value(details, PREFERENCES);
                        let leads = !carries || wanted.is_token_of(tx, id, token, now)?;
                        let more: &[&str] = if leads { &[] } else { &[PREFERENCES] };
                        let differing = row.and_then(|row| details::differing(details, &row, &fields, more));
                        // Whoever came there without us is not taken off by us, until we know that they are there.
                        let known = people.state(id).is_some_and(|state| state.active);
                        if known { differing } else { Some(differing.unwrap_or_else(|| "our record".to_owned())) }
                    }
                    _ => None,
                };
                let Some(kind) = compare(one.there, one.since, here, differing.is_none()) else { continue };
                let id = FindingId::from_uuid(ids.row());
                let (key_version, address) =
                    keys.seal("reconcile_findings", "address", id.uuid(), one.address.as_bytes());
                let detail = if kind == Difference::FieldsDiffer { differing } else { one.words.clone() };
                noted.findings.push(Finding {
                    controller_id: scope.controller(),
                    reconcile_id: reconcile.id,
                    kind,
                    list_id: list.clone(),
                    fingerprint: marks.email.clone(),
                    id,
                    subject_id: subject,
                    key_version,
                    address,
                    there: one.there,
                    there_since: one.since.map(|since| since.latest),
                    detail,
                    status: if kind.can_be_applied() { FindingStatus::Open } else { FindingStatus::Told },
                    settled_at: None,
                });
            }
            Ok::<_, Error>(noted)
        };
        self.services.store.read(look).await
    }

    /// Writes down what a page has come to and where reading goes on, while the claim is ours.
    pub(super) async fn go_on(&self, mut place: Place, mut noted: Noted) -> Result<Piece, Error> {
        // A plan that is full takes in stops all the same: those are never left for the next one.
        if place.found >= self.services.rules.limits.findings {
            noted.findings.retain(|finding| finding.kind.is_stop());
        }

        let (scope, id, task, before) =
            (self.scope, self.reconcile.id, self.task.clone(), self.reconcile.place.clone());
        let lease = self.provider.lease();
        place.found += i64::try_from(noted.findings.len()).unwrap_or(i64::MAX);
        let (place, rows) = (place.written(), i64::try_from(noted.rows).unwrap_or(i64::MAX));
        let work = move |tx: &mut WriteTx<'_>| {
            if !tx.extend_lease(&task, lease)? {
                return Ok(false);
            }
            let open = tx.lock_reconcile(scope, id)?;
            if open.status != ReconcileStatus::Reading || open.place != before {
                return Ok(false);
            }
            tx.add_findings(&noted.findings)?;
            tx.note_sightings(&noted.sightings)?;
            let remark = noted.remark.clone().or(open.remark);
            tx.save_reconcile(&Reconcile { place: place.clone(), rows_read: open.rows_read + rows, remark, ..open })?;
            Ok::<_, Error>(true)
        };
        // Where the claim is somebody else's, they go on from where it stands.
        Ok(if self.services.store.write(id.uuid(), work).await? { Piece::More } else { Piece::Done })
    }

    /// The plan is complete, or holds as much as it may.
    async fn complete(&self, full: bool) -> Result<Piece, Error> {
        let (scope, id, task, now) = (self.scope, self.reconcile.id, self.task.clone(), self.services.clock.now());
        let lease = self.provider.lease();
        let work = move |tx: &mut WriteTx<'_>| {
            if !tx.extend_lease(&task, lease)? {
                return Ok(Piece::Done);
            }
            let open = tx.lock_reconcile(scope, id)?;
            if open.status != ReconcileStatus::Reading {
                return Ok(Piece::Done);
            }
            let words = "the plan holds as many differences as it may; compare again after it was applied";
            let remark = open.remark.clone().or_else(|| full.then(|| words.to_owned()));
            let planned = Reconcile { planned_at: Some(now), remark, ..open };
            let planned = settled(tx, planned, now)?;
            let go_on = planned.status == ReconcileStatus::Applying;
            tx.save_reconcile(&planned)?;
            Ok::<_, Error>(if go_on { Piece::More } else { Piece::Done })
        };
        self.services.store.write(id.uuid(), work).await
    }
}

/// What is left to do of a plan.
pub(super) fn settled(tx: &mut ReadTx<'_>, plan: Reconcile, now: Timestamp) -> Result<Reconcile, StoreError> {
    let scope = crate::domain::ids::ControllerScope::granted(plan.controller_id);
    let counts = tx.finding_counts(scope, plan.id)?;
    let open: Differences =
        counts.iter().filter(|count| count.status == FindingStatus::Open).map(|count| count.kind).collect();
    let allowed = Differences::from_bits(plan.allowed);
    let status = if open.iter().any(|kind| allowed.contains(kind)) {
        ReconcileStatus::Applying
    } else if open.iter().next().is_some() {
        ReconcileStatus::Planned
    } else {
        return closed(tx, plan, ReconcileStatus::Done, now);
    };
    Ok(Reconcile { status, ..plan })
}

/// Whether there is no list with this id, or it is somebody else's.
fn is_gone(error: &CallError) -> bool {
    matches!(Wait::after(error), Wait::Person(Reason::ForeignId | Reason::NotFound))
}

/// A page of a list; with those who are active, the fields that the list has.
async fn page_and_fields(
    account: Account<'_>,
    list: &str,
    state: ListState,
    request: PageRequest,
) -> Result<(Page<Subscriber>, Vec<CustomField>), CallError> {
    let page = account.page(list, state, request).await?;
    let fields = if state == ListState::Active { account.custom_fields(list).await? } else { Vec::new() };
    Ok((page, fields))
}
