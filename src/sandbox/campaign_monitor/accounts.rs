//! Account and client level calls (reference sections 9 and 10).

use super::api::Scope;
use super::body::{Fields, is_email};
use super::call::{Call, Reply};
use super::clock;
use super::desk::Desk;
use super::error::ApiError;
use super::model::World;
use super::orders::OrderBy;
use super::reading::Paging;
use super::suppressed::Suppression;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Most addresses taken in one `suppress` call here.
const SUPPRESS_LIMIT: usize = 1_000;

type Answer = Result<Reply, ApiError>;

pub(super) fn system_date(world: &World, now: Timestamp) -> Answer {
    let date = clock::seconds(now, &world.account_zone);
    Ok(Reply::read(json!({"SystemDate": date})))
}

pub(super) fn time_zones() -> Answer {
    let labels: Vec<_> = clock::ZONES.iter().map(|(label, _)| *label).collect();
    Ok(Reply::read(json!(labels)))
}

pub(super) fn countries() -> Answer {
    Ok(Reply::read(json!([
        "Austria",
        "Belgium",
        "Denmark",
        "France",
        "Germany",
        "Ireland",
        "Italy",
        "Netherlands",
        "Norway",
        "Poland",
        "Spain",
        "Sweden",
        "Switzerland",
        "United Kingdom",
        "United States of America"
    ])))
}

pub(super) fn clients(world: &World, scope: &Scope) -> Answer {
    let seen: Vec<_> = world
        .clients
        .values()
        .filter(|client| match scope {
            Scope::Account | Scope::Granted(_) => true,
            Scope::Client(own) => *own == client.id,
        })
        .map(|client| json!({"ClientID": client.id, "Name": client.name}))
        .collect();
    Ok(Reply::read(json!(seen)))
}

pub(super) fn client(world: &mut World, id: &str) -> Answer {
    let client = world.client(id)?;
    Ok(Reply::read(json!({
        "ApiKey": client.api_key,
        "BasicDetails": {
            "ClientID": client.id,
            "CompanyName": client.name,
            "ContactName": "",
            "EmailAddress": "",
            "Country": "",
            "TimeZone": clock::label(&client.zone),
        },
        "BillingDetails": {},
    })))
}

/// A list that was just made is not here yet, and one that was just removed still is, while the list of lists
/// lags (section 6.1).
pub(super) fn lists(desk: &Desk, client_id: &str) -> Answer {
    let lagging: Vec<_> = desk.lagging(client_id).collect();
    let is_new = |id: &str| lagging.iter().any(|lag| !lag.gone && lag.list_id == id);
    let there = desk.world.lists.values().filter(|list| list.client_id == client_id && !is_new(&list.id));
    let gone = lagging.iter().filter(|lag| lag.gone).map(|lag| (&lag.list_id, &lag.title));
    let lists: Vec<_> = there
        .map(|list| (&list.id, &list.title))
        .chain(gone)
        .map(|(id, title)| json!({"ListID": id, "Name": title}))
        .collect();
    Ok(Reply::read(json!(lists)))
}

/// Every state counts: being named here does not mean being subscribed.
pub(super) fn lists_for_email(world: &World, client_id: &str, call: &Call) -> Answer {
    let key = call.email()?.to_lowercase();
    let lists: Vec<_> = world
        .lists
        .values()
        .filter(|list| list.client_id == client_id)
        .filter_map(|list| list.subscribers.get(&key).map(|subscriber| (list, subscriber)))
        .map(|(list, subscriber)| {
            json!({
                "ListID": list.id,
                "ListName": list.title,
                "SubscriberState": subscriber.state.name(),
                "DateSubscriberAdded": clock::seconds(subscriber.joined_at, world.zone_of_list(&list.id)),
            })
        })
        .collect();
    Ok(Reply::read(json!(lists)))
}

pub(super) fn suppression_list(world: &mut World, client_id: &str, call: &Call) -> Answer {
    let paging = Paging::of(call, &[OrderBy::Email, OrderBy::Date], OrderBy::Email)?;
    let client = world.client(client_id)?;
    let zone = client.zone.clone();
    let show = |row: &&Suppression| -> Value {
        json!({
            "SuppressionReason": row.reason,
            "EmailAddress": row.email,
            "Date": clock::seconds(row.at, &zone),
            "State": "Suppressed",
        })
    };
    let (rows, total) = client.suppressed.page(paging.window());
    Ok(Reply::read(paging.envelope(&rows, total, show)))
}

pub(super) fn suppress(world: &mut World, client_id: &str, call: &Call, now: Timestamp) -> Answer {
    let body = call.body()?;
    let emails = Fields::of(&body)?.texts("EmailAddresses")?;
    if emails.len() > SUPPRESS_LIMIT || emails.is_empty() || !emails.iter().all(|e| is_email(e.trim())) {
        return Err(ApiError::input(1));
    }
    for email in emails {
        world.suppress(client_id, &email, "Reason Unavailable", now);
    }
    Ok(Reply::done())
}

/// Takes the address off the list and re-activates nothing.
pub(super) fn unsuppress(world: &mut World, client_id: &str, call: &Call) -> Answer {
    let key = call.email()?.to_lowercase();
    if world.client(client_id)?.suppressed.remove(&key) { Ok(Reply::done()) } else { Err(ApiError::input(176)) }
}
