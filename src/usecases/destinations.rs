//! Destinations: where confirmed subscribers are kept in step, with which credentials, and on which lists. What is
//! secret is sealed, and opened only for who speaks to the provider.

use std::sync::Arc;

use crate::crypto::ControllerKeys;
use crate::crypto::secret::{SecretText, bearer_token, sha256};
use crate::domain::destination::OnExpiry;
use crate::domain::ids::{ConnectionId, ControllerScope, DestinationId, PurposeId};
use crate::domain::time::Timestamp;
use crate::store::destinations::{Destination, DestinationList};
use crate::store::former_lists::FormerList;
use crate::store::{ReadTx, WriteTx};

use super::error::FieldFault;
use super::line::line_of;
use super::once::{Asker, OnceKey, write_once};
use super::sync::preference_address;
use super::{Error, Rules, Services, oauth, remap, shape};

pub use super::line::NewCredential;
pub use crate::crypto::secret::SecretText as ApiKey;

/// A destination to be.
#[derive(Clone)]
pub struct NewDestination {
    /// Where its API is, if not at the provider's usual place.
    pub base_url: Option<String>,
    /// The client there.
    pub client_id: String,
    /// What it is spoken to with.
    pub credential: NewCredential,
    /// IANA zone of that client.
    pub time_zone: String,
    /// What becomes of a person there whose consent has run to its end; they are removed unless said otherwise.
    pub on_expiry: Option<OnExpiry>,
}

/// A destination and the lists kept there.
#[derive(Debug, Clone)]
pub struct DestinationWithLists {
    /// The destination.
    pub destination: Destination,
    /// Its lists.
    pub lists: Vec<DestinationList>,
    /// Whether its connection by OAuth has ended: a person has to connect again.
    pub connect_again: bool,
    /// What a design there has to hold for each reader to come to their preferences.
    pub preference_link: String,
}

/// A purpose and the list that it is to be kept on.
#[derive(Debug, Clone)]
pub struct ListChoice {
    /// The purpose, by id or short name.
    pub purpose: String,
    /// The provider's list.
    pub list_id: String,
}

/// A controller must not aim our client at the operator's own network (T-34): the provider is the one the operator
/// set, or, in a house that is itself on loopback, something beside it.
pub(super) fn reachable(services: &Services, base_url: &str) -> Result<(), Error> {
    let beside = on_loopback(base_url) && on_loopback(&services.base_url);
    if base_url == services.rules.provider_base_url || beside {
        Ok(())
    } else {
        Err(Error::field(
            "base_url",
            format!("expected {}, the provider that the operator has set", services.rules.provider_base_url),
        ))
    }
}

/// Whether an address is this machine's own.
pub(super) fn on_loopback(address: &str) -> bool {
    let url = url::Url::parse(address).ok();
    url.is_some_and(|url| match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    })
}

/// Creates a destination; tells the address for the provider's webhooks, whose last part is a secret.
pub async fn create_destination(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewDestination,
) -> Result<(DestinationWithLists, String), Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let line = line_of(services, scope, new.base_url.as_deref(), &new.credential).await?;
    let client_id = shape::provider_id("client_id", &new.client_id)?;
    if jiff::tz::TimeZone::get(&new.time_zone).is_err() {
        return Err(Error::field("time_zone", "expected a time zone of the IANA list, such as Europe/London"));
    }
    let keys = services.keys.of(scope).await?;
    let id = DestinationId::from_uuid(services.ids.row());
    let secret = bearer_token("");
    let seal = |key: &str| keys.seal("destinations", "credentials", id.uuid(), key.as_bytes()).1;
    let (key_version, webhook_secret) = keys.seal("destinations", "webhook_secret", id.uuid(), secret.as_bytes());
    let destination = Destination {
        controller_id: scope.controller(),
        id,
        base_url: line.base_url,
        client_id,
        time_zone: new.time_zone,
        fields: "[]".to_owned(),
        on_expiry: new.on_expiry.unwrap_or(OnExpiry::Remove),
        key_version,
        credentials: line.api_key.as_ref().map(|key| seal(key.expose())),
        connection_id: line.connection,
        keyed_at: services.clock.now(),
        webhook_hash: sha256(secret.as_bytes()).to_vec(),
        webhook_secret,
        created_at: services.clock.now(),
    };
    let most = services.rules.limits.destinations;
    let id = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        tx.lock_destinations(scope)?;
        // Held, so that it is not forgotten as unused meanwhile.
        destination.connection_id.map(|id| oauth::usable(tx, scope, id)).transpose()?;
        if tx.destinations(scope)?.len() >= most {
            return Err(Error::field("client_id", format!("a controller has at most {most} destinations")));
        }
        tx.insert_destination(&destination)?;
        Ok(destination.id)
    })
    .await?;
    let found = find_destination(services, scope, id).await?;
    let url = webhook_url(services, &keys, &found.destination)?;
    Ok((found, url))
}

