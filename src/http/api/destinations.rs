//! Destinations: where confirmed subscribers are kept in step.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post, put};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::DestinationId;
use crate::http::api::Page;
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::Services;
use crate::usecases::destinations::{
    ApiKey, DestinationWithLists, ListChoice, NewDestination, create_destination, find_destination, list_destinations,
    set_lists,
};
use crate::usecases::once::Asker;

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
    pub api_key: String,
    /// The zone of that client in the IANA list, such as `Europe/London`: the provider's dates have no offset.
    pub time_zone: String,
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
    /// Which purposes are kept on which lists.
    pub lists: Vec<ListView>,
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

impl From<DestinationWithLists> for DestinationView {
    fn from(found: DestinationWithLists) -> Self {
        let DestinationWithLists { destination, lists } = found;
        let view = |one: crate::store::destinations::DestinationList| ListView {
            purpose_id: one.purpose_id.to_string(),
            list_id: one.list_id,
        };
        Self {
            id: destination.id.to_string(),
            base_url: destination.base_url,
            client_id: destination.client_id,
            time_zone: destination.time_zone,
            lists: lists.into_iter().map(view).collect(),
            created_at: destination.created_at.to_string(),
        }
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
    let DestinationRequest { base_url, client_id, api_key, time_zone } = body.value;
    let new = NewDestination { base_url, client_id, api_key: ApiKey::new(api_key), time_zone };
    let asker = Asker::controller(who.scope, who.token);
    let (found, webhook_url) = create_destination(&services, asker, key, new).await?;
    Ok(HttpResponse::Created().json(CreatedDestination { view: found.into(), webhook_url }))
}

/// All destinations.
#[utoipa::path(tag = "destinations", operation_id = "list_destinations", security(("token" = ["settings"])),
    responses((status = 200, description = "The list", body = Page<DestinationView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations")]
pub async fn list(who: For<Settings>, services: Data<Services>) -> Result<Json<Page<DestinationView>>, Problem> {
    let found = list_destinations(&services, who.scope).await?;
    Ok(Json(Page::whole(found.into_iter().map(DestinationView::from).collect())))
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
    Ok(Json(find_destination(&services, who.scope, id).await?.into()))
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
    Ok(Json(set_lists(&services, who.scope, id, choices.collect()).await?.into()))
}
