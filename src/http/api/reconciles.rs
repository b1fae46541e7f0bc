//! Comparing a destination with the record: asking for it, the plan that comes of it, and leave to put things right.

use std::collections::BTreeMap;

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use validator::Validate;

use crate::domain::ids::{DestinationId, FindingId, ReconcileId};
use crate::domain::reconcile::{Difference, Differences};
use crate::http::api::upkeep::differences;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::reconcile::{FindingSeen, Plan, approve, ask, dismiss, findings, plan, plans};
use crate::usecases::{Error, Services};

/// The differences of one kind.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindView {
    /// The kind: `unknown_there`, `stopped_here`, `stopped_there`, `missing_there`, `fields_differ`, `suppressed_there` or
    /// `unconfirmed_there`.
    pub kind: String,
    /// What it means, and what putting it right does.
    pub meaning: String,
    /// Whether it may be put right: a stop always may, others by leave.
    pub allowed: bool,
    /// How many stand how: `open`, `applied`, `gone` (no longer so) or `told` (nothing here puts it right).
    pub counts: BTreeMap<String, i64>,
}

/// A comparison, and the plan that came of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanView {
    /// Its id.
    pub id: String,
    /// The destination.
    pub destination_id: String,
    /// Why it was made: `asked`, `schedule` or `webhook`.
    pub cause: String,
    /// `reading`, `planned` (something waits for leave), `applying`, `done`, `dismissed` or `failed`.
    pub status: String,
    /// Entries that the provider has told so far.
    pub rows_read: i64,
    /// Where the sides differ, by kind.
    pub differences: Vec<KindView>,
    /// Why it could not be read to the end, or does not hold all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remark: Option<String>,
    /// Since when.
    pub created_at: String,
    /// When the plan was complete.
    pub planned_at: Option<String>,
    /// When nothing was left to do.
    pub finished_at: Option<String>,
}

impl From<Plan> for PlanView {
    fn from(plan: Plan) -> Self {
        let Plan { reconcile, counts } = plan;
        let allowed = Differences::from_bits(reconcile.allowed);
        let of = |kind: Difference| KindView {
            kind: kind.name().to_owned(),
            meaning: kind.meaning().to_owned(),
            allowed: allowed.contains(kind),
            counts: counts
                .iter()
                .filter(|count| count.kind == kind)
                .map(|count| (count.status.name().to_owned(), count.rows))
                .collect(),
        };
        let found = Difference::ALL.iter().copied().filter(|kind| counts.iter().any(|count| count.kind == *kind));
        Self {
            id: reconcile.id.to_string(),
            destination_id: reconcile.destination_id.to_string(),
            cause: reconcile.cause.to_string(),
            status: reconcile.status.to_string(),
            rows_read: reconcile.rows_read,
            differences: found.map(of).collect(),
            remark: reconcile.remark,
            created_at: reconcile.created_at.to_string(),
            planned_at: reconcile.planned_at.map(|at| at.to_string()),
            finished_at: reconcile.finished_at.map(|at| at.to_string()),
        }
    }
}

/// One difference.
#[derive(Debug, Serialize, ToSchema)]
pub struct FindingView {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// The provider's list.
    pub list_id: String,
    /// The address, masked.
    pub address: String,
    /// The person, if on record here.
    pub subject_id: Option<String>,
    /// The state there: `active`, `unconfirmed`, `unsubscribed`, `bounced`, `deleted`, `suppressed` or `missing`.
    pub there: String,
    /// The latest moment at which that state can have come about.
    pub there_since: Option<String>,
    /// What differs, by name, or the provider's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// `open`, `applied`, `gone` or `told`.
    pub status: String,
    /// When it was settled.
    pub settled_at: Option<String>,
}

impl From<FindingSeen> for FindingView {
    fn from(seen: FindingSeen) -> Self {
        let FindingSeen { finding, address } = seen;
        Self {
            id: finding.id.to_string(),
            kind: finding.kind.to_string(),
            list_id: finding.list_id,
            address,
            subject_id: finding.subject_id.map(|id| id.to_string()),
            there: finding.there.to_string(),
            there_since: finding.there_since.map(|at| at.to_string()),
            detail: finding.detail,
            status: finding.status.to_string(),
            settled_at: finding.settled_at.map(|at| at.to_string()),
        }
    }
}

