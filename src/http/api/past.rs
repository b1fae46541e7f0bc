//! Where a person stood at a moment of the past.

use actix_web::get;
use actix_web::web::{Data, Json, Path, Query};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::ids::SubjectId;
use crate::domain::time::Timestamp;
use crate::http::auth::{For, Subjects};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::once::Asker;
use crate::usecases::past::{Stood, stood};
use crate::usecases::{Error, Services};

/// Which moment.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MomentQuery {
    /// RFC 3339 such as `2026-11-24T09:30:00Z`, or a date, which is its midnight UTC. A `+` is written `%2B`.
    #[param(required = true)]
    pub at: Option<String>,
}

/// Where a person stood.
#[derive(Serialize, ToSchema)]
pub struct PastView {
    /// The moment.
    pub at: String,
    /// By purpose; those of which nothing had been said are left out.
    pub purposes: Vec<StoodView>,
}

/// Where a person stood towards a purpose.
#[derive(Serialize, ToSchema)]
pub struct StoodView {
    /// The purpose's id.
    pub purpose_id: String,
    /// The purpose's short name.
    pub purpose: String,
    /// The state, with time taken into account.
    pub state: String,
    /// Until when a consent was to hold, or a request could be confirmed.
    pub until: Option<String>,
    /// When the fact was recorded that had led there.
    pub since: String,
    /// That fact, with its evidence in the person's history.
    pub event_id: String,
    /// What happened, such as `consent.given`.
    pub event: String,
    /// The notice shown then.
    pub notice_id: Option<String>,
    /// The policy version shown then.
    pub policy_version_id: Option<String>,
    /// The commitment to the fact, in hex.
    pub commitment: String,
}

impl From<Stood> for StoodView {
    fn from(stood: Stood) -> Self {
        let event = stood.event;
        Self {
            purpose_id: stood.purpose.id.to_string(),
            purpose: stood.purpose.slug.to_string(),
            state: stood.state.to_string(),
            until: stood.until.map(|until| until.to_string()),
            since: event.at.to_string(),
            event_id: event.id.to_string(),
            event: event.kind.to_string(),
            notice_id: event.notice_id.map(|id| id.to_string()),
            policy_version_id: event.policy_version_id.map(|id| id.to_string()),
            commitment: HEXLOWER.encode(&event.commitment),
        }
    }
}

/// Where a person stood at a moment of the past, by what had been recorded then. Each look is logged.
#[utoipa::path(tag = "subjects", operation_id = "show_subject_at", security(("token" = ["subjects"])),
    params(("id" = String, Path, description = "The person's id"), MomentQuery),
    responses((status = 200, description = "Where they stood", body = PastView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{id}/past")]
pub async fn past(
    who: For<Subjects>,
    services: Data<Services>,
    id: Path<String>,
    moment: Query<MomentQuery>,
) -> Result<Json<PastView>, Problem> {
    let id: SubjectId = path_id(&id)?;
    let at = Timestamp::parse(moment.at.as_deref().unwrap_or_default()).map_err(|error| Error::field("at", error))?;
    let found = stood(&services, Asker::controller(who.scope, who.token), id, at).await?;
    Ok(Json(PastView { at: at.to_string(), purposes: found.into_iter().map(StoodView::from).collect() }))
}
