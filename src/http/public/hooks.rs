//! `/hooks/campaign-monitor/{secret}`: what Campaign Monitor tells us. Unsigned, so a hint: a stop is acted on, a start
//! is not believed (T-43).

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::extract::{read_body, refuse_encoding, settings};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::Services;
use crate::usecases::webhook::{find, receive};

/// What became of the batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct HookReceipt {
    /// Stops that were recorded.
    pub stopped: usize,
    /// Events that called for nothing.
    pub ignored: usize,
}

/// A delivery of Campaign Monitor's webhook.
#[utoipa::path(tag = "hooks", operation_id = "campaign_monitor_hook", security(()), params(("secret" = String, Path, description = "The secret in the webhook's address")), request_body(content = String, content_type = "application/json"),
    responses((status = 200, description = "Stored", body = HookReceipt), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/hooks/campaign-monitor/{secret}")]
pub async fn campaign_monitor(
    request: HttpRequest,
    services: Data<Services>,
    secret: Path<String>,
    payload: Payload,
) -> Result<Json<HookReceipt>, Problem> {
    refuse_encoding(&request)?;
    let destination = find(&services, &secret).await?;
    let body = read_body(&request, payload.into_inner(), settings(&request)?.hook_body_limit).await?;
    let received = receive(&services, &destination, &body).await?;
    Ok(Json(HookReceipt { stopped: received.stopped, ignored: received.ignored }))
}
