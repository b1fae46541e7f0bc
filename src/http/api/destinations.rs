//! Destinations: where confirmed subscribers are kept in step.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post, put};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::destination::OnExpiry;
use crate::domain::ids::DestinationId;
use crate::http::api::Page;
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::connection::replace_key;
use crate::usecases::destination_fields::{FieldChoice, FieldKind, maps_of, set_fields};
use crate::usecases::destinations::{
    ApiKey, DestinationWithLists, ListChoice, NewCredential, NewDestination, create_destination, find_destination,
    list_destinations, set_lists, set_on_expiry,
};
use crate::usecases::error::FieldFault;
use crate::usecases::once::Asker;
use crate::usecases::{Error, Services};

/// A destination to create.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationRequest {
    /// Where its API is; `https://api.createsend.com` unless said otherwise.
    #[serde(default)]
    pub base_url: Option<String>,
    /// The client at the provider.
    pub client_id: String,
    /// The API key of that client. It is kept sealed and never shown again.
    #[serde(default)]
    pub api_key: Option<String>,
    /// In place of an API key: a connection by OAuth that somebody has allowed.
    #[serde(default)]
    pub connection_id: Option<String>,
    /// The zone of that client in the IANA list, such as `Europe/London`: the provider's dates have no offset.
    pub time_zone: String,
    /// What becomes of a person there whose consent has run to its end: `remove`, unless said otherwise, or `unsubscribe`.
    /// An expiry is no word of the person; an unsubscribe there reads as one.
    #[serde(default)]
    pub on_expiry: Option<String>,
}

/// What is to be changed about a destination; what is not named stays.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DestinationChange {
    /// What becomes of a person there whose consent runs to its end: `remove` or `unsubscribe`.
    #[serde(default)]
    pub on_expiry: Option<String>,
    /// Another API key, in place of the one before or of a connection by OAuth. It is tried at the provider before it is
    /// kept, and work that was parked as the one before was not taken goes on.
    #[serde(default)]
    pub api_key: Option<String>,
}

/// What a custom field there takes.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldTypeName {
    /// Words, cut to 250 characters.
    Text,
    /// A number; what does not read as one is left out.
    Number,
    /// A day, as 2026-09-01; what does not read as one is left out.
    Date,
}

/// A custom field there, and where its value comes from.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldMapping {
    /// `fields.` and the name of a custom field of the person, or `language`: that of the notice shown at the newest yes.
    pub source: String,
    /// The name of the custom field there.
    pub name: String,
    /// What it takes.
    #[serde(rename = "type")]
    pub kind: FieldTypeName,
}

/// The further custom fields of a destination, in place of those before.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldsRequest {
    /// At most 50. The proof of the consent is written in any case. A field that is no longer named is emptied there.
    #[validate(length(max = 50, message = "at most 50"))]
    pub fields: Vec<FieldMapping>,
}

/// One of the two, by which the provider is to be spoken to.
pub(super) fn credential_in(api_key: Option<String>, connection: Option<String>) -> Result<NewCredential, Error> {
    match (api_key, connection) {
        (Some(key), None) => Ok(NewCredential::ApiKey(ApiKey::new(key))),
        (None, Some(id)) => {
            let id = id.parse().map_err(|_| Error::field("connection_id", "there is none with this id"))?;
            Ok(NewCredential::Connection(id))
        }
        (None, None) | (Some(_), Some(_)) => {
            let text = "expected either api_key or connection_id";
            Err(Error::Invalid(vec![FieldFault::new("api_key", text), FieldFault::new("connection_id", text)]))
        }
    }
}

/// A purpose and the list that it is kept on.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListRequest {
    /// The purpose, by short name or id.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub purpose: String,
    /// The provider's list.
    #[validate(length(min = 1, max = 64, message = "1 to 64 characters"))]
    pub list_id: String,
}

/// The lists of a destination, in place of those before.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListsRequest {
    /// Purposes and lists, each pair once: a list may serve several purposes, a purpose be kept on several lists.
    #[validate(length(max = 100, message = "at most 100"), nested)]
    pub lists: Vec<ListRequest>,
}

/// A purpose and the list that it is kept on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListView {
    /// The purpose's id.
    pub purpose_id: String,
    /// The provider's list.
    pub list_id: String,
}

/// A destination, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
pub struct DestinationView {
    /// Its id.
    pub id: String,
    /// Where its API is.
    pub base_url: String,
    /// The client there.
    pub client_id: String,
    /// The zone of that client.
    pub time_zone: String,
    /// What the provider is spoken to with: `api_key` or `oauth`.
    pub credential: String,
    /// The connection by OAuth has ended: begin it again.
    pub connect_again: bool,
    /// Which purposes are kept on which lists.
    pub lists: Vec<ListView>,
    /// What else is written there beside the proof of the consent.
    pub fields: Vec<FieldMapping>,
    /// Custom fields there that were written before, and are emptied.
    pub emptied_fields: Vec<String>,
    /// What a design there has to hold for each reader to come to their own preferences: the token of each stands in the
    /// custom field `ReconsentPreferences` of every list that was made ready.
    pub preference_link: String,
    /// What becomes of a person there whose consent has run to its end: `remove` or `unsubscribe`.
    pub on_expiry: String,
    /// Since when.
    pub created_at: String,
}

/// A new destination, with the address for the provider's webhooks.
#[derive(Serialize, ToSchema)]
pub struct CreatedDestination {
    /// The destination.
    #[serde(flatten)]
    pub view: DestinationView,
    /// The address to register with the provider. Its last part is a secret and is shown here only.
    pub webhook_url: String,
}

impl From<FieldKind> for FieldTypeName {
    fn from(kind: FieldKind) -> Self {
        match kind {
            FieldKind::Text => Self::Text,
            FieldKind::Number => Self::Number,
            FieldKind::Date => Self::Date,
        }
    }
}

