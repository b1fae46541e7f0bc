//! A batch of contacts: whoever is not on the "never mail" list is on record with the basis that the list claims. A
//! suppressed address stays suppressed, and nobody is created for it (RP-04, SU-05).

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::crypto::ControllerKeys;
use crate::domain::basis::MissingProof;
use crate::domain::consent::Command;
use crate::domain::event::Method;
use crate::domain::list::{ListRow, claim};
use crate::domain::time::Timestamp;
use crate::store::WriteTx;
use crate::store::imports::ImportRow;
use crate::store::rows::RowOutcome;
use crate::store::subjects::Subject;
use crate::usecases::record::{Occasion, Person};
use crate::usecases::record_many::{Change, apply_batch};
use crate::usecases::{Error, Services};

use super::batch::{Found, Job, NeverMail, Row};
use super::verdict::{Verdict, summarise};

/// A batch and the rows for people who seemed new when it was put together.
pub(super) struct Contacts {
    pub rows: Arc<Vec<Row>>,
    pub newcomers: HashMap<Vec<u8>, Subject>,
}

/// A row for somebody new.
pub(super) fn newcomer(
    job: &Job,
    services: &Services,
    keys: &ControllerKeys,
    row: &ListRow,
    now: Timestamp,
) -> Subject {
    let fields = (!row.fields.is_empty()).then(|| fields_of(row));
    Person::newcomer(job.scope, keys, &*services.ids, &row.email, row.name.as_ref(), fields.as_ref(), now).row
}

fn fields_of(row: &ListRow) -> Value {
    Value::Object(row.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
}

/// Somebody of the batch who is on record.
struct Known<'a> {
    line: i32,
    found: &'a Found,
    person: Person,
    new: bool,
}

