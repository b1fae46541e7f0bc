//! Importing: what goes in, and what became of each row.
//!
//! The provider writes the good rows of an import and answers 400 when any row was bad. So an
//! import has no single result: it has one per address, mapped back by the normalised address,
//! since that is all a refusal names. A row is only called written when nothing casts doubt on it.

use std::collections::HashMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::error::InputError;
use super::fields::FieldValue;
use super::types::{ConsentToTrack, lenient, normalise_address};
use super::verdict::{self, Verdict};

/// Most rows of one import.
pub const MOST_ROWS: usize = 1000;

/// A row to import.
#[derive(Clone, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewSubscriber {
    /// The address.
    pub email_address: String,
    /// The name; leave it out when unknown, an empty one may wipe the stored one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Custom fields to set.
    pub custom_fields: Vec<FieldValue>,
    /// Mandatory for the provider, per row.
    pub consent_to_track: ConsentToTrack,
}

impl fmt::Debug for NewSubscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewSubscriber(***, {} fields)", self.custom_fields.len())
    }
}

/// The body of the call. Autoresponders are never started by us: consent to mail is not consent
/// to start a series over.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ImportBody<'a> {
    subscribers: &'a [NewSubscriber],
    resubscribe: bool,
    queue_subscription_based_auto_responders: bool,
    restart_subscription_based_autoresponders: bool,
}

impl<'a> ImportBody<'a> {
    /// Check the rows: 1 to 1000, no address twice (which one would win is not defined).
    pub(super) fn new(rows: &'a [NewSubscriber], resubscribe: bool) -> Result<Self, InputError> {
        if rows.is_empty() || rows.len() > MOST_ROWS {
            return Err(InputError::Count { given: rows.len(), limit: MOST_ROWS });
        }
        let mut seen = HashMap::with_capacity(rows.len());
        for (row, subscriber) in rows.iter().enumerate() {
            if seen.insert(normalise_address(&subscriber.email_address), row).is_some() {
                return Err(InputError::Duplicate { row });
            }
        }
        Ok(Self {
            subscribers: rows,
            resubscribe,
            queue_subscription_based_auto_responders: false,
            restart_subscription_based_autoresponders: false,
        })
    }
}

/// What the provider says about an import, in a full and in a partial success alike.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ImportReport {
    // A report without this list says nothing about any row and is not taken for success.
    failure_details: Vec<FailureDetail>,
    #[serde(default, deserialize_with = "lenient")]
    total_existing_subscribers: u64,
    #[serde(default, deserialize_with = "lenient")]
    total_new_subscribers: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FailureDetail {
    #[serde(default, deserialize_with = "lenient")]
    email_address: String,
    code: u32,
}

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowResult {
    /// The provider has it.
    Written,
    /// Refused with this code.
    Refused {
        /// Code of the row.
        code: u32,
    },
    /// The answer leaves it open: read the subscriber, or import the row again.
    Unclear,
}

impl RowResult {
    /// What to do about the row.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Written => Verdict::Done,
            Self::Unclear => Verdict::Retry { after: None },
            // Codes that mean "goal reached" for other calls do not mean it for a row.
            Self::Refused { code } => match verdict::of_code(code, 400, None) {
                Verdict::Done => Verdict::NeedsPerson(verdict::Reason::RequestRefused),
                other => other,
            },
        }
    }
}

/// What became of each row of an import.
pub struct ImportOutcome {
    rows: HashMap<String, RowResult>,
    /// Rows the provider says it updated.
    pub existing: u64,
    /// Rows the provider says it added.
    pub added: u64,
}

impl ImportOutcome {
    /// `partial` is the answer with Code 210, which promises at least one failure.
    pub(super) fn settle(sent: &[NewSubscriber], report: ImportReport, partial: bool) -> Self {
        let mut rows: HashMap<String, RowResult> =
            sent.iter().map(|row| (normalise_address(&row.email_address), RowResult::Written)).collect();
        let mut stray = false;
        for failure in &report.failure_details {
            match rows.get_mut(&normalise_address(&failure.email_address)) {
                Some(row @ RowResult::Written) => *row = RowResult::Refused { code: failure.code },
                Some(_) => {}
                None => stray = true,
            }
        }
        // A failure for an address we did not send belongs to one of our rows in another
        // spelling, and a partial success without failures hides them: then no row that is not
        // named may pass for written.
        if stray || (partial && report.failure_details.is_empty()) {
            for row in rows.values_mut().filter(|row| **row == RowResult::Written) {
                *row = RowResult::Unclear;
            }
        }
        Self { rows, existing: report.total_existing_subscribers, added: report.total_new_subscribers }
    }