impl From<FieldTypeName> for FieldKind {
    fn from(name: FieldTypeName) -> Self {
        match name {
            FieldTypeName::Text => Self::Text,
            FieldTypeName::Number => Self::Number,
            FieldTypeName::Date => Self::Date,
        }
    }
}

impl TryFrom<DestinationWithLists> for DestinationView {
    type Error = Error;

    fn try_from(found: DestinationWithLists) -> Result<Self, Error> {
        let DestinationWithLists { destination, lists, connect_again, preference_link } = found;
        let (mut fields, mut emptied_fields) = (Vec::new(), Vec::new());
        for map in maps_of(&destination)? {
            match map.source {
                Some(source) => {
                    fields.push(FieldMapping { source: source.into(), name: map.name, kind: map.kind.into() });
                }
                None => emptied_fields.push(map.name),
            }
        }
        let view = |one: crate::store::destinations::DestinationList| ListView {
            purpose_id: one.purpose_id.to_string(),
            list_id: one.list_id,
        };
        Ok(Self {
            id: destination.id.to_string(),
            base_url: destination.base_url,
            client_id: destination.client_id,
            time_zone: destination.time_zone,
            credential: if destination.connection_id.is_some() { "oauth" } else { "api_key" }.to_owned(),
            connect_again,
            lists: lists.into_iter().map(view).collect(),
            fields,
            emptied_fields,
            preference_link,
            on_expiry: destination.on_expiry.to_string(),
            created_at: destination.created_at.to_string(),
        })
    }
}

/// Create a destination.
#[utoipa::path(tag = "destinations", operation_id = "create_destination", security(("token" = ["settings"])), request_body = DestinationRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = CreatedDestination), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations")]
pub async fn create(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<DestinationRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let DestinationRequest { base_url, client_id, api_key, connection_id, time_zone, on_expiry } = body.value;
    let credential = credential_in(api_key, connection_id)?;
    let on_expiry = on_expiry.as_deref().map(on_expiry_named).transpose()?;
    let new = NewDestination { base_url, client_id, credential, time_zone, on_expiry };
    let asker = Asker::controller(who.scope, who.token);
    let (found, webhook_url) = create_destination(&services, asker, key, new).await?;
    Ok(HttpResponse::Created().json(CreatedDestination { view: found.try_into()?, webhook_url }))
}

/// All destinations.
#[utoipa::path(tag = "destinations", operation_id = "list_destinations", security(("token" = ["settings"])),
    responses((status = 200, description = "The list", body = Page<DestinationView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations")]
pub async fn list(who: For<Settings>, services: Data<Services>) -> Result<Json<Page<DestinationView>>, Problem> {
    let found = list_destinations(&services, who.scope).await?;
    let views = found.into_iter().map(DestinationView::try_from).collect::<Result<Vec<_>, _>>()?;
    Ok(Json(Page::whole(views)))
}

/// One destination.
#[utoipa::path(tag = "destinations", operation_id = "show_destination", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations/{id}")]
pub async fn show(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<DestinationView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    Ok(Json(find_destination(&services, who.scope, id).await?.try_into()?))
}

/// Say which purposes are kept on which lists of a destination, in place of what was said before.
#[utoipa::path(tag = "destinations", operation_id = "set_destination_lists", security(("token" = ["settings"])), request_body = ListsRequest, params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[put("/destinations/{id}/lists")]
pub async fn replace_lists(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<ListsRequest>,
) -> Result<Json<DestinationView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let choices = body.value.lists.into_iter().map(|one| ListChoice { purpose: one.purpose, list_id: one.list_id });
    Ok(Json(set_lists(&services, who.scope, id, choices.collect()).await?.try_into()?))
}

fn on_expiry_named(name: &str) -> Result<OnExpiry, Error> {
    OnExpiry::from_name(name).ok_or_else(|| Error::field("on_expiry", "expected remove or unsubscribe"))
}

/// Change what becomes of people at a destination whose consent runs to its end, or the API key.
#[utoipa::path(tag = "destinations", operation_id = "change_destination", security(("token" = ["settings"])), request_body = DestinationChange, params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[patch("/destinations/{id}")]
pub async fn change(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<DestinationChange>,
) -> Result<Json<DestinationView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let DestinationChange { on_expiry, api_key } = body.value;
    if on_expiry.is_none() && api_key.is_none() {
        return Err(Error::field("on_expiry", "name what is to change: on_expiry, api_key").into());
    }
    let on_expiry = on_expiry.as_deref().map(on_expiry_named).transpose()?;
    if let Some(key) = api_key {
        replace_key(&services, Asker::controller(who.scope, who.token), id, ApiKey::new(key)).await?;
    }
    if let Some(on_expiry) = on_expiry {
        set_on_expiry(&services, who.scope, id, on_expiry).await?;
    }
    Ok(Json(find_destination(&services, who.scope, id).await?.try_into()?))
}

/// Say which further fields are written at a destination, in place of what was said before. Everybody there is brought in
/// step by and by; a list that lacks a field is told by the check, and given it by getting the list ready.
#[utoipa::path(tag = "destinations", operation_id = "set_destination_fields", security(("token" = ["settings"])), request_body = FieldsRequest, params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The destination", body = DestinationView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[put("/destinations/{id}/fields")]
pub async fn replace_fields(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<FieldsRequest>,
) -> Result<Json<DestinationView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let choices = body.value.fields.into_iter();
    let choices = choices.map(|one| FieldChoice { source: one.source, name: one.name, kind: one.kind.into() });
    Ok(Json(set_fields(&services, who.scope, id, choices.collect()).await?.try_into()?))
}
