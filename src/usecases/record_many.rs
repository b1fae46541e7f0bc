//! Many changes at once, for lists: one [`Docket`] for the batch.

use crate::crypto::ControllerKeys;
use crate::domain::clock::Ids;
use crate::domain::consent::{Command, Decision, Refusal};
use crate::domain::ids::PurposeId;
use crate::store::WriteTx;

use super::Error;
use super::docket::Docket;
use super::record::{Occasion, Person};

/// One change of a batch.
pub(super) struct Change<'a> {
    /// Of whom.
    pub person: &'a Person,
    /// Of which purpose.
    pub purpose: PurposeId,
    /// What is to happen.
    pub command: Command,
    /// How it came about.
    pub occasion: Occasion,
}

/// Applies the changes in their order, and says for each what the rules decided. The people's rows must be locked by
/// this transaction.
pub(super) fn apply_batch(
    tx: &mut WriteTx<'_>,
    ids: &dyn Ids,
    keys: &ControllerKeys,
    changes: &[Change<'_>],
) -> Result<Vec<Result<Decision, Refusal>>, Error> {
    let mut docket = Docket::read(tx, changes.iter().map(|change| change.person))?;
    let mut decisions = Vec::with_capacity(changes.len());
    for change in changes {
        decisions.push(docket.apply(ids, keys, change.person, change.purpose, change.command, &change.occasion));
    }
    docket.write(tx)?;
    Ok(decisions)
}