impl Contacts {
    /// Writes the batch and says what became of each row.
    pub fn write(
        &self,
        tx: &mut WriteTx<'_>,
        services: &Services,
        keys: &ControllerKeys,
        job: &Job,
        now: Timestamp,
    ) -> Result<Vec<ImportRow>, Error> {
        let mut report = job.refused(&self.rows);
        let addresses: Vec<(i32, &Found)> =
            self.rows.iter().filter_map(|row| row.found().map(|found| (row.line, found))).collect();
        let (mut on_record, added) = self.find_or_add(tx, services, keys, job, now)?;
        // After the locks, so that a stop that came in meanwhile is seen.
        let never = NeverMail::of(tx, job.scope, &self.rows)?;
        let mut known: Vec<Known<'_>> = Vec::with_capacity(addresses.len());
        for (line, found) in addresses {
            match on_record.remove(&found.email_key) {
                Some(row) => {
                    let new = added.get(&found.email_key).is_some_and(|id| *id == row.id);
                    known.push(Known { line, found, person: Person::open(job.scope, keys, row)?, new });
                }
                None => {
                    let verdicts: Vec<_> = job.purposes.iter().map(|purpose| (purpose, Verdict::Listed)).collect();
                    let (outcome, detail) = summarise(false, &verdicts, &[]);
                    report.push(job.report(line, None, outcome, detail));
                }
            }
        }
        let claims: Vec<(Vec<Change<'_>>, Vec<MissingProof>)> =
            known.iter().map(|known| changes(job, known, &never, now)).collect();
        let (mut all, mut counts, mut lacks) = (Vec::new(), Vec::new(), Vec::new());
        for (changes, missing) in claims {
            counts.push(changes.len());
            lacks.push(missing);
            all.extend(changes);
        }
        let decided = apply_batch(tx, &*services.ids, keys, &all)?;
        drop(all);
        let mut decided = decided.into_iter();
        for ((known, count), missing) in known.iter_mut().zip(counts).zip(lacks) {
            let mut own = decided.by_ref().take(count);
            let mut verdicts = Vec::with_capacity(job.purposes.len());
            for purpose in &job.purposes {
                let listed = never.lists(known.found, purpose.id);
                let verdict = if listed { None } else { own.next().map(Verdict::from) };
                verdicts.push((purpose, verdict.unwrap_or(Verdict::Listed)));
            }
            let (outcome, detail) = summarise(known.new, &verdicts, &missing);
            if outcome == RowOutcome::Updated {
                fill_gaps(tx, &known.person, &known.found.row, services.rules.limits.subject_fields)?;
            }
            report.push(job.report(known.line, Some(known.person.row.id), outcome, detail));
        }
        Ok(report)
    }

    /// The people of the batch by fingerprint, locked; those that nobody has stopped are added where they are not known.
    #[allow(clippy::type_complexity, reason = "two maps with one key")]
    fn find_or_add(
        &self,
        tx: &mut WriteTx<'_>,
        services: &Services,
        keys: &ControllerKeys,
        job: &Job,
        now: Timestamp,
    ) -> Result<(HashMap<Vec<u8>, Subject>, HashMap<Vec<u8>, crate::domain::ids::SubjectId>), Error> {
        let fingerprints: Vec<Vec<u8>> =
            self.rows.iter().filter_map(Row::found).map(|found| found.email_key.clone()).collect();
        let by_key = |people: Vec<Subject>| people.into_iter().map(|row| (row.email_key.clone(), row));
        let mut on_record: HashMap<Vec<u8>, Subject> =
            by_key(tx.lock_subjects_by_fingerprints(job.scope, &fingerprints)?).collect();
        let never = NeverMail::of(tx, job.scope, &self.rows)?;
        let mut added: Vec<Subject> = Vec::new();
        for found in self.rows.iter().filter_map(Row::found) {
            let free = job.purposes.iter().any(|purpose| !never.lists(found, purpose.id));
            if free && !on_record.contains_key(&found.email_key) {
                let prepared = self.newcomers.get(&found.email_key).cloned();
                added.push(prepared.unwrap_or_else(|| newcomer(job, services, keys, &found.row, now)));
            }
        }
        if !added.is_empty() {
            // One order for all, so that two lists with the same people do not wait for each other.
            added.sort_by(|a, b| a.email_key.cmp(&b.email_key));
            tx.add_subjects(&added)?;
            let wanted: Vec<Vec<u8>> = added.iter().map(|row| row.email_key.clone()).collect();
            // Read again: somebody else may have been faster.
            on_record.extend(by_key(tx.lock_subjects_by_fingerprints(job.scope, &wanted)?));
        }
        Ok((on_record, added.into_iter().map(|row| (row.email_key, row.id)).collect()))
    }
}

/// What the row claims, as a change for each purpose that the address is not suppressed for; and what the claim lacks.
fn changes<'a>(
    job: &Job,
    known: &'a Known<'_>,
    never: &NeverMail,
    now: Timestamp,
) -> (Vec<Change<'a>>, Vec<MissingProof>) {
    let claim = claim(&known.found.row, &job.declaration);
    let missing = claim.missing(now);
    let evidence = job.evidence.of_row(known.line, &known.found.row.claimed, &missing);
    let free = job.purposes.iter().filter(|purpose| !never.lists(known.found, purpose.id));
    let changes = free.map(|purpose| Change {
        person: &known.person,
        purpose: purpose.id,
        command: Command::RecordBasis(claim.assess(purpose.validity, now)),
        occasion: Occasion {
            evidence: Some(evidence.clone()),
            ..Occasion::plain(now, Method::Import, Some(job.source.clone()))
        },
    });
    (changes.collect(), missing)
}

/// Name and fields of somebody on record are only added where there are none.
fn fill_gaps(tx: &mut WriteTx<'_>, person: &Person, row: &ListRow, most: usize) -> Result<(), Error> {
    let id = person.row.id;
    let mut name = person.row.name.clone();
    let mut changed = false;
    if let (None, Some(given)) = (&name, &row.name) {
        name = Some(person.key.seal("subjects", "name", id.uuid(), given.as_str().as_bytes()));
        changed = true;
    }
    let mut fields = person.row.fields.clone();
    if !row.fields.is_empty()
        && let Value::Object(mut all) = person.fields()?.unwrap_or_else(|| Value::Object(serde_json::Map::new()))
    {
        let before = all.len();
        for (key, value) in &row.fields {
            if all.len() < most && !all.contains_key(key) {
                all.insert(key.clone(), Value::from(value.as_str()));
            }
        }
        if all.len() > before {
            let text = Value::Object(all).to_string();
            fields = Some(person.key.seal("subjects", "fields", id.uuid(), text.as_bytes()));
            changed = true;
        }
    }
    if changed {
        tx.set_subject_details(person.scope, id, name.as_deref(), fields.as_deref())?;
    }
    Ok(())
}
