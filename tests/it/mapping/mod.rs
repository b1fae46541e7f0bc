//! Which purposes are kept on which lists, and what is written there about a person.

mod erased;
mod fields;
mod histories;
mod lists;
mod state;
mod storms;

use reconsent::sandbox::campaign_monitor::State;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::world::{CLIENT, Shop, World, eventually};

/// Says what is kept where, as pairs of purpose and list.
async fn keep(app: &TestApp, destination: &str, pairs: &[(&str, &str)]) {
    let lists: Vec<Value> =
        pairs.iter().map(|(purpose, list)| json!({ "purpose": purpose, "list_id": list })).collect();
    app.api().put(&format!("/v1/destinations/{destination}/lists"), json!({ "lists": lists })).await.expect(200);
}

/// Has a list made ready for a purpose, with our webhook; gives its id.
async fn ready(app: &TestApp, shop: &Shop, list: Value) -> String {
    let mut wanted = json!({ "purpose": "newsletter", "also": true });
    wanted.as_object_mut().unwrap().extend(list.as_object().unwrap().clone());
    let path = format!("/v1/destinations/{}/lists", shop.destination);
    app.api().post(&path, wanted).await.expect(200).text("list_id")
}

/// A person stops some purposes, by word of the staff.
async fn stop(app: &TestApp, address: &str, purposes: &[&str]) {
    let subject = app.subject_of(address).await;
    let order = json!({ "purposes": purposes, "reason": "withdrawn" });
    app.api().post(&format!("/v1/subjects/{subject}/stop"), order).await.expect(200);
}

/// The purposes for which a person's consent holds, in the order of their names.
async fn held(app: &TestApp, address: &str) -> Vec<String> {
    let subject = app.subject_of(address).await;
    let view = app.api().get(&format!("/v1/subjects/{subject}")).await.expect(200).json;
    let suppressed = |slug: &str| {
        let entries = view["suppressions"].as_array().unwrap().iter();
        entries
            .clone()
            .any(|entry| entry["lifted_at"].is_null() && (entry["purpose"] == slug || entry["purpose"] == "*"))
    };
    let valid = view["purposes"].as_array().unwrap().iter();
    let valid = valid.filter(|one| matches!(one["effective_state"].as_str(), Some("confirmed" | "renewed")));
    let mut names: Vec<String> = valid.map(|one| one["purpose"].as_str().unwrap().to_owned()).collect();
    names.retain(|slug| !suppressed(slug));
    names.sort_unstable();
    names
}

/// A custom field of a person on a list.
fn field(world: &World, list: &str, address: &str, key: &str) -> Option<String> {
    let found = world.emulator.subscriber(list, address)?;
    found.fields.into_iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

/// Waits until a custom field of a person says so.
async fn until_field(world: &World, list: &str, address: &str, key: &str, value: &str) {
    eventually(&format!("{key} of {address} is {value:?}"), async || {
        (field(world, list, address, key).as_deref() == Some(value)).then_some(())
    })
    .await;
}

fn is_active(world: &World, list: &str, address: &str) -> bool {
    world.emulator.subscriber(list, address).is_some_and(|found| found.state == State::Active)
}

fn is_suppressed(world: &World, address: &str) -> bool {
    world.emulator.is_suppressed(CLIENT, address)
}

/// A person says yes to a purpose of the shop: the first time by a form, after a stop by a form and the link in the mail
/// that asks whether it was them.
async fn yes(app: &TestApp, shop: &Shop, purpose: &str, address: &str) {
    let before = app.api().post("/v1/subjects/search", json!({ "email": address })).await.expect(200).json;
    let known = before["subject"]["purposes"].as_array().cloned().unwrap_or_default();
    let stands = known.iter().find(|one| one["purpose_id"] == purpose).map(|one| one["effective_state"].clone());
    match stands.as_ref().and_then(Value::as_str) {
        Some("confirmed" | "renewed") => {}
        None => drop(app.consenting(address, purpose, &shop.notice, &shop.policy_version).await),
        Some(_) => app.confirming(address, purpose, &shop.notice, &shop.policy_version).await,
    }
}
