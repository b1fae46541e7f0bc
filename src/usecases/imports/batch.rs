//! Rows on their way: found in the list, with the fingerprints by which the address is looked up, and the many
//! look-ups of a batch in one.

use std::collections::{HashMap, HashSet};

use crate::crypto::ControllerKeys;
use crate::domain::ids::{ControllerScope, ImportId, PurposeId, SubjectId};
use crate::domain::list::{ListRow, RowProblem, Rule};
use crate::domain::purpose::{Channel, Purpose};
use crate::store::ReadTx;
use crate::store::imports::ImportRow;
use crate::store::rows::RowOutcome;
use crate::store::suppressions::{Suppression, reason_for};
use crate::usecases::Error;

use super::evidence::Evidence;
use crate::domain::list::Declaration;

/// What holds for the whole import.
pub(super) struct Job {
    pub scope: ControllerScope,
    pub id: ImportId,
    pub purposes: Vec<Purpose>,
    /// All purposes of the controller, for a do-not-mail list.
    pub every_purpose: Vec<PurposeId>,
    pub declaration: Declaration,
    pub evidence: Evidence,
    /// `import:` and the id.
    pub source: String,
}

/// A row of the list.
pub(super) struct Row {
    pub line: i32,
    pub what: What,
}

/// What a row holds.
pub(super) enum What {
    /// Nothing that can be taken.
    Refused(RowOutcome, Option<String>),
    /// An address.
    Address(Box<Found>),
}

/// An address with its fingerprints.
pub(super) struct Found {
    pub row: ListRow,
    /// Under which the person is found.
    pub email_key: Vec<u8>,
    /// Under which an entry of the "never mail" list may stand.
    pub candidates: Vec<Vec<u8>>,
}

/// See [`Found::candidates`].
fn candidates(keys: &ControllerKeys, match_key: &str) -> Vec<Vec<u8>> {
    keys.suppression_candidates(Channel::Email.name(), match_key).iter().map(|mark| mark.to_vec()).collect()
}

/// The first half of an address' fingerprint: enough to tell a million of them apart.
pub(super) type Seen = HashSet<[u8; 16]>;

impl Row {
    /// Looks at a row; `seen` holds the addresses of the rows before it, and from now on this one's.
    pub fn look(keys: &ControllerKeys, seen: &mut Seen, line: u32, outcome: Result<ListRow, RowProblem>) -> Self {
        let line = i32::try_from(line).unwrap_or(i32::MAX);
        let what = match outcome {
            Ok(row) => {
                let match_key = row.email.match_key();
                let email_key = keys.email_fingerprint(&match_key);
                let mut half = [0; 16];
                half.copy_from_slice(&email_key[..16]);
                if seen.insert(half) {
                    let candidates = candidates(keys, &match_key);
                    What::Address(Box::new(Found { row, email_key: email_key.to_vec(), candidates }))
                } else {
                    What::Refused(RowOutcome::Duplicate, Some("column email: occurs further up in the list".to_owned()))
                }
            }
            Err(problem) => {
                let outcome = if matches!(problem.rule, Rule::Email(_)) {
                    RowOutcome::InvalidAddress
                } else {
                    RowOutcome::InvalidRow
                };
                What::Refused(outcome, Some(problem.to_string()))
            }
        };
        Self { line, what }
    }

    /// Looks at a row anew after a pause: the "never mail" list may have got a new key (SU-04).
    pub fn look_again(&mut self, keys: &ControllerKeys) {
        if let What::Address(found) = &mut self.what {
            found.candidates = candidates(keys, &found.row.email.match_key());
        }
    }

    /// The address, if there is one.
    pub fn found(&self) -> Option<&Found> {
        match &self.what {
            What::Address(found) => Some(found),
            What::Refused(..) => None,
        }
    }
}

impl Job {
    /// A row of the report.
    pub fn report(
        &self,
        line: i32,
        subject: Option<SubjectId>,
        outcome: RowOutcome,
        detail: Option<String>,
    ) -> ImportRow {
        ImportRow {
            controller_id: self.scope.controller(),
            import_id: self.id,
            row_no: line,
            subject_id: subject,
            outcome,
            detail,
        }
    }

    /// The rows that hold no address, as reported.
    pub fn refused(&self, rows: &[Row]) -> Vec<ImportRow> {
        rows.iter()
            .filter_map(|row| match &row.what {
                What::Refused(outcome, detail) => Some(self.report(row.line, None, *outcome, detail.clone())),
                What::Address(_) => None,
            })
            .collect()
    }
}

/// The "never mail" entries of a batch of addresses.
pub(super) struct NeverMail(HashMap<Vec<u8>, Vec<Suppression>>);

impl NeverMail {
    pub fn of(tx: &mut ReadTx<'_>, scope: ControllerScope, rows: &[Row]) -> Result<Self, Error> {
        let candidates: Vec<Vec<u8>> =
            rows.iter().filter_map(Row::found).flat_map(|found| found.candidates.iter().cloned()).collect();
        let mut entries: HashMap<Vec<u8>, Vec<Suppression>> = HashMap::new();
        // Bounded, as each key version makes a candidate more.
        for piece in candidates.chunks(1000) {
            for entry in tx.suppressions_among(scope, piece)? {
                entries.entry(entry.fingerprint.clone()).or_default().push(entry);
            }
        }
        Ok(Self(entries))
    }

    /// An address' entries.
    pub fn entries(&self, found: &Found) -> Vec<Suppression> {
        found.candidates.iter().filter_map(|candidate| self.0.get(candidate)).flatten().cloned().collect()
    }

    /// Whether there is any entry of the address.
    pub fn names(&self, found: &Found) -> bool {
        !self.0.is_empty() && found.candidates.iter().any(|candidate| self.0.contains_key(candidate))
    }

    /// Whether the address is on the list for a purpose.
    pub fn lists(&self, found: &Found, purpose: PurposeId) -> bool {
        !self.0.is_empty() && reason_for(&self.entries(found), purpose).is_some()
    }
}
