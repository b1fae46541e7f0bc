//! An emulator of the Campaign Monitor API, versions 3 to 3.3, with its awkward parts.
//!
//! Promises: queued adds, Code 210 with partial success, suppression, consent to track per client, the
//! client's time zone, unsigned batched webhooks that echo the caller's own writes, the rate limit of
//! transactional mail, and faults by rule, each as the contract describes it. A list of a million people
//! is paged through without sorting it. With a folder the state survives a restart.
//! Leaves out: XML (as answers and as webhooks), campaigns, events, templates and the
//! account's persons; clients come from seeds, segments are always empty, everybody's history is, and
//! `timezones.json` and `countries.json` are a selection. Transactional mail ends in its log, without
//! attachments, and is not in the snapshot.

mod accounts;
mod answer;
mod api;
mod body;
mod call;
mod clock;
mod control;
mod crowd;
mod custom_fields;
mod delivery;
mod desk;
mod error;
mod fault_text;
mod faults;
mod fields;
mod importing;
mod lists;
mod model;
mod oauth;
mod oauth_pages;
mod orders;
mod pages;
mod people;
mod person;
mod ranked;
mod reading;
mod request_log;
mod seed;
mod server;
mod settings;
mod snapshot;
mod subscribers;
mod suppressed;
mod transactional;
mod webhooks;
mod writing;

use super::web::WebListener;
use desk::{Desk, Shared, lock};
use jiff::Timestamp;
use snapshot::Snapshot;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use api::TokenState;
pub use crowd::PersonSeed;
pub use delivery::{WebhookDelivery, WebhookTrouble};
pub use fault_text::{FAULT_RULES, FaultRuleError};
pub use faults::{Fault, FaultKind, FaultRule, Faults, StandingRule, Turn};
pub use model::{State, UnsubscribeSetting};
pub use oauth::OauthAppSeed;
pub use person::PersonAct;
pub use request_log::LoggedRequest;
pub use seed::{ClientSeed, CustomFieldSeed, ListSeed};
pub use settings::EmulatorSettings;

/// A running emulator. Stops when dropped.
pub struct Emulator {
    shared: Arc<Shared>,
    base_url: String,
    snapshot: Arc<Mutex<Option<Snapshot>>>,
    web: Mutex<Option<WebListener>>,
}

/// What the emulator knows about one person on one list.
#[derive(Clone, PartialEq, Eq)]
pub struct SubscriberView {
    /// Address as it was written.
    pub email: String,
    /// Name.
    pub name: String,
    /// State on the list.
    pub state: State,
    /// Consent to track, known per client and address.
    pub tracking: Option<bool>,
    /// Last change of state.
    pub changed_at: Timestamp,
    /// First joining.
    pub joined_at: Timestamp,
    /// Bare keys and values of the custom fields.
    pub fields: Vec<(String, String)>,
}

impl std::fmt::Debug for SubscriberView {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("SubscriberView").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Emulator {
    /// Settings to build on.
    pub fn builder() -> EmulatorSettings {
        EmulatorSettings::default()
    }

    /// Loads the folder, adds the seeds, and answers once calls are accepted.
    pub fn start(settings: EmulatorSettings) -> io::Result<Self> {
        let snapshot = settings.folder.as_deref().map(Snapshot::new).transpose()?;
        let known = snapshot.as_ref().map(Snapshot::load).transpose()?.flatten();
        let mut world =
            seed::world(&settings.account_key, &settings.account_time_zone, &settings.clients, &settings.lists, known)?;
        world.whole_minutes = settings.whole_minutes;
        world.oauth.register(settings.oauth_apps);
        let desk = Desk::new(world, settings.tokens, settings.add_delay);
        let shared = Arc::new(Shared::new(desk));
        let snapshot = Arc::new(Mutex::new(snapshot));
        let client = settings.webhooks.client()?;
        let work = delivery::run(Arc::clone(&shared), client.clone(), settings.webhooks, Arc::clone(&snapshot));
        let for_web = Arc::clone(&shared);
        let web = WebListener::start(
            "campaign-monitor-emulator",
            settings.addr,
            move |config| server::routes(config, &for_web, &client),
            move || {
                actix_web::rt::spawn(work);
            },
        )?;
        Ok(Self { shared, base_url: web.base_url(), snapshot, web: Mutex::new(Some(web)) })
    }

    /// Base address without a slash at the end; the API is below `/api/v3.3`.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The key that sees every client.
    pub fn account_key(&self) -> String {
        self.shared.work(false, |desk, _| desk.world.account_key.clone())
    }

    /// The key of one client.
    pub fn client_key(&self, client_id: &str) -> Option<String> {
        self.shared.work(false, |desk, _| desk.world.clients.get(client_id).map(|client| client.api_key.clone()))
    }

    /// Ids and names of the clients.
    pub fn clients(&self) -> Vec<(String, String)> {
        self.shared.work(false, |desk, _| {
            desk.world.clients.values().map(|client| (client.id.clone(), client.name.clone())).collect()
        })
    }

    /// Ids and titles of a client's lists.
    pub fn lists(&self, client_id: &str) -> Vec<(String, String)> {
        self.shared.work(false, |desk, _| {
            let lists = desk.world.lists.values().filter(|list| list.client_id == client_id);
            lists.map(|list| (list.id.clone(), list.title.clone())).collect()
        })
    }

    /// The fault rules that stand.
    pub fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    /// The newest API calls (at most 10,000), oldest first.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.all()
    }

    /// How many API calls came since the start or the last [`Emulator::forget_requests`].
    pub fn request_count(&self) -> u64 {
        self.shared.log.total()
    }

    /// Empties the request log and its count.
    pub fn forget_requests(&self) {
        self.shared.log.clear();
    }