/// The API key of a destination, for who speaks to the provider.
pub fn api_key(keys: &ControllerKeys, destination: &Destination) -> Result<SecretText, Error> {
    let sealed = destination.credentials.as_ref();
    let sealed = sealed.ok_or_else(|| Error::Internal("a destination without an API key was asked for it".into()))?;
    opened(keys, destination, "credentials", sealed)
}

/// The address that the provider is to call, for who registers it there.
pub fn webhook_url(services: &Services, keys: &ControllerKeys, destination: &Destination) -> Result<String, Error> {
    let secret = opened(keys, destination, "webhook_secret", &destination.webhook_secret)?;
    Ok(format!("{}/hooks/campaign-monitor/{}", services.base_url, secret.expose()))
}

fn opened(keys: &ControllerKeys, destination: &Destination, column: &str, sealed: &[u8]) -> Result<SecretText, Error> {
    let plain = keys.open("destinations", column, destination.id.uuid(), destination.key_version, sealed)?;
    let text = std::str::from_utf8(&plain).map_err(|_| Error::Internal("a stored secret is not UTF-8".into()))?;
    Ok(SecretText::new(text.to_owned()))
}

/// All destinations of a controller, each with its lists.
pub async fn list_destinations(
    services: &Services,
    scope: ControllerScope,
) -> Result<Vec<DestinationWithLists>, Error> {
    let link = preference_address(services);
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let (lists, ended) = (tx.destination_lists(scope)?, ended(tx, scope)?);
            Ok(tx.destinations(scope)?.into_iter().map(|one| with_lists(one, &lists, &ended, &link)).collect())
        })
        .await
}

/// One destination with its lists.
pub async fn find_destination(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
) -> Result<DestinationWithLists, Error> {
    let link = preference_address(services);
    services
        .store
        .read(move |tx: &mut ReadTx<'_>| {
            let (destination, ended) = (tx.destination(scope, id)?, ended(tx, scope)?);
            Ok(with_lists(destination, &tx.destination_lists(scope)?, &ended, &link))
        })
        .await
}

/// Connections that a person has to make again.
fn ended(tx: &mut ReadTx<'_>, scope: ControllerScope) -> Result<Vec<ConnectionId>, Error> {
    let all = tx.provider_connections(scope)?.into_iter();
    Ok(all.filter(|row| row.refused_at.is_some()).map(|row| row.id).collect())
}

fn with_lists(
    destination: Destination,
    all: &[DestinationList],
    ended: &[ConnectionId],
    link: &str,
) -> DestinationWithLists {
    let lists = all.iter().filter(|list| list.destination_id == destination.id).cloned().collect();
    let connect_again = destination.connection_id.is_some_and(|id| ended.contains(&id));
    DestinationWithLists { destination, lists, connect_again, preference_link: link.to_owned() }
}

