//! What an emulator starts with.
//!
//! Promises: ids and keys the caller does not give are made up; what a snapshot knows already is kept,
//! except that a key the caller gives wins.

use super::clock;
use super::model::{Client, CustomField, List, UnsubscribeSetting, World, new_id};
use super::people::People;
use super::suppressed::Suppressed;
use std::collections::{BTreeMap, HashMap};
use std::io;

/// A client to start with.
#[derive(Clone)]
pub struct ClientSeed {
    /// 32 lower-case hex digits. When empty, that of a kept client of this name, or made up.
    pub id: String,
    /// Company name.
    pub name: String,
    /// The client's own API key; made up when empty.
    pub api_key: String,
    /// An IANA name or a label of `timezones.json`.
    pub time_zone: String,
}

/// A list to start with.
#[derive(Clone, Debug, Default)]
pub struct ListSeed {
    /// The client it belongs to; the last that is seeded when empty.
    pub client_id: String,
    /// 32 lower-case hex digits. When empty, that of a kept list of this title, or made up.
    pub id: String,
    /// Title, unique within the client.
    pub title: String,
    /// How far an unsubscribe reaches.
    pub unsubscribe_setting: UnsubscribeSetting,
    /// Whether the provider asks new people itself.
    pub confirmed_opt_in: bool,
    /// Custom fields.
    pub custom_fields: Vec<CustomFieldSeed>,
}

/// A custom field to start with.
#[derive(Clone, Debug)]
pub struct CustomFieldSeed {
    /// Field name; the key is the name without blanks.
    pub name: String,
    /// `Text`, `Number`, `MultiSelectOne`, `MultiSelectMany`, `Date`, `Country` or `USState`.
    pub data_type: String,
    /// Options of the two multi-choice types.
    pub options: Vec<String>,
}

impl CustomFieldSeed {
    /// A text field.
    pub fn text(name: &str) -> Self {
        Self { name: name.to_owned(), data_type: "Text".to_owned(), options: Vec::new() }
    }
}

impl Default for ClientSeed {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: "Example Company".to_owned(),
            api_key: String::new(),
            // A zone with daylight saving, so that nobody gets away with ignoring zones.
            time_zone: "Europe/Amsterdam".to_owned(),
        }
    }
}

impl std::fmt::Debug for ClientSeed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("ClientSeed").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(super) fn world(
    account_key: &str,
    account_zone: &str,
    clients: &[ClientSeed],
    lists: &[ListSeed],
    known: Option<World>,
) -> io::Result<World> {
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
    let mut world = known.unwrap_or_else(|| World {
        account_key: new_id(),
        account_zone: String::new(),
        clients: BTreeMap::new(),
        lists: BTreeMap::new(),
        whole_minutes: true,
        fired: Vec::new(),
        oauth: Default::default(),
    });
    if !account_key.is_empty() {
        account_key.clone_into(&mut world.account_key);
    }
    let zone = |zone: &str| clock::iana(zone).ok_or_else(|| wrong(format!("unknown time zone {zone}")));
    world.account_zone = zone(account_zone)?;
    let mut last_client = String::new();
    for seed in clients {
        let zone = zone(&seed.time_zone)?;
        let kept = || world.clients.values().find(|client| client.name == seed.name).map(|client| client.id.clone());
        let id = given(&seed.id).or_else(kept).unwrap_or_else(new_id);
        last_client.clone_from(&id);
        let client = world.clients.entry(id.clone()).or_insert_with(|| Client {
            id,
            name: seed.name.clone(),
            api_key: new_id(),
            zone: zone.clone(),
            tracking: HashMap::new(),
            suppressed: Suppressed::default(),
        });
        client.zone = zone;
        if !seed.api_key.is_empty() {
            client.api_key.clone_from(&seed.api_key);
        }
    }
    for seed in lists {
        let client_id = given(&seed.client_id).unwrap_or_else(|| last_client.clone());
        if !world.clients.contains_key(&client_id) {
            return Err(wrong(format!("list {} names an unknown client", seed.title)));
        }
        let named = |list: &&List| list.client_id == client_id && list.title == seed.title;
        let kept = || world.lists.values().find(named).map(|list| list.id.clone());
        let id = given(&seed.id).or_else(kept).unwrap_or_else(new_id);
        world.lists.entry(id.clone()).or_insert_with(|| List {
            id,
            client_id,
            title: seed.title.clone(),
            unsubscribe_page: String::new(),
            unsubscribe_setting: seed.unsubscribe_setting,
            confirmed_opt_in: seed.confirmed_opt_in,
            confirmation_success_page: String::new(),
            custom_fields: seed.custom_fields.iter().map(field).collect(),
            subscribers: People::default(),
            webhooks: Vec::new(),
        });
    }
    Ok(world)
}

fn field(seed: &CustomFieldSeed) -> CustomField {
    CustomField::new(seed.name.clone(), seed.data_type.clone(), seed.options.clone(), false)
}

fn given(id: &str) -> Option<String> {
    (!id.is_empty()).then(|| id.to_owned())
}
