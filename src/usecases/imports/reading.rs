//! Reading a list that has come whole, batch by batch. A batch, its report and the place to go on from are one commit.
//! While a batch is being written, the one behind it is made ready: read, looked up and sealed. Batches are written one
//! after the other, in the order of the list.
//!
//! A reading keeps its place in the list in memory, so that a long list is scanned once; one that is opened anew scans
//! past the rows that are done, which also tells it which addresses came before.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::crypto::ControllerKeys;
use crate::domain::ids::{ControllerScope, ImportId, PurposeId};
use crate::domain::list::{Declaration, ListEvent, ListReader};
use crate::domain::time::Timestamp;
use crate::store::imports::{Import, ImportRow};
use crate::store::rows::{ImportKind, ImportStatus};
use crate::store::{ReadTx, StoreError, WriteTx};
use crate::usecases::{Error, Services};

use super::ahead::Newcomer;
use super::batch::{Job, Row, Seen};
use super::contacts::Contacts;
use super::evidence::Evidence;
use super::verdict::is_taken;
use super::{chunk_row, limits, list_kind, stops};

/// Bytes that the reader is given at once, so that few rows wait in memory.
const SIP: usize = 32 * 1024;

/// How far a step came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// There is more to read.
    More,
    /// The import has its outcome.
    Done,
}

/// How the list ended.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// At its last row.
    Whole,
    /// Where it could not be read any further.
    Broken(String),
}

/// Rows that are ready to be written.
struct Batch {
    keys: Arc<ControllerKeys>,
    contents: Arc<Contacts>,
    /// How the list ends, if it ends behind these rows.
    ending: Option<Ending>,
}

/// A list being read. After an error it is of no more use; open it anew.
pub struct ImportReading {
    services: Services,
    keys: Arc<ControllerKeys>,
    job: Arc<Job>,
    kind: ImportKind,
    chunks: i32,
    reader: Option<ListReader>,
    events: VecDeque<ListEvent>,
    chunk: i32,
    bytes: Zeroizing<Vec<u8>>,
    given: usize,
    seen: Seen,
    next_row: i32,
    ending: Option<Ending>,
    /// Made ready while the batch before was written.
    ready: Option<Batch>,
    /// Rows of a batch that had been made ready before a pause: looked at, not written.
    held_back: VecDeque<Row>,
}