/// Says what becomes of a person at a destination whose consent has run to its end. It is for those who are taken off from
/// now on; who has left stays as they are.
pub async fn set_on_expiry(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    on_expiry: OnExpiry,
) -> Result<DestinationWithLists, Error> {
    let work = move |tx: &mut WriteTx<'_>| {
        tx.destination(scope, id)?;
        Ok::<_, Error>(tx.set_on_expiry(scope, id, on_expiry)?)
    };
    services.store.write(scope.controller().uuid(), work).await?;
    find_destination(services, scope, id).await
}

/// Says which purposes are kept on which lists of a destination; what was said before is replaced, and what is kept at
/// other destinations stays. Who is confirmed is brought to the new lists, and leaves the old ones, by and by.
pub async fn set_lists(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    choices: Vec<ListChoice>,
) -> Result<DestinationWithLists, Error> {
    let (now, rules) = (services.clock.now(), Arc::clone(&services.rules));
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_destinations(scope)?;
        put_lists(tx, &rules, scope, id, &choices, None, now)
    };
    services.store.write(scope.controller().uuid(), work).await?;
    find_destination(services, scope, id).await
}

/// Keeps a purpose on one more list of a destination, or on that one instead of the others there; other purposes stay
/// where they are. Where custom fields were just made on the list, everybody there is written anew by and by: what was
/// sent for a field that a list lacks was dropped there.
pub(super) async fn keep_on_list(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    choice: ListChoice,
    also: bool,
    fields_made: bool,
) -> Result<DestinationWithLists, Error> {
    let (now, rules) = (services.clock.now(), Arc::clone(&services.rules));
    let work = move |tx: &mut WriteTx<'_>| {
        tx.lock_destinations(scope)?;
        let purpose = shape::purpose_named(&tx.purposes(scope)?, &choice.purpose).map(|purpose| purpose.id);
        let stay = tx.destination_lists(scope)?.into_iter();
        let stay = stay.filter(|list| {
            let leaves = Some(list.purpose_id) == purpose && (!also || list.list_id == choice.list_id);
            list.destination_id == id && !leaves
        });
        let mut choices: Vec<ListChoice> =
            stay.map(|list| ListChoice { purpose: list.purpose_id.to_string(), list_id: list.list_id }).collect();
        choices.push(choice.clone());
        let anew = fields_made.then_some(choice.list_id.as_str());
        put_lists(tx, &rules, scope, id, &choices, anew, now)
    };
    services.store.write(scope.controller().uuid(), work).await?;
    find_destination(services, scope, id).await
}

fn put_lists(
    tx: &mut WriteTx<'_>,
    rules: &Rules,
    scope: ControllerScope,
    id: DestinationId,
    choices: &[ListChoice],
    anew: Option<&str>,
    now: Timestamp,
) -> Result<(), Error> {
    tx.destination(scope, id)?;
    let before = tx.destination_lists(scope)?;
    let mut lists = read_choices(tx, scope, id, choices)?;
    for list in &mut lists {
        let same = before.iter().find(|old| is_same(old, list));
        list.walked = same.map_or(Some(remap::BEGINNING), |old| old.walked);
        list.fields_at = same.and_then(|old| old.fields_at);
        if anew == Some(list.list_id.as_str()) {
            list.walked = Some(remap::BEGINNING);
            list.fields_at = Some(now);
        }
    }
    // A list that another destination kept has moved here with all its purposes, see `read_choices`.
    let replaced =
        |old: &DestinationList| old.destination_id == id || lists.iter().any(|list| list.list_id == old.list_id);
    let gone: Vec<FormerList> = before
        .iter()
        .filter(|old| replaced(old) && !lists.iter().any(|list| is_same(old, list)))
        .map(|old| given_up(old, now))
        .collect();
    make_room(tx, rules, scope, gone.len(), now)?;
    tx.drop_destination_lists(scope, id)?;
    for former in &gone {
        tx.give_up_list(former)?;
    }
    for list in &lists {
        tx.set_destination_list(list)?;
        tx.take_list_up_again(scope, &list.list_id, list.purpose_id)?;
    }
    if !gone.is_empty() || lists.iter().any(|list| list.walked.is_some()) {
        remap::ask_for(tx, scope, now)?;
    }
    Ok(())
}

