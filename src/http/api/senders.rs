//! Senders: in whose name mail goes out.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::SenderId;
use crate::http::api::Page;
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::sites::Sender;
use crate::usecases::Services;
use crate::usecases::once::Asker;
use crate::usecases::senders::{NewSender, change_sender_rate, create_sender, find_sender, list_senders};

/// A sender to create.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SenderRequest {
    /// The visible name.
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"))]
    pub name: String,
    /// The from-address; ASCII before the `@`.
    pub address: String,
    /// Where answers go, if elsewhere.
    #[serde(default)]
    pub reply_to: Option<String>,
    /// The postal address in one line, shown at the foot of each mail.
    #[validate(length(min = 1, max = 200, message = "1 to 200 characters"))]
    pub postal: String,
    /// Mails in its name in an hour, at most; the operator may allow less. Confirmations count, and do not wait.
    #[serde(default)]
    #[validate(range(min = 60, max = 1_000_000, message = "a whole number from 60 to 1000000"))]
    #[schema(minimum = 60, maximum = 1_000_000)]
    pub max_per_hour: Option<u32>,
}

/// What may change about a sender. Who it is may not: people have seen it.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SenderPatch {
    /// Mails in its name in an hour, at most; `null` for as many as the operator allows. Those that wait for their turn
    /// keep it.
    #[serde(default, deserialize_with = "present")]
    #[validate(range(min = 60, max = 1_000_000, message = "a whole number from 60 to 1000000"))]
    #[schema(value_type = Option<u32>, minimum = 60, maximum = 1_000_000)]
    pub max_per_hour: Option<Option<u32>>,
}

/// Tells `null` from what is not there.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<u32>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// A sender.
#[derive(Serialize, ToSchema)]
pub struct SenderView {
    /// Its id.
    pub id: String,
    /// The visible name.
    pub name: String,
    /// The from-address.
    pub address: String,
    /// Where answers go, if elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
    /// The postal line.
    pub postal: String,
    /// Mails in its name in an hour, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_per_hour: Option<i32>,
    /// Since when.
    pub created_at: String,
}

impl From<Sender> for SenderView {
    fn from(sender: Sender) -> Self {
        Self {
            id: sender.id.to_string(),
            name: sender.name,
            address: sender.address,
            reply_to: sender.reply_to,
            postal: sender.postal,
            max_per_hour: sender.max_per_hour,
            created_at: sender.created_at.to_string(),
        }
    }
}

/// Create a sender.
#[utoipa::path(tag = "senders", operation_id = "create_sender", security(("token" = ["settings"])), request_body = SenderRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = SenderView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/senders")]
pub async fn create(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<SenderRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let SenderRequest { name, address, reply_to, postal, max_per_hour } = body.value;
    let new = NewSender { name, address, reply_to, postal, max_per_hour };
    let sender = create_sender(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(SenderView::from(sender)))
}

/// All senders.
#[utoipa::path(tag = "senders", operation_id = "list_senders", security(("token" = ["settings"])),
    responses((status = 200, description = "The list", body = Page<SenderView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/senders")]
pub async fn list(who: For<Settings>, services: Data<Services>) -> Result<Json<Page<SenderView>>, Problem> {
    let senders = list_senders(&services, who.scope).await?;
    Ok(Json(Page::whole(senders.into_iter().map(SenderView::from).collect())))
}

/// One sender.
#[utoipa::path(tag = "senders", operation_id = "show_sender", security(("token" = ["settings"])), params(("id" = String, Path, description = "The sender's id")),
    responses((status = 200, description = "The sender", body = SenderView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/senders/{id}")]
pub async fn show(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<Json<SenderView>, Problem> {
    let id: SenderId = path_id(&id)?;
    Ok(Json(find_sender(&services, who.scope, id).await?.into()))
}

/// Change how many mails may go out in a sender's name.
#[utoipa::path(tag = "senders", operation_id = "change_sender", security(("token" = ["settings"])), request_body = SenderPatch, params(("id" = String, Path, description = "The sender's id")),
    responses((status = 200, description = "The sender", body = SenderView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[patch("/senders/{id}")]
pub async fn change(
    who: For<Settings>,
    services: Data<Services>,
    path: Path<String>,
    body: ApiJson<SenderPatch>,
) -> Result<Json<SenderView>, Problem> {
    let id: SenderId = path_id(&path)?;
    let sender = match body.value.max_per_hour {
        Some(most) => change_sender_rate(&services, who.scope, id, most).await?,
        None => find_sender(&services, who.scope, id).await?,
    };
    Ok(Json(sender.into()))
}
