//! What is made before the writer is asked: the rows of people who seem new. Sealing takes longer than writing, and the
//! writer is everybody's. The rules decide here as they do in a docket, about somebody who has nothing on record yet.
//! What is made is taken only if the person is still unknown, and the address on no list, in the transaction that
//! writes the batch.

use serde_json::Value;

use crate::crypto::ControllerKeys;
use crate::domain::basis::MissingProof;
use crate::domain::consent::{Command, Standing, decide};
use crate::domain::event::Method;
use crate::domain::list::{ListRow, claim};
use crate::domain::time::Timestamp;
use crate::store::consents::Consent;
use crate::store::events::StoredEvent;
use crate::store::imports::ImportRow;
use crate::store::sheet::Sheet;
use crate::store::subjects::Subject;
use crate::usecases::Services;
use crate::usecases::record::{Occasion, Person, blank, seal_event};

use super::batch::{Found, Job};
use super::verdict::{Verdict, summarise};

/// Somebody who seems new.
pub(super) struct Newcomer {
    pub person: Person,
    /// What is to be written if nothing is known about the address by then; nothing where more than rows would follow.
    pub plain: Option<Plain>,
}

/// Somebody new, as written.
pub(super) struct Plain {
    subject: Subject,
    events: Vec<StoredEvent>,
    consents: Vec<Consent>,
    pub report: ImportRow,
}

impl Newcomer {
    pub fn make(
        job: &Job,
        services: &Services,
        keys: &ControllerKeys,
        line: i32,
        found: &Found,
        now: Timestamp,
    ) -> Self {
        let person = newcomer(job, services, keys, &found.row, now);
        let plain = Plain::make(job, services, &person, line, &found.row, now);
        Self { person, plain }
    }
}

impl Plain {
    fn make(job: &Job, services: &Services, person: &Person, line: i32, row: &ListRow, now: Timestamp) -> Option<Self> {
        let claim = claim(row, &job.declaration);
        let missing = claim.missing(now);
        let occasion = occasion(job, line, row, &missing, now);
        let (mut events, mut consents, mut verdicts) = (Vec::new(), Vec::new(), Vec::new());
        for purpose in &job.purposes {
            let command = Command::RecordBasis(claim.assess(purpose.validity, now));
            let decision = decide(&Standing::NONE, command, now).ok()?;
            let kind = decision.event.filter(|_| decision.effects.is_empty())?;
            let event = seal_event(&*services.ids, person, purpose.id, kind, &decision.next, &occasion);
            let mut consent = blank(person, purpose.id, event.id, now);
            consent.set_standing(&decision.next, now);
            events.push(event);
            consents.push(consent);
            verdicts.push((purpose, Verdict::Recorded));
        }
        let (outcome, detail) = summarise(true, &verdicts, &missing);
        let report = job.report(line, Some(person.row.id), outcome, detail);
        Some(Self { subject: person.row.clone(), events, consents, report })
    }

    /// Puts the rows among those that a batch writes.
    pub fn put_on(&self, sheet: &mut Sheet) {
        sheet.people.push(self.subject.clone());
        sheet.events.extend_from_slice(&self.events);
        sheet.consents.extend_from_slice(&self.consents);
    }
}

/// Somebody new.
pub(super) fn newcomer(job: &Job, services: &Services, keys: &ControllerKeys, row: &ListRow, now: Timestamp) -> Person {
    let fields = (!row.fields.is_empty()).then(|| fields_of(row));
    Person::newcomer(job.scope, keys, &*services.ids, &row.email, row.name.as_ref(), fields.as_ref(), now)
}

fn fields_of(row: &ListRow) -> Value {
    Value::Object(row.fields.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect())
}

/// How a row's claims came about.
pub(super) fn occasion(job: &Job, line: i32, row: &ListRow, missing: &[MissingProof], now: Timestamp) -> Occasion {
    let evidence = job.evidence.of_row(line, &row.claimed, missing);
    Occasion { evidence: Some(evidence), ..Occasion::plain(now, Method::Import, Some(job.source.clone())) }
}
