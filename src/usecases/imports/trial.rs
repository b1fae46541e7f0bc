//! The first rows of a list, judged as the import would judge them, with nothing stored.

use std::collections::HashMap;

use crate::domain::consent::{Command, Standing, decide};
use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::list::{Declaration, claim, preview};
use crate::domain::purpose::Purpose;
use crate::domain::time::Timestamp;
use crate::store::ReadTx;
use crate::store::consents::Consent;
use crate::store::rows::{ImportKind, RowOutcome};
use crate::store::subjects::Subject;
use crate::usecases::{Error, Services};

use super::batch::{Found, NeverMail, Row, Seen, What};
use super::verdict::{Verdict, summarise};
use super::{NewImport, limits, list_kind, resolve};

/// What an import would do with the top of a list.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The columns, by the names they go by here; empty where the list cannot be read.
    pub columns: Vec<String>,
    /// The first rows.
    pub rows: Vec<TrialRow>,
    /// Why the list as a whole cannot be read.
    pub failure: Option<String>,
}

/// What would become of a row.
#[derive(Debug, Clone)]
pub struct TrialRow {
    /// Its number, the header being 1.
    pub line: i32,
    /// The outcome.
    pub outcome: RowOutcome,
    /// Column and rule.
    pub detail: Option<String>,
}

/// Judges the first `count` rows.
pub async fn try_import(
    services: &Services,
    scope: ControllerScope,
    new: NewImport,
    bytes: &[u8],
    count: usize,
) -> Result<Trial, Error> {
    let keys = services.keys.of(scope).await?;
    let now = services.clock.now();
    let read = preview(bytes, list_kind(new.kind), limits(&services.rules), count);
    let mut seen = Seen::new();
    let rows: Vec<Row> =
        read.rows.into_iter().map(|(line, outcome)| Row::look(&keys, &mut seen, line, outcome)).collect();
    let rows = services.store.read(move |tx: &mut ReadTx<'_>| judge(tx, scope, &new, &rows, now)).await?;
    let columns = read.header.map(|header| header.columns.into_iter().map(|column| column.name).collect());
    Ok(Trial { columns: columns.unwrap_or_default(), rows, failure: read.fatal.map(|problem| problem.to_string()) })
}

fn judge(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    new: &NewImport,
    rows: &[Row],
    now: Timestamp,
) -> Result<Vec<TrialRow>, Error> {
    let purposes = resolve(tx, scope, new)?;
    let fingerprints: Vec<Vec<u8>> = rows.iter().filter_map(Row::found).map(|found| found.email_key.clone()).collect();
    let people: HashMap<Vec<u8>, Subject> = tx
        .subjects_by_fingerprints(scope, &fingerprints)?
        .into_iter()
        .map(|subject| (subject.email_key.clone(), subject))
        .collect();
    let ids: Vec<SubjectId> = people.values().map(|person| person.id).collect();
    let wanted: Vec<PurposeId> = purposes.iter().map(|purpose| purpose.id).collect();
    let consents: HashMap<(SubjectId, PurposeId), Consent> = tx
        .consents_among(scope, &ids, &wanted)?
        .into_iter()
        .map(|consent| ((consent.subject_id, consent.purpose_id), consent))
        .collect();
    let never = NeverMail::of(tx, scope, rows)?;
    let outcome_of = |row: &Row| match &row.what {
        What::Refused(outcome, detail) => (*outcome, detail.clone()),
        What::Address(_) if new.kind == ImportKind::DoNotMail => (RowOutcome::OptOutRecorded, None),
        What::Address(found) => {
            let person = people.get(&found.email_key).map(|person| person.id);
            let standing = |purpose: PurposeId| {
                let consent = person.and_then(|person| consents.get(&(person, purpose)));
                consent.map_or(Standing::NONE, Consent::standing)
            };
            contact(&purposes, &new.declaration, found, &never, person.is_none(), standing, now)
        }
    };
    Ok(rows
        .iter()
        .map(|row| {
            let (outcome, detail) = outcome_of(row);
            TrialRow { line: row.line, outcome, detail }
        })
        .collect())
}

fn contact(
    purposes: &[Purpose],
    declaration: &Declaration,
    found: &Found,
    never: &NeverMail,
    new: bool,
    standing: impl Fn(PurposeId) -> Standing,
    now: Timestamp,
) -> (RowOutcome, Option<String>) {
    let claim = claim(&found.row, declaration);
    let verdicts: Vec<(&Purpose, Verdict)> = purposes
        .iter()
        .map(|purpose| {
            let verdict = if never.lists(found, purpose.id) {
                Verdict::Listed
            } else {
                let command = Command::RecordBasis(claim.assess(purpose.validity, now));
                decide(&standing(purpose.id), command, now).into()
            };
            (purpose, verdict)
        })
        .collect();
    summarise(new, &verdicts, &claim.missing(now))
}
