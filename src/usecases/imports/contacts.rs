//! A batch of contacts: whoever is not on the "never mail" list is on record with the basis that the list claims. A
//! suppressed address stays suppressed, and nobody is created for it (RP-04, SU-05).

use std::collections::HashMap;

use serde_json::Value;

use crate::crypto::ControllerKeys;
use crate::domain::consent::Command;
use crate::domain::list::{ListRow, claim};
use crate::domain::time::Timestamp;
use crate::store::imports::ImportRow;
use crate::store::rows::RowOutcome;
use crate::store::subjects::Subject;
use crate::store::{StoreError, WriteTx};
use crate::usecases::docket::Docket;
use crate::usecases::record::Person;
use crate::usecases::sync::details_changed;
use crate::usecases::{Error, Services};

use super::ahead::{Newcomer, Plain, newcomer, occasion};
use super::batch::{Found, Job, NeverMail, Row};
use super::verdict::{Verdict, summarise};

/// A batch and what was made ahead for people who seemed new when it was put together.
pub(super) struct Contacts {
    pub rows: Vec<Row>,
    pub newcomers: HashMap<Vec<u8>, Newcomer>,
    pub now: Timestamp,
}

/// Somebody of the batch whom the rules are asked about now.
struct Asked<'a> {
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
    ) -> Result<Vec<ImportRow>, Error> {
        let mut report = job.refused(&self.rows);
        let addresses = || self.rows.iter().filter_map(|row| row.found().map(|found| (row.line, found)));
        let fingerprints: Vec<Vec<u8>> = addresses().map(|(_, found)| found.email_key.clone()).collect();
        let locked = tx.lock_subjects_by_fingerprints(job.scope, &fingerprints)?;
        let mut on_record: HashMap<Vec<u8>, Subject> =
            locked.into_iter().map(|row| (row.email_key.clone(), row)).collect();
        // After the locks, so that a stop that came in meanwhile is seen.
        let never = NeverMail::of(tx, job.scope, &self.rows)?;
        let mut plain: Vec<&Plain> = Vec::with_capacity(fingerprints.len());
        let mut asked: Vec<Asked<'_>> = Vec::new();
        for (line, found) in addresses() {
            let ahead = self.newcomers.get(&found.email_key);
            if let Some(row) = on_record.remove(&found.email_key) {
                asked.push(Asked { line, found, person: Person::open(job.scope, keys, row)?, new: false });
            } else if let Some(made) = ahead.and_then(|ahead| ahead.plain.as_ref()).filter(|_| !never.names(found)) {
                report.push(made.report.clone());
                plain.push(made);
            } else if job.purposes.iter().any(|purpose| !never.lists(found, purpose.id)) {
                let made = ahead.map(|ahead| ahead.person.clone());
                let person = made.unwrap_or_else(|| newcomer(job, services, keys, &found.row, self.now));
                asked.push(Asked { line, found, person, new: true });
            } else {
                let verdicts: Vec<_> = job.purposes.iter().map(|purpose| (purpose, Verdict::Listed)).collect();
                let (outcome, detail) = summarise(false, &verdicts, &[]);
                report.push(job.report(line, None, outcome, detail));
            }
        }
        let mut docket = Docket::read(tx, asked.iter().filter(|asked| !asked.new).map(|asked| &asked.person))?;
        plain.into_iter().for_each(|made| made.put_on(docket.sheet()));
        let mut updated: Vec<&Asked<'_>> = Vec::new();
        for one in &asked {
            let (outcome, detail) = self.decide(services, keys, job, &mut docket, &never, one);
            if outcome == RowOutcome::Updated {
                updated.push(one);
            }
            report.push(job.report(one.line, Some(one.person.row.id), outcome, detail));
        }
        docket.write(tx).map_err(once_more)?;
        let mut filled = Vec::new();
        for one in updated {
            if fill_gaps(tx, &one.person, &one.found.row, services.rules.limits.subject_fields)? {
                filled.push(one.person.row.id);
            }
        }
        details_changed(tx, job.scope, &filled, self.now)?;
        Ok(report)
    }

    /// Asks the rules about what the row claims, for each purpose that the address is not suppressed for.
    fn decide<'a>(
        &self,
        services: &Services,
        keys: &'a ControllerKeys,
        job: &Job,
        docket: &mut Docket<'a>,
        never: &NeverMail,
        asked: &'a Asked<'_>,
    ) -> (RowOutcome, Option<String>) {
        if asked.new {
            docket.welcome(&asked.person);
        }
        let claim = claim(&asked.found.row, &job.declaration);
        let missing = claim.missing(self.now);
        let occasion = occasion(job, asked.line, &asked.found.row, &missing, self.now);
        let mut verdicts = Vec::with_capacity(job.purposes.len());
        for purpose in &job.purposes {
            let verdict = if never.lists(asked.found, purpose.id) {
                Verdict::Listed
            } else {
                let command = Command::RecordBasis(claim.assess(purpose.validity, self.now));
                docket.apply(&*services.ids, keys, &asked.person, purpose.id, command, &occasion).into()
            };
            verdicts.push((purpose, verdict));
        }
        summarise(asked.new, &verdicts, &missing)
    }
}

/// Somebody else was faster to add one of the people: they are found when the batch is run again.
fn once_more(error: Error) -> Error {
    match error {
        Error::Store(StoreError::Conflict) => StoreError::Retry.into(),
        other => other,
    }
}

/// Name and fields of somebody on record are only added where there are none; says whether any were.
fn fill_gaps(tx: &mut WriteTx<'_>, person: &Person, row: &ListRow, most: usize) -> Result<bool, Error> {
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
    Ok(changed)
}
