//! Import: synchronous, many rows, partly refused with Code 210 (reference section 5.3).

use super::body::{Fields, Row};
use super::call::{Call, Reply};
use super::error::ApiError;
use super::model::World;
use super::writing::{Door, Written};
use jiff::Timestamp;
use serde_json::json;
use std::collections::{BTreeSet, HashSet};

/// Most rows of one import.
const ROW_LIMIT: usize = 1000;

pub(super) fn import(world: &mut World, list_id: &str, call: &Call, now: Timestamp) -> Result<Reply, ApiError> {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let subscribers = fields.items("Subscribers")?;
    let resubscribe = fields.flag("Resubscribe")?;
    if subscribers.len() > ROW_LIMIT {
        return Err(ApiError::input(209));
    }
    if subscribers.is_empty() {
        return Err(ApiError::input(212));
    }
    // All rows are read before the first is written: a wrong type refuses the whole request.
    let rows = subscribers.iter().map(|row| Row::of(row, call.version)).collect::<Result<Vec<_>, _>>()?;
    let mut seen = HashSet::new();
    let mut duplicates = BTreeSet::new();
    let mut failures = Vec::new();
    let (mut new, mut existing) = (0, 0);
    for row in &rows {
        // The first of equal addresses wins here; the provider does not say which one does.
        if !seen.insert(row.key()) {
            duplicates.insert(row.email.clone());
            continue;
        }
        match world.add(list_id, row, resubscribe, Door::Trusts, now) {
            Ok(Written::New) => new += 1,
            Ok(Written::Existing) => existing += 1,
            Err(refusal) => failures.push(json!({
                "EmailAddress": row.email,
                "Code": refusal.code,
                "Message": refusal.message,
            })),
        }
    }
    let failed = !failures.is_empty();
    let result = json!({
        "FailureDetails": failures,
        "TotalUniqueEmailsSubmitted": seen.len(),
        "TotalExistingSubscribers": existing,
        "TotalNewSubscribers": new,
        "DuplicateEmailsInSubmission": duplicates,
    });
    if failed { Err(ApiError::input(210).with_result(result)) } else { Ok(Reply::created(result)) }
}