/// Which differences are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FindingsQuery {
    /// Of one kind only.
    pub kind: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Items on a page.
    pub limit: Option<u32>,
}

/// Leave to put things right.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplyRequest {
    /// The kinds of differences that may be put right.
    #[validate(length(min = 1, max = 20, message = "1 to 20"))]
    pub kinds: Vec<String>,
}

/// Compare a destination with the record now. One comparison of a destination runs at a time: where one is open, it is the
/// answer.
#[utoipa::path(tag = "destinations", operation_id = "reconcile", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 202, description = "It is being compared", body = PlanView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/{id}/reconciles")]
pub async fn create(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id: DestinationId = path_id(&id)?;
    Ok(HttpResponse::Accepted().json(PlanView::from(ask(&services, who.scope, id).await?)))
}

/// A destination's comparisons, the newest first.
#[utoipa::path(tag = "destinations", operation_id = "list_reconciles", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id"), PageQuery),
    responses((status = 200, description = "A page", body = Page<PlanView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations/{id}/reconciles")]
pub async fn list(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    query: Query<PageQuery>,
) -> Result<Json<Page<PlanView>>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let limit = query.items(&services.rules)?;
    let found = plans(&services, who.scope, id, query.after()?, limit).await?;
    let items: Vec<PlanView> = found.into_iter().map(PlanView::from).collect();
    Ok(Json(Page::cut(items, usize::try_from(limit).unwrap_or(usize::MAX), |plan| plan.id.clone())))
}

/// One comparison with its plan.
#[utoipa::path(tag = "destinations", operation_id = "show_reconcile", security(("token" = ["settings"])), params(("id" = String, Path, description = "The comparison's id")),
    responses((status = 200, description = "The plan", body = PlanView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/reconciles/{id}")]
pub async fn show(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<Json<PlanView>, Problem> {
    let id: ReconcileId = path_id(&id)?;
    Ok(Json(plan(&services, who.scope, id).await?.into()))
}

/// The differences of a plan, in the order in which they were found.
#[utoipa::path(tag = "destinations", operation_id = "list_findings", security(("token" = ["settings"])), params(("id" = String, Path, description = "The comparison's id"), FindingsQuery),
    responses((status = 200, description = "A page", body = Page<FindingView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/reconciles/{id}/findings")]
pub async fn show_findings(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    query: Query<FindingsQuery>,
) -> Result<Json<Page<FindingView>>, Problem> {
    let id: ReconcileId = path_id(&id)?;
    let FindingsQuery { kind, cursor, limit } = query.into_inner();
    let page = PageQuery { cursor, limit };
    let (limit, after): (i64, Option<FindingId>) = (page.items(&services.rules)?, page.after()?);
    let kind =
        kind.map(|name| Difference::from_name(&name).ok_or_else(|| Error::field("kind", "there is no such kind")));
    let found = findings(&services, who.scope, id, kind.transpose()?, after, limit).await?;
    let items: Vec<FindingView> = found.into_iter().map(FindingView::from).collect();
    Ok(Json(Page::cut(items, usize::try_from(limit).unwrap_or(usize::MAX), |one| one.id.clone())))
}

/// Allow kinds of differences of a plan to be put right. Each is looked at once more when it is its turn.
#[utoipa::path(tag = "destinations", operation_id = "apply_reconcile", security(("token" = ["settings"])), request_body = ApplyRequest, params(("id" = String, Path, description = "The comparison's id")),
    responses((status = 202, description = "They are being put right", body = PlanView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/reconciles/{id}/apply")]
pub async fn apply(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<ApplyRequest>,
) -> Result<HttpResponse, Problem> {
    let id: ReconcileId = path_id(&id)?;
    let kinds = differences("kinds", &body.value.kinds)?;
    Ok(HttpResponse::Accepted().json(PlanView::from(approve(&services, who.scope, id, kinds).await?)))
}

/// Put the rest of a plan aside.
#[utoipa::path(tag = "destinations", operation_id = "dismiss_reconcile", security(("token" = ["settings"])), params(("id" = String, Path, description = "The comparison's id")),
    responses((status = 200, description = "It is put aside", body = PlanView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/reconciles/{id}/dismiss")]
pub async fn put_aside(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<PlanView>, Problem> {
    let id: ReconcileId = path_id(&id)?;
    Ok(Json(dismiss(&services, who.scope, id).await?.into()))
}
