//! What is looked after at a destination: its webhook's secret, and how often both sides are compared.

use actix_web::web::{Data, Json, Path};
use actix_web::{get, post, put};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::DestinationId;
use crate::domain::reconcile::{Difference, Differences};
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::upkeep::Upkeep;
use crate::usecases::upkeep::{find_upkeep, rotate_webhook, set_upkeep};
use crate::usecases::{Error, Services};

/// What is looked after.
#[derive(Debug, Serialize, ToSchema)]
pub struct UpkeepView {
    /// Days between two comparisons of both sides; 0: only when asked for.
    pub reconcile_every_days: i16,
    /// Kinds of differences that are put right without asking. Those that can only stop somebody's mail always are.
    pub automatic: Vec<String>,
    /// When both sides were last compared, or began to be.
    pub reconciled_at: Option<String>,
    /// When the webhooks were last looked at.
    pub watched_at: Option<String>,
}

impl From<Upkeep> for UpkeepView {
    fn from(upkeep: Upkeep) -> Self {
        let automatic = Differences::from_bits(upkeep.automatic).and(Differences::STOPS);
        Self {
            reconcile_every_days: upkeep.reconcile_every,
            automatic: automatic.iter().map(|kind| kind.name().to_owned()).collect(),
            reconciled_at: upkeep.reconciled_at.map(|at| at.to_string()),
            watched_at: upkeep.watched_at.map(|at| at.to_string()),
        }
    }
}

/// What is to be looked after.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpkeepRequest {
    /// Days between two comparisons of both sides, 365 at most; 0: only when asked for.
    pub reconcile_every_days: i16,
    /// Kinds of differences to put right without asking, beside the stops: `unknown_there`, `missing_there`,
    /// `fields_differ`.
    #[validate(length(max = 20, message = "at most 20"))]
    pub automatic: Vec<String>,
}

/// Differences by their names, the field that holds them being `field`.
pub(super) fn differences(field: &str, names: &[String]) -> Result<Differences, Error> {
    let known: Result<Differences, Error> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            Difference::from_name(name).ok_or_else(|| {
                let all: Vec<&str> = Difference::ALL.iter().map(|kind| kind.name()).collect();
                Error::field(format!("{field}[{at}]"), format!("expected one of {}", all.join(", ")))
            })
        })
        .collect();
    known
}

/// A webhook's new address.
#[derive(Serialize, ToSchema)]
pub struct RotatedView {
    /// The address. Its last part is a secret and is shown here only; it is registered with the provider by itself.
    pub webhook_url: String,
}

/// What is looked after at a destination.
#[utoipa::path(tag = "destinations", operation_id = "show_upkeep", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "What is looked after", body = UpkeepView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations/{id}/upkeep")]
pub async fn show(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<Json<UpkeepView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    Ok(Json(find_upkeep(&services, who.scope, id).await?.into()))
}

/// Say what is to be looked after at a destination.
#[utoipa::path(tag = "destinations", operation_id = "set_upkeep", security(("token" = ["settings"])), request_body = UpkeepRequest, params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "What is looked after", body = UpkeepView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[put("/destinations/{id}/upkeep")]
pub async fn replace(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<UpkeepRequest>,
) -> Result<Json<UpkeepView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let UpkeepRequest { reconcile_every_days, automatic } = body.value;
    let automatic = differences("automatic", &automatic)?;
    Ok(Json(set_upkeep(&services, who.scope, id, reconcile_every_days, automatic).await?.into()))
}

/// Give the webhook's address another secret. The new address is registered with the provider before the old one is taken
/// away; what was on its way to the old one is still heard.
#[utoipa::path(tag = "destinations", operation_id = "rotate_webhook", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The new address", body = RotatedView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/{id}/webhook/rotate")]
pub async fn rotate(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<RotatedView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let webhook_url = rotate_webhook(&services, who.scope, id).await?;
    tracing::info!(target: "audit", token = %who.token, destination = %id, "a webhook's secret was replaced");
    Ok(Json(RotatedView { webhook_url }))
}
