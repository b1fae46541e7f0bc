//! Authentication and routing: which rule answers which call.
//!
//! Promises: authentication comes before routing; a client key sees its own client only. Each route
//! is one function in the module of its field.

use super::call::{Address, Call, Reply};
use super::desk::Desk;
use super::error::ApiError;
use super::{accounts, custom_fields, importing, lists, oauth, subscribers, transactional, webhooks};
use data_encoding::BASE64;
use jiff::Timestamp;
use serde_json::json;

/// What a credential may see.
pub(super) enum Scope {
    Account,
    Client(String),
    /// What somebody allowed an app.
    Granted(Vec<String>),
}

/// What an access token does when presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenState {
    /// Works like the account key.
    Valid,
    /// Answers Code 121.
    Expired,
    /// Answers Code 122.
    Revoked,
}

pub(super) fn answer(
    desk: &mut Desk,
    address: Address,
    authorization: Option<&str>,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    if matches!(address, Address::Foreign) {
        return Err(ApiError::not_found());
    }
    let scope = authenticate(desk, authorization, now)?;
    match address {
        Address::Api(call) => route(desk, &call, &scope, now),
        Address::Unknown | Address::Foreign => Err(ApiError::not_found()),
    }
}

fn authenticate(desk: &Desk, authorization: Option<&str>, now: Timestamp) -> Result<Scope, ApiError> {
    let refused = || ApiError::new(401, 100, "Invalid API Key");
    let (scheme, value) = authorization.and_then(|header| header.split_once(' ')).ok_or_else(refused)?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return match desk.tokens.get(value.trim()) {
            Some(TokenState::Valid) => Ok(Scope::Account),
            Some(TokenState::Expired) => Err(ApiError::new(401, 121, "Expired OAuth Token")),
            Some(TokenState::Revoked) => Err(ApiError::new(401, 122, "Revoked OAuth Token")),
            None => desk.world.oauth.present(value.trim(), now).map(Scope::Granted),
        };
    }
    let key = Some(value.trim())
        .filter(|_| scheme.eq_ignore_ascii_case("basic"))
        .and_then(|value| BASE64.decode(value.as_bytes()).ok())
        .and_then(|pair| String::from_utf8(pair).ok())
        // Any password will do.
        .map(|pair| pair.split(':').next().unwrap_or_default().to_owned())
        .ok_or_else(refused)?;
    if key == desk.world.account_key {
        return Ok(Scope::Account);
    }
    desk.world
        .clients
        .values()
        .find(|client| client.api_key == key)
        .map(|client| Scope::Client(client.id.clone()))
        .ok_or_else(refused)
}

impl Scope {
    fn allows_client(&self, id: &str) -> Result<(), ApiError> {
        match self {
            Self::Client(own) if own != id => Err(ApiError::foreign_client()),
            _ => Ok(()),
        }
    }

    fn allows_list(&self, desk: &mut Desk, id: &str) -> Result<(), ApiError> {
        let client_id = desk.world.list(id)?.client_id.clone();
        self.allows_client(&client_id)
    }
}