    /// How long a single add stays invisible.
    pub fn set_add_delay(&self, delay: Duration) {
        self.shared.work(false, |desk, _| desk.add_delay = delay);
    }

    /// Answers 429 when one address is added or updated twice within this time; `None` ends it.
    pub fn limit_repeats(&self, within: Option<Duration>) {
        self.shared.work(false, |desk, _| desk.repeat_limit = within);
    }

    /// Gives a client a smart mail and says its id; `None` when 1,000 are there already.
    pub fn add_smart_mail(&self, client_id: &str, name: &str) -> Option<String> {
        self.shared.work(false, |desk, now| desk.mails.add_smart(client_id, name, now))
    }

    /// How long a new list stays out of the list of lists, and a removed one stays in it.
    pub fn set_list_lag(&self, lag: Duration) {
        self.shared.work(false, |desk, _| desk.list_lag = lag);
    }

    /// What happens to webhook events on their way from now on.
    pub fn trouble_webhooks(&self, trouble: WebhookTrouble) {
        self.shared.work(false, |desk, _| desk.trouble = trouble);
    }

    /// How many calls `/transactional` takes within a time; 60 in six minutes unless another limit is set.
    pub fn limit_transactional(&self, calls: u32, within: Duration) {
        self.shared.work(false, |desk, _| desk.mails.limit(calls, within));
    }

    /// Stops the emulator's clock at a moment, or lets it run again.
    pub fn freeze_clock(&self, at: Option<Timestamp>) {
        self.shared.freeze(at);
    }

    /// What is known about one person on one list.
    pub fn subscriber(&self, list_id: &str, email: &str) -> Option<SubscriberView> {
        let key = email.trim().to_lowercase();
        self.shared.work(false, |desk, _| {
            let list = desk.world.lists.get(list_id)?;
            let subscriber = list.subscribers.get(&key)?;
            let client = desk.world.clients.get(&list.client_id);
            Some(SubscriberView {
                email: subscriber.email.clone(),
                name: subscriber.name.to_string(),
                state: subscriber.state,
                tracking: client.and_then(|client| client.tracking.get(key.as_str())).copied(),
                changed_at: subscriber.changed_at,
                joined_at: subscriber.joined_at,
                fields: subscriber.fields.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            })
        })
    }

    /// How many people of a list are in a state; 0 for a list that does not exist.
    pub fn count(&self, list_id: &str, state: State) -> usize {
        self.shared.work(false, |desk, _| desk.world.lists.get(list_id).map_or(0, |list| list.subscribers.count(state)))
    }

    /// How many people a list has in all states; 0 for a list that does not exist.
    pub fn population(&self, list_id: &str) -> usize {
        self.shared.work(false, |desk, _| desk.world.lists.get(list_id).map_or(0, |list| list.subscribers.len()))
    }

    /// Whether an address is on the client's suppression list.
    pub fn is_suppressed(&self, client_id: &str, email: &str) -> bool {
        let key = email.trim().to_lowercase();
        self.shared.work(false, |desk, _| {
            let client = desk.world.clients.get(client_id);
            client.is_some_and(|client| client.suppressed.contains(&key))
        })
    }

    /// Fills a list with people past the API and its webhooks; says how many they were.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for an unknown list, a field the list does not have, an empty address, or more than
    /// 2,000,000 people; those before are in then.
    pub fn seed_people(&self, list_id: &str, people: impl IntoIterator<Item = PersonSeed>) -> io::Result<usize> {
        crowd::fill(&self.shared, list_id, people.into_iter())
    }

    /// Fills a list with people who do not exist, nine in ten of them active.
    ///
    /// # Errors
    ///
    /// As [`Emulator::seed_people`].
    pub fn invent_people(&self, list_id: &str, count: u32) -> io::Result<usize> {
        self.seed_people(list_id, crowd::invented(count, self.shared.now()))
    }

    /// Does what a person does at the provider, with its webhooks. False when it changes nothing.
    pub fn act_as_person(&self, act: PersonAct, list_id: &str, email: &str) -> bool {
        self.shared.work(true, |desk, now| desk.world.act(act, list_id, email, now))
    }

    /// The person clicks the provider's unsubscribe link.
    pub fn unsubscribe_as_person(&self, list_id: &str, email: &str) -> bool {
        self.act_as_person(PersonAct::Unsubscribe, list_id, email)
    }

    /// The person uses the provider's own sign-up form.
    pub fn subscribe_as_person(&self, list_id: &str, email: &str) -> bool {
        self.act_as_person(PersonAct::Subscribe, list_id, email)
    }

    /// The person marks a campaign as spam.
    pub fn complain(&self, list_id: &str, email: &str) -> bool {
        self.act_as_person(PersonAct::Complain, list_id, email)
    }

    /// The mailbox turns out not to exist.
    pub fn bounce(&self, list_id: &str, email: &str) -> bool {
        self.act_as_person(PersonAct::Bounce, list_id, email)
    }

    /// The person changes their address in the preference centre.
    pub fn change_address_as_person(&self, list_id: &str, old: &str, new: &str) -> bool {
        self.shared.work(true, |desk, now| desk.world.change_address(list_id, old, new, now))
    }

    /// Stops listening, settles queued adds and writes the snapshot.
    pub fn stop(&self) -> io::Result<()> {
        let web = lock(&self.web).take();
        let running = web.is_some();
        drop(web);
        if !running {
            return Ok(());
        }
        self.shared.work(false, |desk, now| desk.settle_adds(now, true));
        match lock(&self.snapshot).as_mut() {
            Some(snapshot) => snapshot.save(&self.shared).map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Nobody is left to hear of a failed write; `stop` tells those who ask.
        let _ = self.stop();
    }
}
