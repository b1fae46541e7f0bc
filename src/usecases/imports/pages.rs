//! Reading a list of the provider's page by page. A page, its report and the place to go on from are one commit, so that
//! after a kill another worker goes on with the page behind; memory holds one page.
//!
//! Pages are numbered, and people who change their state move the others: when there are fewer entries than on the page
//! before, some have moved to that page, and it is read once more. What is met twice by that is taken once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::campaign_monitor::{
    CallError, Client, Credentials, Direction, ListState, OrderField, Page, PageRequest, Reason, Subscriber,
    SuppressionEntry, Verdict, Zone,
};
use crate::crypto::ControllerKeys;
use crate::domain::ids::{ControllerScope, ImportId, SubjectId};
use crate::domain::list::{ListRow, RowProblem, Told};
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::store::import_sources::ImportSource;
use crate::store::imports::ImportRow;
use crate::store::rows::{ImportLeg, ImportStatus, RowOutcome};
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::usecases::sync::{Provider, credentials};
use crate::usecases::{Error, Services};

use super::batch::{Job, Row, Seen, What};
use super::contacts::Contacts;
use super::provider_words::{person, why, window};
use super::reading::{Ending, job, note_progress, with_newcomers};
use super::stopped_there::{Stops, Word};

/// A day back: whether a page's date takes in that day itself is not settled (campaign-monitor 6.4).
const OVERLAP: Duration = Duration::from_secs(86_400);

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageStep {
    /// There is more to read.
    More,
    /// The import has its outcome.
    Done,
    /// The provider did not answer well: to be tried again, not before this time; the text is for the log.
    Later(Option<Duration>, String),
}

/// A list being read.
pub struct ProviderReading {
    services: Services,
    job: Arc<Job>,
    source: ImportSource,
    client_id: String,
    zone: Zone,
    client: Client,
    credentials: Credentials,
    /// When the reading was asked for.
    since: Timestamp,
    next_row: i32,
    seen: Seen,
}

/// A page that has come.
enum Content {
    People(Page<Subscriber>),
    Suppressed(Page<SuppressionEntry>),
}