fn route(desk: &mut Desk, call: &Call, scope: &Scope, now: Timestamp) -> Result<Reply, ApiError> {
    let path: Vec<&str> = call.path.iter().map(String::as_str).collect();
    if let Scope::Granted(scopes) = scope {
        oauth::permits(scopes, &call.method, &path)?;
    }
    match path.as_slice() {
        ["clients", id, ..] => {
            scope.allows_client(id)?;
            desk.world.client(id)?;
        }
        // The id behind `lists/` is the client's when a list is created (section 3).
        ["lists", id] if call.method == "POST" => {
            scope.allows_client(id)?;
            desk.world.client(id)?;
        }
        ["lists" | "subscribers", id, ..] => scope.allows_list(desk, id)?,
        ["transactional", rest @ ..] => return transactional::route(desk, call, rest, scope, now),
        _ => {}
    }
    match (call.method.as_str(), path.as_slice()) {
        ("GET", ["systemdate"]) => accounts::system_date(&desk.world, now),
        ("GET", ["timezones"]) => accounts::time_zones(),
        ("GET", ["countries"]) => accounts::countries(),
        ("GET", ["billingdetails"]) => Err(ApiError::new(403, 403, "Only for agency accounts")),
        ("GET", ["clients"]) => accounts::clients(&desk.world, scope),
        ("GET", ["clients", id]) => accounts::client(&mut desk.world, id),
        ("GET", ["clients", id, "lists"]) => accounts::lists(desk, id),
        ("GET", ["clients", id, "segments"]) if !id.is_empty() => Ok(Reply::read(json!([]))),
        ("GET", ["clients", id, "listsforemail"]) => accounts::lists_for_email(&desk.world, id, call),
        ("GET", ["clients", id, "suppressionlist"]) => accounts::suppression_list(&mut desk.world, id, call),
        ("POST", ["clients", id, "suppress"]) => accounts::suppress(&mut desk.world, id, call, now),
        ("PUT", ["clients", id, "unsuppress"]) => accounts::unsuppress(&mut desk.world, id, call),

        ("POST", ["lists", client]) => lists::create(desk, client, call),
        ("GET", ["lists", id]) => lists::details(&mut desk.world, id),
        ("PUT", ["lists", id]) => lists::update(&mut desk.world, id, call, now),
        ("DELETE", ["lists", id]) => lists::delete(desk, id),
        ("GET", ["lists", id, "stats"]) => lists::stats(&mut desk.world, id, now),
        ("GET", ["lists", id, "segments"]) if !id.is_empty() => Ok(Reply::read(json!([]))),
        ("GET", ["lists", id, "customfields"]) => custom_fields::all(&mut desk.world, id),
        ("POST", ["lists", id, "customfields"]) => custom_fields::create(&mut desk.world, id, call),
        ("PUT", ["lists", id, "customfields", key]) => custom_fields::rename(&mut desk.world, id, key, call),
        ("PUT", ["lists", id, "customfields", key, "options"]) => {
            custom_fields::options(&mut desk.world, id, key, call)
        }
        ("DELETE", ["lists", id, "customfields", key]) => custom_fields::delete(&mut desk.world, id, key),
        ("GET", ["lists", id, "webhooks"]) => webhooks::all(&mut desk.world, id),
        ("POST", ["lists", id, "webhooks"]) => webhooks::create(&mut desk.world, id, call),
        ("GET", ["lists", id, "webhooks", hook, "test"]) => webhooks::test(&mut desk.world, id, hook),
        ("PUT", ["lists", id, "webhooks", hook, "activate"]) => webhooks::switch(desk, id, hook, true),
        ("PUT", ["lists", id, "webhooks", hook, "deactivate"]) => webhooks::switch(desk, id, hook, false),
        ("DELETE", ["lists", id, "webhooks", hook]) => webhooks::delete(desk, id, hook),
        ("GET", ["lists", id, state]) => lists::state_page(&mut desk.world, id, state, call),

        ("POST", ["subscribers", list]) => subscribers::add(desk, list, call),
        ("PUT", ["subscribers", list]) => subscribers::update(desk, list, call, now),
        ("GET", ["subscribers", list]) => subscribers::details(&desk.world, list, call),
        ("DELETE", ["subscribers", list]) => subscribers::delete(&mut desk.world, list, call, now),
        ("POST", ["subscribers", list, "import"]) => importing::import(&mut desk.world, list, call, now),
        ("POST", ["subscribers", list, "unsubscribe"]) => subscribers::unsubscribe(&mut desk.world, list, call, now),
        ("GET", ["subscribers", list, "history"]) => subscribers::history(&mut desk.world, list, call),
        _ => Err(ApiError::not_found()),
    }
}
