//! Single people: add (queued), update, details, unsubscribe, delete (reference section 5).

use super::body::{Fields, Row};
use super::call::{Call, Reply};
use super::desk::Desk;
use super::error::ApiError;
use super::model::{State, World};
use super::reading::Shown;
use jiff::Timestamp;
use serde_json::json;

type Answer = Result<Reply, ApiError>;

/// Refusals come at once; the row itself is only queued and visible later.
pub(super) fn add(desk: &mut Desk, list_id: &str, call: &Call) -> Answer {
    let body = call.body()?;
    let row = Row::of(&body, call.version)?;
    let resubscribe = Fields::of(&body)?.flag("Resubscribe")?;
    let list = desk.world.lists.get(list_id).ok_or_else(ApiError::unknown_list)?;
    desk.world.check_add(list, &row, resubscribe)?;
    desk.mind_repeats(list_id, &row.key())?;
    let email = row.email.clone();
    desk.queue_add(list_id, row, resubscribe)?;
    Ok(Reply::created(json!(email)))
}

/// The query names who it is now, the body who it shall be.
pub(super) fn update(desk: &mut Desk, list_id: &str, call: &Call, now: Timestamp) -> Answer {
    let current = call.email()?;
    let body = call.body()?;
    let row = Row::of(&body, call.version)?;
    let resubscribe = Fields::of(&body)?.flag("Resubscribe")?;
    desk.mind_repeats(list_id, &current.to_lowercase())?;
    desk.world.update(list_id, current, &row, resubscribe, now)?;
    Ok(Reply::done())
}

pub(super) fn details(world: &World, list_id: &str, call: &Call) -> Answer {
    let key = call.email()?.to_lowercase();
    let list = world.lists.get(list_id).ok_or_else(ApiError::unknown_list)?;
    let subscriber = list.subscribers.get(&key).ok_or_else(|| ApiError::input(203))?;
    let shown = Shown { sms: true, ..Shown::on_pages(call) };
    Ok(Reply::read(world.subscriber_json(list, subscriber, shown)))
}

pub(super) fn unsubscribe(world: &mut World, list_id: &str, call: &Call, now: Timestamp) -> Answer {
    let body = call.body()?;
    let email = Fields::of(&body)?.text("EmailAddress")?.unwrap_or_default();
    if email.trim().is_empty() {
        return Err(ApiError::input(1));
    }
    world.unsubscribe(list_id, &email, now)?;
    Ok(Reply::done())
}

/// A change of state, not an erasure: the record stays readable and nothing is suppressed.
pub(super) fn delete(world: &mut World, list_id: &str, call: &Call, now: Timestamp) -> Answer {
    let key = call.email()?.to_lowercase();
    if world.deactivate(list_id, &key, State::Deleted, "Deleted", now) {
        Ok(Reply::done())
    } else {
        Err(ApiError::input(203))
    }
}

/// Nobody opens campaigns in the sandbox, so everybody's history is empty.
pub(super) fn history(world: &mut World, list_id: &str, call: &Call) -> Answer {
    let key = call.email()?.to_lowercase();
    match world.list(list_id)?.subscribers.get(&key) {
        Some(_) => Ok(Reply::read(json!([]))),
        None => Err(ApiError::input(203)),
    }
}
