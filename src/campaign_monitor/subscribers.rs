//! Calls about one person on a list, and the import of many.

use reqwest::Method;
use serde::Serialize;

use super::client::{Account, Call};
use super::error::CallError;
use super::import::{ImportBody, ImportOutcome, ImportReport, NewSubscriber};
use super::types::Subscriber;

/// Not on this list, or already removed.
const NOT_ON_LIST: u32 = 203;
/// The new address is on this list already.
const ADDRESS_ON_LIST: u32 = 201;
/// Some rows, or all, were refused.
const PARTIAL_IMPORT: u32 = 210;

/// What an opt-out or a deletion found. Both reach the goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// The person was taken off.
    Removed,
    /// There was nothing to take off.
    WasNotThere,
}

/// What became of an entry that was to have another address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renamed {
    /// It has it, or will in a moment: the call may return before it shows.
    Done,
    /// There is no entry under the old address.
    WasNotThere,
    /// The new address has an entry of its own on this list.
    Taken,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateBody<'a> {
    #[serde(flatten)]
    row: &'a NewSubscriber,
    resubscribe: bool,
    restart_subscription_based_autoresponders: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AddressBody<'a> {
    email_address: &'a str,
}

impl Account<'_> {
    /// Write up to 1000 people at once; on return the rows called written can be read.
    ///
    /// The single add only queues, so we import even one row. An import may be repeated.
    /// `resubscribe` holds for all rows and re-activates without a question: put into such a call
    /// only people whose consent is newer than their opt-out, and check anew before a repeat,
    /// because an opt-out may have come in between.
    pub async fn import(
        &self,
        list_id: &str,
        rows: &[NewSubscriber],
        resubscribe: bool,
    ) -> Result<ImportOutcome, CallError> {
        let body = ImportBody::new(rows, resubscribe)?;
        let call = Call::new(Method::POST, &["subscribers", list_id, "import"]).json(&body);
        let answer = self.send(call).await?;
        if answer.code() != Some(PARTIAL_IMPORT) {
            let report = answer.read::<ImportReport>()?;
            return Ok(ImportOutcome::settle(rows, report, false));
        }
        // The good rows were written. Without a result nobody can say which: the call's own
        // error stands, and its verdict is to import again.
        let result = answer.value().and_then(|mut body| body.get_mut("ResultData").map(std::mem::take));
        match result.and_then(|result| serde_json::from_value::<ImportReport>(result).ok()) {
            Some(report) => Ok(ImportOutcome::settle(rows, report, true)),
            None => Err(answer.error()),
        }
    }

    /// A person's record in whatever state; `None` when the list does not know the address.
    pub async fn subscriber(&self, list_id: &str, address: &str) -> Result<Option<Subscriber>, CallError> {
        let call =
            Call::get(&["subscribers", list_id]).query("email", address).query("includetrackingpreference", "true");
        match self.send(call).await?.read() {
            Ok(subscriber) => Ok(Some(subscriber)),
            Err(CallError::Refused { code: NOT_ON_LIST, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Give the entry under `current` the address and the details of this row, whatever its state, which stays as it is.
    ///
    /// It never creates, and never re-activates. A repeat after a lost answer finds nobody under the old address.
    pub async fn update(&self, list_id: &str, current: &str, row: &NewSubscriber) -> Result<Renamed, CallError> {
        let body = UpdateBody { row, resubscribe: false, restart_subscription_based_autoresponders: false };
        let call = Call::new(Method::PUT, &["subscribers", list_id]).query("email", current).json(&body);
        match self.send(call).await?.empty() {
            Ok(()) => Ok(Renamed::Done),
            Err(CallError::Refused { code: NOT_ON_LIST, .. }) => Ok(Renamed::WasNotThere),
            Err(CallError::Refused { code: ADDRESS_ON_LIST, .. }) => Ok(Renamed::Taken),
            Err(error) => Err(error),
        }
    }

    /// Opt a person out. How far it reaches is the list's [`super::UnsubscribeSetting`].
    pub async fn unsubscribe(&self, list_id: &str, address: &str) -> Result<Removal, CallError> {
        let call = Call::new(Method::POST, &["subscribers", list_id, "unsubscribe"])
            .json(&AddressBody { email_address: address });
        removal(self.send(call).await?.empty())
    }

    /// Move a person to the state *deleted*. Neither an erasure nor a suppression.
    pub async fn delete(&self, list_id: &str, address: &str) -> Result<Removal, CallError> {
        let call = Call::new(Method::DELETE, &["subscribers", list_id]).query("email", address);
        removal(self.send(call).await?.empty())
    }
}

fn removal(result: Result<(), CallError>) -> Result<Removal, CallError> {
    match result {
        Ok(()) => Ok(Removal::Removed),
        Err(CallError::Refused { code: NOT_ON_LIST, .. }) => Ok(Removal::WasNotThere),
        Err(error) => Err(error),
    }
}