impl ImportReading {
    /// Opens a list at the place that the last commit names; nothing when there is nothing to read.
    pub async fn open(services: &Services, scope: ControllerScope, id: ImportId) -> Result<Option<Self>, Error> {
        let keys = services.keys.of(scope).await?;
        let opener = keys.clone();
        let found = services
            .store
            .read(move |tx: &mut ReadTx<'_>| {
                let import = match tx.import(scope, id) {
                    Ok(import) => import,
                    Err(StoreError::NotFound) => return Ok(None),
                    Err(error) => return Err(Error::from(error)),
                };
                match import.status {
                    ImportStatus::Queued | ImportStatus::Reading => {
                        Ok(Some((job(tx, &opener, scope, &import)?, import)))
                    }
                    ImportStatus::Receiving | ImportStatus::Done | ImportStatus::Failed => Ok(None),
                }
            })
            .await?;
        Ok(found.map(|(job, import)| Self {
            services: services.clone(),
            keys,
            job: Arc::new(job),
            kind: import.kind,
            chunks: import.chunks,
            reader: Some(ListReader::new(list_kind(import.kind), limits(&services.rules))),
            events: VecDeque::new(),
            chunk: 0,
            bytes: Zeroizing::new(Vec::new()),
            given: 0,
            seen: HashSet::new(),
            next_row: import.next_row,
            ending: None,
            ready: None,
            held_back: VecDeque::new(),
        }))
    }

    /// Takes a reading up again after a pause, in which another worker may have gone on with the list: what that has done
    /// is passed over, so that nothing is scanned twice. Nothing when there is nothing left to read.
    pub async fn take_up(mut self) -> Result<Option<Self>, Error> {
        let (scope, id) = (self.job.scope, self.job.id);
        let import = match self.services.store.read(move |tx: &mut ReadTx<'_>| tx.import(scope, id)).await {
            Ok(import) => import,
            Err(StoreError::NotFound) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        self.next_row = self.next_row.max(import.next_row);
        self.keys = self.services.keys.of(scope).await?;
        let open = matches!(import.status, ImportStatus::Queued | ImportStatus::Reading);
        Ok(open.then_some(self))
    }

    /// Gets ready for a pause of any length: nothing is kept that was sealed with keys of now.
    pub fn put_down(mut self) -> Self {
        // Nobody else holds the batch: it has not gone to the writer.
        if let Some(contents) = self.ready.take().and_then(|batch| Arc::into_inner(batch.contents)) {
            self.held_back.extend(contents.rows);
        }
        self
    }

    /// Writes the next batch, and makes the one behind it ready meanwhile.
    pub async fn step(&mut self) -> Result<Step, Error> {
        let batch = match self.ready.take() {
            Some(batch) => batch,
            None => match self.make_ready().await {
                Ok(batch) => batch,
                // The bytes are gone: another worker has come to the end. If it has not, they are lost.
                Err(Error::Store(StoreError::NotFound)) => {
                    return match Self::open(&self.services, self.job.scope, self.job.id).await? {
                        Some(_) => Err(Error::Internal("a piece of an upload is missing".into())),
                        None => Ok(Step::Done),
                    };
                }
                Err(error) => return Err(error),
            },
        };
        let (last, over) = (batch.contents.rows.last().map(|row| row.line), batch.ending.is_some());
        let writing = self.write(batch);
        let (written, ahead) = if over {
            (writing.await?, Ok(None))
        } else {
            // The writer is asked first, and works while the next rows are looked at.
            let (written, ahead) = futures_util::future::join(writing, self.make_ready()).await;
            (written?, ahead.map(Some))
        };
        if written {
            self.next_row = last.map_or(self.next_row, |line| line.saturating_add(1));
            // What went wrong ahead is met again by whoever goes on.
            self.ready = match ahead {
                Ok(ready) => ready,
                Err(Error::Store(StoreError::NotFound)) => return self.look_again().await,
                Err(error) => return Err(error),
            };
            return Ok(if over { Step::Done } else { Step::More });
        }
        // Another worker went on with it while our claim had run out.
        self.look_again().await
    }

    /// Begins anew where the last commit left the list.
    async fn look_again(&mut self) -> Result<Step, Error> {
        match Self::open(&self.services, self.job.scope, self.job.id).await? {
            Some(anew) => {
                *self = anew;
                Ok(Step::More)
            }
            None => Ok(Step::Done),
        }
    }

    /// Commits a batch, its report and the place to go on from; says no when the list stands elsewhere by now.
    fn write(&self, batch: Batch) -> impl Future<Output = Result<bool, Error>> + use<> {
        let (services, job, kind, expected) = (self.services.clone(), self.job.clone(), self.kind, self.next_row);
        let Batch { keys, contents, ending } = batch;
        let store = services.store.clone();
        async move {
            let route = job.id.uuid();
            let call = move |tx: &mut WriteTx<'_>| {
                let mut import = tx.lock_import(job.scope, job.id)?;
                let ours = matches!(import.status, ImportStatus::Queued | ImportStatus::Reading)
                    && import.next_row == expected;
                if !ours {
                    return Ok::<_, Error>(false);
                }
                let report = match kind {
                    ImportKind::Contacts => contents.write(tx, &services, &keys, &job)?,
                    ImportKind::DoNotMail => stops::write(tx, &services, &keys, &job, &contents.rows, contents.now)?,
                };
                tx.insert_import_rows(&report)?;
                let last = contents.rows.last().map(|row| row.line);
                note_progress(&mut import, &report, last, ending.as_ref(), contents.now);
                tx.save_import_progress(&import)?;
                if ending.is_some() {
                    tx.delete_import_chunks(job.scope, job.id)?;
                }
                Ok(true)
            };
            store.write(route, call).await
        }
    }

    /// Reads the next rows, looks up who is known and makes the rows of who is not.
    async fn make_ready(&mut self) -> Result<Batch, Error> {
        // Asked for anew each time: a long list may outlast a version of the key.
        self.keys = self.services.keys.of(self.job.scope).await?;
        let rows = self.gather().await?;
        let exhausted = self.events.is_empty() && self.held_back.is_empty();
        let ending = if exhausted { self.ending.clone() } else { None };
        let now = self.services.clock.now();
        let mut contents = Contacts { rows, newcomers: HashMap::new(), now };
        if self.kind == ImportKind::Contacts {
            contents = with_newcomers(&self.services, &self.job, &self.keys, contents).await?;
        }
        Ok(Batch { keys: self.keys.clone(), contents: Arc::new(contents), ending })
    }

    /// The next rows that are not done yet; fewer than a batch only at the end.
    async fn gather(&mut self) -> Result<Vec<Row>, Error> {
        let most = self.services.rules.pieces.import_rows;
        let mut rows = Vec::with_capacity(most);
        while rows.len() < most {
            if let Some(mut row) = self.held_back.pop_front() {
                if row.line >= self.next_row {
                    row.look_again(&self.keys);
                    rows.push(row);
                }
                continue;
            }
            let Some(event) = self.events.pop_front() else {
                if self.ending.is_some() || !self.read_on().await? {
                    break;
                }
                continue;
            };
            match event {
                ListEvent::Header(_) => {}
                ListEvent::Row { line, outcome } => {
                    let row = Row::look(&self.keys, &mut self.seen, line, outcome);
                    if row.line >= self.next_row {
                        rows.push(row);
                    }
                }
                ListEvent::Fatal(problem) => self.ending = Some(Ending::Broken(problem.to_string())),
            }
        }
        Ok(rows)
    }

    /// Gives the reader its next bytes; says whether there were any, or the end to tell it.
    async fn read_on(&mut self) -> Result<bool, Error> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        if self.given >= self.bytes.len() {
            if self.chunk >= self.chunks {
                let last = self.reader.take().map(ListReader::finish).unwrap_or_default();
                self.ending = Some(Ending::Whole);
                for event in last {
                    match event {
                        ListEvent::Fatal(problem) => self.ending = Some(Ending::Broken(problem.to_string())),
                        other => self.events.push_back(other),
                    }
                }
                return Ok(true);
            }
            let (scope, id, number) = (self.job.scope, self.job.id, self.chunk);
            let chunk = self.services.store.read(move |tx: &mut ReadTx<'_>| tx.import_chunk(scope, id, number)).await?;
            let place = chunk_row(id, number);
            self.bytes = self.keys.open("import_chunks", "sealed", place, chunk.key_version, &chunk.sealed)?;
            self.given = 0;
            self.chunk += 1;
        }
        let end = self.bytes.len().min(self.given + SIP);
        self.events.extend(reader.push(&self.bytes[self.given..end]));
        self.given = end;
        Ok(true)
    }
}

