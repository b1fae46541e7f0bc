//! Connecting an account at the provider by OAuth instead of an API key.

use actix_web::post;
use actix_web::web::{Data, Json, Path};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::DestinationId;
use crate::http::auth::{For, Settings};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::Services;
use crate::usecases::oauth::{Begun, begin, begin_for};

/// A connection that somebody is to allow.
#[derive(Serialize, ToSchema)]
pub struct BegunView {
    /// The connection; a destination names it in place of an API key once it has been allowed.
    pub connection_id: String,
    /// Open this where you are logged in at the provider, and allow it there. It works once.
    pub authorize_url: String,
    /// Until when.
    pub expires_at: String,
}

impl From<Begun> for BegunView {
    fn from(begun: Begun) -> Self {
        Self {
            connection_id: begun.connection.to_string(),
            authorize_url: begun.authorize_url,
            expires_at: begun.expires_at.to_string(),
        }
    }
}

/// Begin to connect an account by OAuth, for a destination that is yet to be made. Begun twice, the second is another one;
/// what nobody allows is forgotten.
#[utoipa::path(tag = "destinations", operation_id = "begin_connection", security(("token" = ["settings"])),
    responses((status = 200, description = "Begun: somebody has to allow it", body = BegunView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/oauth")]
pub async fn connect(who: For<Settings>, services: Data<Services>) -> Result<Json<BegunView>, Problem> {
    Ok(Json(begin(&services, who.scope).await?.into()))
}

/// Begin to connect a destination anew: after its connection has ended, or in place of its API key. What it has stays
/// until somebody has allowed it.
#[utoipa::path(tag = "destinations", operation_id = "begin_connection_again", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "Begun: somebody has to allow it", body = BegunView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/{id}/oauth")]
pub async fn connect_again(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<BegunView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let begun = begin_for(&services, who.scope, id).await?;
    Ok(Json(begun.into()))
}
