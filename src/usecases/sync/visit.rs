//! A visit to a destination for anything but bringing people in step: a permit of its breaker and the means to call, so that
//! what is looked after there rests while its account does.

use std::time::Duration;

use crate::campaign_monitor::{Account, Admission, CallError, Client, Credentials, Permit, Reason, Verdict};
use crate::domain::ids::DestinationId;
use crate::store::destinations::Destination;

use super::super::{Error, Services};
use super::{Provider, credentials, until};

/// A visit that may be made now.
pub struct Visit<'a> {
    provider: &'a Provider,
    destination: DestinationId,
    client: Client,
    credentials: Credentials,
    permit: Permit,
    now_ms: u64,
}

/// What follows from a call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Try again, not before this much time.
    For(Option<Duration>),
    /// Trying again does not help.
    Person(Reason),
}

impl Wait {
    /// What follows from this error. A stop that they hold is no answer to what is asked on a visit.
    pub fn after(error: &CallError) -> Self {
        match error.verdict() {
            Verdict::Retry { after } => Self::For(after),
            Verdict::NeedsPerson(reason) => Self::Person(reason),
            Verdict::Done | Verdict::TheyStopped { .. } => Self::Person(Reason::RequestRefused),
        }
    }
}

impl<'a> Visit<'a> {
    /// Begins one, or says how long the account is to be left alone.
    pub async fn begin(
        services: &Services,
        provider: &'a Provider,
        destination: &Destination,
    ) -> Result<Result<Self, Duration>, Error> {
        let now_ms = u64::try_from(services.clock.now().micros() / 1000).unwrap_or(0);
        let client = provider.client(&destination.base_url)?;
        let credentials = credentials(services, destination).await?;
        let permit = match provider.admit(destination.id, now_ms) {
            Admission::Go(permit) => permit,
            Admission::Wait { until_ms } => return Ok(Err(until(until_ms, now_ms))),
        };
        Ok(Ok(Self { provider, destination: destination.id, client, credentials, permit, now_ms }))
    }

    /// The account.
    pub fn account(&self) -> Account<'_> {
        self.client.account(&self.credentials)
    }

    /// Ends it; the breaker is told how it went.
    pub fn end<T>(self, result: &Result<T, CallError>) {
        let failed = matches!(result, Err(error) if error.counts_against_breaker());
        self.provider.report(self.destination, self.permit, failed, self.now_ms);
    }
}
