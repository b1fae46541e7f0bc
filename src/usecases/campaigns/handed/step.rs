//! One step of a round that the provider sends, whatever is next: make the list, leave out who is suppressed
//! there, write people to it, or empty it.

use std::time::Duration;

use crate::campaign_monitor::{CallError, Client, Credentials, Verdict};
use crate::domain::campaign::CampaignStatus;
use crate::domain::ids::{CampaignId, ControllerScope, DestinationId};
use crate::store::campaigns::Campaign;
use crate::store::destinations::Destination;
use crate::store::outbox::Task;
use crate::store::round_entries::RoundList;
use crate::store::{ReadTx, StoreError, WriteTx};

use super::super::super::destinations::webhook_url;
use super::super::super::sync::{Provider, credentials, stuck_words};
use super::super::super::{Error, Services};
use super::{empty, fill, list, spare};

/// How long a paused round is left alone.
const PAUSED: Duration = Duration::from_secs(60);

/// How a step went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoundStep {
    /// There is more to do.
    More,
    /// Nothing is left to do now; what changes it asks for the work anew.
    Done,
    /// Not its time: look again after this.
    Wait(Duration),
    /// The provider did not answer well: to be tried again, not before this time; the text is for the log.
    Later(Option<Duration>, String),
    /// A person has to look.
    Stuck(String),
    /// Another worker has taken the work over.
    NotOurs,
}

/// What a step works with.
pub(super) struct Bench<'a> {
    pub services: &'a Services,
    pub scope: ControllerScope,
    pub task: &'a Task,
    /// How long the claim is to hold from the start of a call.
    pub lease: Duration,
    pub campaign: Campaign,
    pub round: RoundList,
    pub destination: Destination,
    pub client: Client,
    pub credentials: Credentials,
}

impl Bench<'_> {
    pub fn account(&self) -> crate::campaign_monitor::Account<'_> {
        self.client.account(&self.credentials)
    }

    /// Lengthens the claim; says whether it is still ours.
    pub async fn extend(&self) -> Result<bool, Error> {
        let (task, lease) = (self.task.clone(), self.lease);
        let work = move |tx: &mut WriteTx<'_>| Ok::<_, Error>(tx.extend_lease(&task, lease)?);
        self.services.store.write(self.task.reference.uuid(), work).await
    }
}

/// Makes the next step of a round.
pub async fn round_step(services: &Services, provider: &Provider, task: &Task) -> Result<RoundStep, Error> {
    let (scope, id) = (task.scope(), CampaignId::from_uuid(task.reference.uuid()));
    let read = move |tx: &mut ReadTx<'_>| {
        let Some(round) = tx.round_list(scope, id)? else { return Ok(None) };
        let destination = tx.destination(scope, round.destination_id)?;
        Ok::<_, StoreError>(Some((tx.campaign(scope, id)?, round, destination)))
    };
    let Some((campaign, round, destination)) = services.store.read(read).await? else { return Ok(RoundStep::Done) };
    let credentials = match credentials(services, &destination).await {
        Err(Error::Provider(error)) => return Ok(after(&error, destination.id)),
        other => other?,
    };
    let bench = Bench {
        client: provider.client(&destination.base_url)?,
        credentials,
        services,
        scope,
        task,
        lease: provider.lease(),
        campaign,
        round,
        destination,
    };
    if !bench.extend().await? {
        return Ok(RoundStep::NotOurs);
    }
    match next(&bench).await {
        Err(Error::Provider(error)) => Ok(after(&error, bench.destination.id)),
        other => other,
    }
}

async fn next(bench: &Bench<'_>) -> Result<RoundStep, Error> {
    let now = bench.services.clock.now();
    let campaign = &bench.campaign;
    match campaign.status {
        CampaignStatus::Draft => return Ok(RoundStep::Done),
        CampaignStatus::Closed | CampaignStatus::Cancelled => return empty::step(bench).await,
        CampaignStatus::Paused => return Ok(RoundStep::Wait(PAUSED)),
        CampaignStatus::Launching | CampaignStatus::Running => {}
    }
    if campaign.deadline <= now {
        // The clock closes it, and asks for the work.
        return Ok(RoundStep::Done);
    }
    if let Some(at) = campaign.scheduled_at.filter(|at| *at > now) {
        return Ok(RoundStep::Wait(at.since(now)));
    }
    let Some(list_id) = &bench.round.list_id else {
        let list_id = list::make(&bench.account(), &bench.destination.client_id, campaign).await?;
        // Field and webhook before the first person, and before the list is noted: what fails here is done again.
        equip(bench, &list_id).await?;
        let made = RoundList { list_id: Some(list_id), ..bench.round.clone() };
        list::note(bench.services, made).await?;
        return Ok(RoundStep::More);
    };
    // Who is left out is known once everybody is; the end of the freezing asks for the work anew.
    if campaign.frozen_at.is_none() {
        return Ok(RoundStep::Done);
    }
    if let Some(page) = bench.round.suppressed_page {
        return spare::step(bench, page).await;
    }
    fill::step(bench, list_id).await
}

async fn equip(bench: &Bench<'_>, list_id: &str) -> Result<(), Error> {
    let keys = bench.services.keys.of(bench.scope).await?;
    let url = webhook_url(bench.services, &keys, &bench.destination)?;
    list::equip(&bench.account(), list_id, &url).await
}

/// What follows from a call that failed.
pub(super) fn after(error: &CallError, destination: DestinationId) -> RoundStep {
    match error.verdict() {
        Verdict::Retry { after } => RoundStep::Later(after, error.to_string()),
        Verdict::NeedsPerson(reason) => RoundStep::Stuck(stuck_words(reason, destination, &error.to_string())),
        Verdict::Done | Verdict::TheyStopped { .. } => RoundStep::Later(None, error.to_string()),
    }
}