    /// The result of this address, in any case of letters. One that was not sent is unclear.
    pub fn result_of(&self, address: &str) -> RowResult {
        self.rows.get(&normalise_address(address)).copied().unwrap_or(RowResult::Unclear)
    }

    /// The result of an address that was imported once more by itself.
    pub fn replace(&mut self, address: &str, result: RowResult) {
        self.rows.insert(normalise_address(address), result);
    }

    /// Whether every row was written.
    pub fn is_complete(&self) -> bool {
        self.rows.values().all(|row| *row == RowResult::Written)
    }
}

impl fmt::Debug for ImportOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = |wanted: fn(&RowResult) -> bool| self.rows.values().filter(|r| wanted(r)).count();
        f.debug_struct("ImportOutcome")
            .field("written", &count(|r| matches!(r, RowResult::Written)))
            .field("refused", &count(|r| matches!(r, RowResult::Refused { .. })))
            .field("unclear", &count(|r| matches!(r, RowResult::Unclear)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(address: &str) -> NewSubscriber {
        NewSubscriber {
            email_address: address.to_owned(),
            name: None,
            custom_fields: Vec::new(),
            consent_to_track: ConsentToTrack::No,
        }
    }

    fn settle(sent: &[NewSubscriber], failures: &str, partial: bool) -> ImportOutcome {
        let report = format!(r#"{{"FailureDetails":{failures}}}"#);
        ImportOutcome::settle(sent, serde_json::from_str(&report).unwrap(), partial)
    }

    #[test]
    fn refusals_find_their_rows_in_any_case() {
        let sent = [row("Anna@Example.com"), row("ben@example.com")];
        let outcome = settle(&sent, r#"[{"EmailAddress":"ANNA@example.com ","Code":206,"Message":"x"}]"#, true);
        assert_eq!(outcome.result_of("anna@example.com"), RowResult::Refused { code: 206 });
        assert_eq!(outcome.result_of("BEN@example.com"), RowResult::Written);
        assert_eq!(outcome.result_of("carla@example.com"), RowResult::Unclear);
        assert!(!outcome.is_complete());
        assert!(!format!("{outcome:?}").contains('@'));
    }

    #[test]
    fn doubt_is_never_success() {
        let sent = [row("anna@example.com"), row("ben@example.com")];
        let stray = settle(
            &sent,
            r#"[{"EmailAddress":"x@example.com","Code":1},{"EmailAddress":"ben@example.com","Code":205}]"#,
            true,
        );
        assert_eq!(stray.result_of("anna@example.com"), RowResult::Unclear);
        assert_eq!(stray.result_of("ben@example.com"), RowResult::Refused { code: 205 });
        assert_eq!(settle(&sent, "[]", true).result_of("anna@example.com"), RowResult::Unclear);
        assert!(settle(&sent, "[]", false).is_complete());
        assert!(serde_json::from_str::<ImportReport>("{}").is_err());
    }

    #[test]
    fn rows_are_judged_like_calls_but_nothing_refused_is_done() {
        assert_eq!(RowResult::Written.verdict(), Verdict::Done);
        assert_eq!(RowResult::Unclear.verdict(), Verdict::Retry { after: None });
        for code in 204..=208 {
            assert_eq!(RowResult::Refused { code }.verdict(), Verdict::TheyStopped { code });
        }
        for code in (0..1000).chain([u32::MAX]) {
            assert_ne!(RowResult::Refused { code }.verdict(), Verdict::Done, "code {code}");
        }
    }

    #[test]
    fn rows_are_counted_and_distinct() {
        let error = |rows: &[NewSubscriber]| ImportBody::new(rows, false).err();
        let many: Vec<_> = (0..1001).map(|n| row(&format!("p{n}@example.com"))).collect();
        assert_eq!(error(&many), Some(InputError::Count { given: 1001, limit: 1000 }));
        assert_eq!(error(&many[..1000]), None);
        assert_eq!(error(&[]), Some(InputError::Count { given: 0, limit: 1000 }));
        let twice = [row("a@example.com"), row("b@example.com"), row("A@example.com")];
        assert_eq!(error(&twice), Some(InputError::Duplicate { row: 2 }));
    }
}