impl ProviderReading {
    /// Opens a reading where the last commit left it; nothing for a file's import, or when there is nothing left.
    pub async fn open(
        services: &Services,
        provider: &Provider,
        scope: ControllerScope,
        id: ImportId,
    ) -> Result<Option<Self>, Error> {
        let keys = services.keys.of(scope).await?;
        let read = move |tx: &mut ReadTx<'_>| {
            let Some(source) = tx.import_source(scope, id)? else { return Ok(None) };
            let import = tx.import(scope, id)?;
            if !matches!(import.status, ImportStatus::Queued | ImportStatus::Reading) {
                return Ok(None);
            }
            let destination = tx.destination(scope, source.destination_id)?;
            Ok::<_, Error>(Some((job(tx, &keys, scope, &import)?, import, source, destination)))
        };
        let Some((job, import, source, destination)) = services.store.read(read).await? else { return Ok(None) };
        let zone = Zone::named(&destination.time_zone).map_err(|error| Error::Internal(error.to_string()))?;
        Ok(Some(Self {
            client: provider.client(&destination.base_url)?,
            credentials: credentials(services, &destination).await?,
            services: services.clone(),
            job: Arc::new(job),
            source,
            client_id: destination.client_id,
            zone,
            since: import.created_at,
            next_row: import.next_row,
            seen: Seen::new(),
        }))
    }

    /// Reads the next page and writes what it says.
    pub async fn step(&mut self) -> Result<PageStep, Error> {
        if self.source.leg == ImportLeg::Beginning {
            return match self.has_list().await {
                Ok(true) => self.go_on(Vec::new(), self.behind_leg()).await,
                Ok(false) => self.give_up("the client has no such list").await,
                Err(error) => self.not_read(&error).await,
            };
        }
        let content = match self.fetch().await {
            Ok(content) => content,
            Err(error) => return self.not_read(&error).await,
        };
        let (records, has_next, over) = match &content {
            Content::People(page) => (page.total_number_of_records, page.has_next(), false),
            Content::Suppressed(page) => (page.total_number_of_records, page.has_next(), self.is_old(page)),
        };
        let records = i64::try_from(records).unwrap_or(i64::MAX);
        let most = i64::from(self.services.rules.import_rows);
        // A listing that never ends is told from one that is long by what it says itself.
        let pages = most / i64::from(self.page_size()) + 1;
        if records > most || i64::from(self.source.page) > pages {
            return self.give_up(&format!("more than {most} people in one state; split the list")).await;
        }
        let mut next = match has_next && !over {
            true => ImportSource { page: self.source.page + 1, records, again: false, ..self.source.clone() },
            false => self.behind_leg(),
        };
        if records < self.source.records && self.source.page > 1 && !self.source.again {
            next = ImportSource { page: self.source.page - 1, records, again: true, ..self.source.clone() };
        }
        match content {
            Content::People(page) if self.source.leg == ImportLeg::Active => self.take_in(page.results, next).await,
            Content::People(page) => {
                let reason = match self.source.leg {
                    ImportLeg::Bounced | ImportLeg::BouncedSince => SuppressionReason::HardBounce,
                    _ => SuppressionReason::Withdrawn,
                };
                let everything = reason == SuppressionReason::HardBounce;
                let told = page.results.iter().map(|one| {
                    let window = window(&one.date, &self.zone);
                    (one.email_address.as_str(), Word { reason, everything, window })
                });
                self.stop(told.collect(), next).await
            }
            Content::Suppressed(page) => {
                let told = page.results.iter().map(|one| {
                    let (reason, window) = (why(&one.suppression_reason), window(&one.date, &self.zone));
                    (one.email_address.as_str(), Word { reason, everything: true, window })
                });
                self.stop(told.collect(), next).await
            }
        }
    }

    /// Whether the list is one of the destination's client: an account's key may open the lists of others too.
    async fn has_list(&self) -> Result<bool, CallError> {
        let lists = self.client.account(&self.credentials).client_lists(&self.client_id).await?;
        Ok(lists.iter().any(|list| list.list_id.eq_ignore_ascii_case(&self.source.list_id)))
    }

    async fn fetch(&self) -> Result<Content, CallError> {
        use ImportLeg as L;
        let account = self.client.account(&self.credentials);
        let state = match self.source.leg {
            L::Unsubscribed | L::UnsubscribedSince => ListState::Unsubscribed,
            L::Bounced | L::BouncedSince => ListState::Bounced,
            L::Active | L::Beginning => ListState::Active,
            L::Suppressed | L::SuppressedSince => {
                // There is no date to ask from here: the newest come first, until they are older than the reading.
                let late = self.source.leg == L::SuppressedSince;
                let direction = if late { Direction::Descending } else { Direction::Ascending };
                let request = PageRequest { direction, ..self.request() };
                return Ok(Content::Suppressed(account.suppression_list(&self.client_id, request).await?));
            }
        };
        let late = matches!(self.source.leg, L::UnsubscribedSince | L::BouncedSince);
        let day = late.then(|| self.zone.day_of(self.since.minus(OVERLAP).micros()).ok()).flatten();
        let request = PageRequest { since: day, ..self.request() };
        Ok(Content::People(account.page(&self.source.list_id, state, request).await?))
    }

    fn request(&self) -> PageRequest {
        PageRequest {
            since: None,
            page: u32::try_from(self.source.page).unwrap_or(1),
            page_size: self.page_size(),
            order: OrderField::Date,
            direction: Direction::Ascending,
        }
    }

    fn page_size(&self) -> u16 {
        u16::try_from(self.services.rules.pieces.import_rows.clamp(10, 1000)).unwrap_or(1000)
    }

    /// Whether the newest entries that are wanted end on this page.
    fn is_old(&self, page: &Page<SuppressionEntry>) -> bool {
        let begun = self.since.minus(OVERLAP);
        let last = page.results.last().and_then(|entry| window(&entry.date, &self.zone));
        self.source.leg == ImportLeg::SuppressedSince && last.is_some_and(|(_, latest)| latest < begun)
    }

    /// Where to go on when these pages are done.
    fn behind_leg(&self) -> ImportSource {
        use ImportLeg as L;
        let leg = match self.source.leg {
            L::Beginning => L::Unsubscribed,
            L::Unsubscribed => L::Bounced,
            L::Bounced => L::Suppressed,
            L::Suppressed => L::Active,
            L::Active => L::UnsubscribedSince,
            L::UnsubscribedSince => L::BouncedSince,
            // The last leg stays, with a page that says that it is over.
            L::BouncedSince | L::SuppressedSince => L::SuppressedSince,
        };
        let page = if self.source.leg == L::SuppressedSince { 0 } else { 1 };
        ImportSource { leg, page, records: 0, again: false, ..self.source.clone() }
    }

    fn look(&mut self, keys: &ControllerKeys, outcome: Result<ListRow, RowProblem>, place: usize) -> Row {
        let line = i64::from(self.next_row) + i64::try_from(place).unwrap_or(0);
        Row::look(keys, &mut self.seen, u32::try_from(line).unwrap_or(u32::MAX), outcome)
    }

    /// A page of people, with the basis that was declared.
    async fn take_in(&mut self, people: Vec<Subscriber>, next: ImportSource) -> Result<PageStep, Error> {
        let keys = self.services.keys.of(self.job.scope).await?;
        let cell = self.services.rules.limits.import_cell_bytes;
        let told: Vec<_> = people.iter().map(|one| person(one, &self.zone).row(cell)).collect();
        let rows = told.into_iter().enumerate().map(|(place, row)| self.look(&keys, row, place)).collect();
        let rows = self.mark_known(rows).await?;
        let now = self.services.clock.now();
        let contents = Contacts { rows, newcomers: HashMap::new(), now };
        let contents = Arc::new(with_newcomers(&self.services, &self.job, &keys, contents).await?);
        let (services, job) = (self.services.clone(), self.job.clone());
        self.commit(next, move |tx| contents.write(tx, &services, &keys, &job)).await
    }

    /// Marks rows of people whom this import has taken in already, when a page is read again or by another worker.
    async fn mark_known(&self, mut rows: Vec<Row>) -> Result<Vec<Row>, Error> {
        let fingerprints: Vec<Vec<u8>> = rows.iter().filter_map(Row::found).map(|f| f.email_key.clone()).collect();
        let (scope, id) = (self.job.scope, self.job.id);
        let read = move |tx: &mut ReadTx<'_>| {
            let people: HashMap<SubjectId, Vec<u8>> = tx
                .subjects_by_fingerprints(scope, &fingerprints)?
                .into_iter()
                .map(|row| (row.id, row.email_key))
                .collect();
            let ids: Vec<SubjectId> = people.keys().copied().collect();
            let taken = tx.taken_in_by(scope, id, &ids)?;
            Ok::<_, StoreError>(taken.iter().filter_map(|id| people.get(id).cloned()).collect::<HashSet<_>>())
        };
        let known = self.services.store.read(read).await?;
        for row in &mut rows {
            if row.found().is_some_and(|found| known.contains(&found.email_key)) {
                row.what = What::Refused(RowOutcome::Duplicate, Some("was read on another page already".to_owned()));
            }
        }
        Ok(rows)
    }

    /// A page of stops.
    async fn stop(&mut self, told: Vec<(&str, Word)>, next: ImportSource) -> Result<PageStep, Error> {
        let keys = self.services.keys.of(self.job.scope).await?;
        let (mut rows, mut words) = (Vec::with_capacity(told.len()), HashMap::new());
        for (place, (email, word)) in told.into_iter().enumerate() {
            let row = self.look(&keys, Told { email, ..Told::default() }.row(0), place);
            words.insert(row.line, word);
            rows.push(row);
        }
        let stops = Stops { rows, words, now: self.services.clock.now(), list_id: self.source.list_id.clone() };
        let (services, job) = (self.services.clone(), self.job.clone());
        let stops = Arc::new(stops);
        self.commit(next, move |tx| stops.write(tx, &services, &keys, &job)).await
    }

    /// Nothing to write but the place to go on from.
    async fn go_on(&mut self, report: Vec<ImportRow>, next: ImportSource) -> Result<PageStep, Error> {
        self.commit(next, move |_| Ok(report.clone())).await
    }

    /// Commits a page, its report and the place to go on from, unless another worker was faster.
    async fn commit(
        &mut self,
        next: ImportSource,
        write: impl Fn(&mut WriteTx<'_>) -> Result<Vec<ImportRow>, Error> + Send + 'static,
    ) -> Result<PageStep, Error> {
        let (scope, id, expected, now) = (self.job.scope, self.job.id, self.source.clone(), self.services.clock.now());
        let over = next.page == 0;
        let goal = next.clone();
        let call = move |tx: &mut WriteTx<'_>| {
            let mut import = tx.lock_import(scope, id)?;
            let open = matches!(import.status, ImportStatus::Queued | ImportStatus::Reading);
            if !open || tx.lock_import_source(scope, id)? != expected {
                return Ok::<_, Error>(None);
            }
            let report = write(tx)?;
            tx.insert_import_rows(&report)?;
            let last = report.iter().map(|row| row.row_no).max();
            let ending = over.then_some(Ending::Whole);
            note_progress(&mut import, &report, last, ending.as_ref(), now);
            tx.save_import_progress(&import)?;
            tx.save_import_source(&goal)?;
            Ok(Some(import.next_row))
        };
        let Some(next_row) = self.services.store.write(id.uuid(), call).await? else { return self.look_again().await };
        if next.leg != self.source.leg {
            self.seen.clear();
        }
        (self.source, self.next_row) = (next, next_row);
        Ok(if over { PageStep::Done } else { PageStep::More })
    }

    /// Goes on where another worker has left it.
    async fn look_again(&mut self) -> Result<PageStep, Error> {
        let (scope, id) = (self.job.scope, self.job.id);
        let read =
            move |tx: &mut ReadTx<'_>| Ok::<_, StoreError>((tx.import(scope, id)?, tx.import_source(scope, id)?));
        let (import, source) = self.services.store.read(read).await?;
        let open = matches!(import.status, ImportStatus::Queued | ImportStatus::Reading);
        let Some(source) = source.filter(|_| open) else { return Ok(PageStep::Done) };
        self.seen.clear();
        (self.source, self.next_row) = (source, import.next_row);
        Ok(PageStep::More)
    }

    /// A call failed: it is repeated where that may help.
    async fn not_read(&self, error: &CallError) -> Result<PageStep, Error> {
        let why = match error.verdict() {
            Verdict::Retry { after } => return Ok(PageStep::Later(after, error.to_string())),
            Verdict::Done | Verdict::TheyStopped { .. } => return Ok(PageStep::Later(None, error.to_string())),
            Verdict::NeedsPerson(why) => why,
        };
        let words = match why {
            Reason::Credential | Reason::CredentialExpired => "the provider does not take the destination's key",
            Reason::Permission => "the destination's key may not read this there",
            Reason::ForeignId | Reason::NotFound => "the provider has no such client or list",
            _ => "the provider refused to show the list",
        };
        self.give_up(&format!("{words} ({error})")).await
    }

    /// The list cannot be read any further; what was read stands.
    async fn give_up(&self, why: &str) -> Result<PageStep, Error> {
        let (scope, id, now, why) = (self.job.scope, self.job.id, self.services.clock.now(), why.to_owned());
        let call = move |tx: &mut WriteTx<'_>| {
            let mut import = tx.lock_import(scope, id)?;
            if matches!(import.status, ImportStatus::Queued | ImportStatus::Reading) {
                note_progress(&mut import, &[], None, Some(&Ending::Broken(why.clone())), now);
                tx.save_import_progress(&import)?;
            }
            Ok::<_, Error>(())
        };
        self.services.store.write(id.uuid(), call).await?;
        Ok(PageStep::Done)
    }
}
