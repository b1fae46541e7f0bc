//! Managing webhooks of a list (reference section 7).

use super::body::Fields;
use super::call::{Call, HookTest, Reply};
use super::desk::Desk;
use super::error::ApiError;
use super::model::{Webhook, World, new_id};
use serde_json::json;

/// Most webhooks of one list here.
const HOOK_LIMIT: usize = 20;

type Answer = Result<Reply, ApiError>;

pub(super) fn all(world: &mut World, list_id: &str) -> Answer {
    let hooks: Vec<_> = world
        .list(list_id)?
        .webhooks
        .iter()
        .map(|hook| {
            json!({
                "WebhookID": hook.id,
                "Events": hook.events,
                "Url": hook.url,
                "Status": if hook.active { "Active" } else { "Deactivated" },
                "PayloadFormat": "Json",
            })
        })
        .collect();
    Ok(Reply::read(json!(hooks)))
}

pub(super) fn create(world: &mut World, list_id: &str, call: &Call) -> Answer {
    let body = call.body()?;
    let fields = Fields::of(&body)?;
    let url = fields.text("Url")?.unwrap_or_default();
    let http = url::Url::parse(&url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if !http {
        return Err(ApiError::input(601));
    }
    // The provider also writes XML; this emulator delivers JSON only and says so instead of pretending.
    if !fields.text("PayloadFormat")?.unwrap_or_default().eq_ignore_ascii_case("json") {
        return Err(ApiError::input(602));
    }
    let events = fields
        .texts("Events")?
        .iter()
        .map(|event| {
            ["Subscribe", "Update", "Deactivate"]
                .into_iter()
                .find(|known| known.eq_ignore_ascii_case(event))
                .map(str::to_owned)
        })
        .collect::<Option<Vec<_>>>()
        .filter(|events| !events.is_empty())
        .ok_or_else(|| ApiError::input(603))?;
    let list = world.list(list_id)?;
    if list.webhooks.len() >= HOOK_LIMIT {
        return Err(ApiError::new(400, 601, "The sandbox list has too many webhooks"));
    }
    let id = new_id();
    list.webhooks.push(Webhook { id: id.clone(), events, url, active: true });
    Ok(Reply::created(json!(id)))
}

pub(super) fn test(world: &mut World, list_id: &str, hook: &str) -> Answer {
    let url = find(world, list_id, hook)?.url.clone();
    Ok(Reply { test: Some(HookTest { url, list_id: list_id.to_owned() }), ..Reply::done() })
}

pub(super) fn switch(desk: &mut Desk, list_id: &str, hook: &str, on: bool) -> Answer {
    find(&mut desk.world, list_id, hook)?.active = on;
    if on {
        desk.hooks.remove(hook);
    }
    Ok(Reply::done())
}

pub(super) fn delete(desk: &mut Desk, list_id: &str, hook: &str) -> Answer {
    find(&mut desk.world, list_id, hook)?;
    desk.world.list(list_id)?.webhooks.retain(|known| known.id != hook);
    desk.hooks.remove(hook);
    Ok(Reply::done())
}

fn find<'a>(world: &'a mut World, list_id: &str, hook: &str) -> Result<&'a mut Webhook, ApiError> {
    world.list(list_id)?.webhooks.iter_mut().find(|known| known.id == hook).ok_or_else(ApiError::not_found)
}