fn is_same(one: &DestinationList, other: &DestinationList) -> bool {
    (one.purpose_id, one.destination_id, &one.list_id) == (other.purpose_id, other.destination_id, &other.list_id)
}

fn given_up(old: &DestinationList, now: Timestamp) -> FormerList {
    FormerList {
        controller_id: old.controller_id,
        list_id: old.list_id.clone(),
        purpose_id: old.purpose_id,
        destination_id: old.destination_id,
        given_up_at: now,
        walked: Some(remap::BEGINNING),
    }
}

/// Lists given up are remembered, as a stop told there counts, but not without end.
fn make_room(
    tx: &mut WriteTx<'_>,
    rules: &Rules,
    scope: ControllerScope,
    more: usize,
    now: Timestamp,
) -> Result<(), Error> {
    let (more, most) = (i64::try_from(more).unwrap_or(i64::MAX), rules.limits.former_lists);
    let full = |tx: &mut WriteTx<'_>| {
        let known = i64::try_from(tx.former_lists(scope, most)?.len()).unwrap_or(i64::MAX);
        Ok::<_, Error>(known.saturating_add(more) > most)
    };
    if full(tx)? {
        tx.forget_former_lists(scope, now.minus(rules.former_list_kept))?;
        if full(tx)? {
            return Err(Error::field(
                "lists",
                "lists were changed too often of late; people have yet to leave old ones",
            ));
        }
    }
    Ok(())
}

fn read_choices(
    tx: &mut ReadTx<'_>,
    scope: ControllerScope,
    id: DestinationId,
    choices: &[ListChoice],
) -> Result<Vec<DestinationList>, Error> {
    let purposes = tx.purposes(scope)?;
    let elsewhere: Vec<DestinationList> =
        tx.destination_lists(scope)?.into_iter().filter(|list| list.destination_id != id).collect();
    // A list is at one destination. It moves here if everything that is kept on it does.
    let named: Vec<(PurposeId, &str)> = choices
        .iter()
        .filter_map(|choice| Some((shape::purpose_named(&purposes, &choice.purpose)?.id, choice.list_id.as_str())))
        .collect();
    let stays = |list: &&DestinationList| !named.contains(&(list.purpose_id, &list.list_id));
    let taken: Vec<&str> = elsewhere.iter().filter(stays).map(|list| list.list_id.as_str()).collect();
    let mut lists: Vec<DestinationList> = Vec::with_capacity(choices.len());
    let mut faults = Vec::new();
    for (index, choice) in choices.iter().enumerate() {
        let Some(purpose) = shape::purpose_named(&purposes, &choice.purpose) else {
            faults.push(FieldFault::new(format!("lists[{index}].purpose"), "there is no such purpose"));
            continue;
        };
        let list_id = shape::provider_id(&format!("lists[{index}].list_id"), &choice.list_id)?;
        if lists.iter().any(|list| (list.purpose_id, &list.list_id) == (purpose.id, &list_id)) {
            faults.push(FieldFault::new(
                format!("lists[{index}].purpose"),
                "this purpose was named for this list before",
            ));
        }
        if taken.contains(&list_id.as_str()) {
            let text = "another destination keeps a purpose on this list that is not named for it here";
            faults.push(FieldFault::new(format!("lists[{index}].list_id"), text));
        }
        if tx.round_of_list(scope, &list_id)?.is_some() {
            faults.push(FieldFault::new(format!("lists[{index}].list_id"), "this list was made for a round"));
        }
        lists.push(DestinationList {
            controller_id: scope.controller(),
            purpose_id: purpose.id,
            destination_id: id,
            list_id,
            walked: None,
            fields_at: None,
        });
    }
    if faults.is_empty() { Ok(lists) } else { Err(Error::Invalid(faults)) }
}