/// Makes what can be made for people who are not known, on a thread that may take its time.
pub(super) async fn with_newcomers(
    services: &Services,
    job: &Arc<Job>,
    keys: &Arc<ControllerKeys>,
    mut contents: Contacts,
) -> Result<Contacts, Error> {
    let fingerprints: Vec<Vec<u8>> =
        contents.rows.iter().filter_map(Row::found).map(|found| found.email_key.clone()).collect();
    let scope = job.scope;
    let known = services.store.read(move |tx: &mut ReadTx<'_>| tx.known_fingerprints(scope, &fingerprints));
    let known: HashSet<Vec<u8>> = known.await.map_err(Error::from)?.into_iter().collect();
    let (services, job, keys) = (services.clone(), job.clone(), keys.clone());
    let made = tokio::task::spawn_blocking(move || {
        let found = contents.rows.iter().filter_map(|row| row.found().map(|found| (row.line, found)));
        for (line, found) in found.filter(|(_, found)| !known.contains(&found.email_key)) {
            let newcomer = Newcomer::make(&job, &services, &keys, line, found, contents.now);
            contents.newcomers.insert(found.email_key.clone(), newcomer);
        }
        contents
    });
    made.await.map_err(|_| Error::Internal("making newcomers panicked".into()))
}

/// What holds for the whole import.
pub(super) fn job(
    tx: &mut ReadTx<'_>,
    keys: &ControllerKeys,
    scope: ControllerScope,
    import: &Import,
) -> Result<Job, Error> {
    let sealed = keys.open("imports", "declaration", import.id.uuid(), import.key_version, &import.declaration)?;
    let declaration: Declaration = serde_json::from_slice(&sealed)?;
    let purposes: Vec<PurposeId> = serde_json::from_str(&import.purposes)?;
    Ok(Job {
        scope,
        id: import.id,
        purposes: tx.purposes_in_order(scope, &purposes)?,
        every_purpose: tx.purposes(scope)?.into_iter().map(|purpose| purpose.id).collect(),
        evidence: Evidence::new(import.id, &import.name, &declaration),
        declaration,
        source: format!("import:{}", import.id),
    })
}

pub(super) fn note_progress(
    import: &mut Import,
    report: &[ImportRow],
    last: Option<i32>,
    ending: Option<&Ending>,
    now: Timestamp,
) {
    let taken = report.iter().filter(|row| is_taken(row.outcome)).count();
    import.accepted = import.accepted.saturating_add(i32::try_from(taken).unwrap_or(i32::MAX));
    import.refused = import.refused.saturating_add(i32::try_from(report.len() - taken).unwrap_or(i32::MAX));
    import.next_row = last.map_or(import.next_row, |line| line.saturating_add(1));
    import.status = match ending {
        None => ImportStatus::Reading,
        Some(Ending::Whole) => ImportStatus::Done,
        Some(Ending::Broken(_)) => ImportStatus::Failed,
    };
    if let Some(ending) = ending {
        import.finished_at = Some(now);
        import.failure = match ending {
            Ending::Whole => None,
            Ending::Broken(why) => Some(why.clone()),
        };
    }
}

/// One step of an import by itself, for who does not keep the reading: it scans the list from its top each time.
pub async fn read_import_chunk(services: &Services, scope: ControllerScope, id: ImportId) -> Result<Step, Error> {
    match ImportReading::open(services, scope, id).await? {
        Some(mut reading) => reading.step().await,
        None => Ok(Step::Done),
    }
}
