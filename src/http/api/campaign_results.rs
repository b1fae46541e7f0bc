//! What would come of a round, what came of it, and how its mail looks.

use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::gate::Reason;
use crate::domain::ids::SubjectId;
use crate::http::api::Page;
use crate::http::api::campaigns::page_limit;
use crate::http::auth::{Campaigns, For};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody, ReasonCount};
use crate::usecases::campaigns::{
    dry_run as count, exclusions as excluded_people, preview_campaign, results as sum_up,
};
use crate::usecases::{Error, Services};

/// A mail may style itself and do nothing else; the sandbox keeps it from this service.
const PREVIEW_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// What would come of a launch now.
#[derive(Debug, Serialize, ToSchema)]
pub struct DryRunView {
    /// Everybody in the audience.
    pub total: u64,
    /// People who would be asked.
    pub eligible: u64,
    /// People who would not, by reason. Outsiders count as `opted_out`.
    pub excluded: Vec<ReasonCount>,
    /// Outsiders: rows of the uploads with an address that is on the controller's stop list and belongs to nobody on
    /// record. A person is never added for such an address, so it has no id and is not among the exclusions that are
    /// listed. Already contained in `excluded` and `total`; not to be added once more.
    pub outsiders: u64,
}

/// A person who is not asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExclusionView {
    /// The person's id.
    pub subject_id: String,
    /// The reason's code.
    pub reason: String,
}

/// How the list is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ExclusionsQuery {
    /// Only those with this reason.
    pub reason: Option<String>,
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Items on a page.
    pub limit: Option<u32>,
}

/// What came of a round so far. `audience` is the sum of `queued`, `delivered`, `held`, `handed_to_provider`,
/// `bounced` and all of `excluded`;
/// once the audience is frozen, the exclusions that are listed and `outsiders` make up all of `excluded`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResultsView {
    /// Where the round stands.
    pub status: String,
    /// Everybody in it; still growing while the audience is being frozen.
    pub audience: u64,
    /// Whose mail the relay took, or may have taken, or whose link others have: `delivered`, `held` and
    /// `handed_to_provider`.
    pub asked: u64,
    /// Whose mail waits, or whose link has not left this service.
    pub queued: u64,
    /// Whose mail the relay took.
    pub delivered: u64,
    /// Whose mail the relay refused for good.
    pub bounced: u64,
    /// Of whose mail it is not known whether the relay took it.
    pub held: u64,
    /// Whose link the provider, or whoever downloaded the links, has.
    pub handed_to_provider: u64,
    /// Who is not asked, by reason. Outsiders count as `opted_out`.
    pub excluded: Vec<ReasonCount>,
    /// Outsiders: rows of the uploads with an address that is on the controller's stop list and belongs to nobody on
    /// record. A person is never added for such an address, so it has no id and is not among the exclusions that are
    /// listed. Already contained in `excluded` and `audience`; not to be added once more.
    pub outsiders: u64,
    /// Who said yes.
    pub yes: u64,
    /// Who said no.
    pub no: u64,
    /// Who was asked and has not answered.
    pub silent: u64,
}

/// How the preview is asked for.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub struct PreviewQuery {
    /// `html` (default) or `text`.
    pub format: Option<String>,
}

fn reasons(counts: impl IntoIterator<Item = (Reason, u64)>) -> Vec<ReasonCount> {
    let view = |(reason, people): (Reason, u64)| ReasonCount {
        reason: reason.name().to_owned(),
        explanation: reason.explanation().to_owned(),
        people,
    };
    counts.into_iter().map(view).collect()
}

/// Count the audience by what the gate says of each person now. Changes nothing.
#[utoipa::path(tag = "campaigns", operation_id = "dry_run_campaign", security(("token" = ["campaigns"])), params(("id" = String, Path, description = "The round's id")),
    responses((status = 200, description = "The counts", body = DryRunView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/campaigns/{id}/dry-run")]
pub async fn dry_run(
    who: For<Campaigns>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<DryRunView>, Problem> {
    let counted = count(&services, who.scope, path_id(&id)?).await?;
    Ok(Json(DryRunView {
        total: counted.total(),
        eligible: counted.eligible,
        excluded: reasons(counted.excluded),
        outsiders: counted.outsiders,
    }))
}

/// People who are not asked, with the reason. Outsiders, addresses on the stop list that belong to nobody on record, have
/// no id and are counted in the results only. Of a draft these are who would not be asked now, and a page may be short
/// although there is a next one.
#[utoipa::path(tag = "campaigns", operation_id = "exclusions_campaign", security(("token" = ["campaigns"])), params(("id" = String, Path, description = "The round's id"), ExclusionsQuery),
    responses((status = 200, description = "A page", body = Page<ExclusionView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/campaigns/{id}/exclusions")]
pub async fn exclusions(
    who: For<Campaigns>,
    services: Data<Services>,
    id: Path<String>,
    query: Query<ExclusionsQuery>,
) -> Result<Json<Page<ExclusionView>>, Problem> {
    let reason = match query.reason.as_deref() {
        None => None,
        Some(name) => {
            let known = Reason::from_name(name);
            Some(known.ok_or_else(|| Error::field("reason", "expected a reason's code such as `opted_out`"))?)
        }
    };
    let after = query.cursor.as_deref().map(str::parse::<SubjectId>).transpose();
    let after = after.map_err(|_| Error::field("cursor", "expected `next` of another page"))?;
    let limit = page_limit(&services, query.limit);
    let (people, next) = excluded_people(&services, who.scope, path_id(&id)?, reason, after, limit).await?;
    let items = people
        .into_iter()
        .map(|(subject, reason)| ExclusionView { subject_id: subject.to_string(), reason: reason.name().to_owned() });
    Ok(Json(Page { items: items.collect(), next: next.map(|id| id.to_string()) }))
}

/// What came of a round so far.
#[utoipa::path(tag = "campaigns", operation_id = "results_campaign", security(("token" = ["campaigns"])), params(("id" = String, Path, description = "The round's id")),
    responses((status = 200, description = "The results", body = ResultsView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/campaigns/{id}/results")]
pub async fn results(
    who: For<Campaigns>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<ResultsView>, Problem> {
    let (campaign, sum) = sum_up(&services, who.scope, path_id(&id)?).await?;
    Ok(Json(ResultsView {
        status: campaign.status.to_string(),
        audience: sum.audience,
        asked: sum.asked,
        queued: sum.queued,
        delivered: sum.delivered,
        bounced: sum.bounced,
        held: sum.held,
        handed_to_provider: sum.handed_to_provider,
        excluded: reasons(sum.excluded),
        outsiders: sum.outsiders,
        yes: sum.yes,
        no: sum.no,
        silent: sum.silent,
    }))
}

/// The mail of a round as a sample person would get it. Its links open nothing.
#[utoipa::path(tag = "campaigns", operation_id = "preview_campaign", security(("token" = ["campaigns"])), params(("id" = String, Path, description = "The round's id"), PreviewQuery),
    responses((status = 200, description = "The mail's HTML or text part", body = String, content_type = "text/html"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/campaigns/{id}/preview")]
pub async fn preview(
    who: For<Campaigns>,
    services: Data<Services>,
    id: Path<String>,
    query: Query<PreviewQuery>,
) -> Result<HttpResponse, Problem> {
    let html = match query.format.as_deref() {
        None | Some("html") => true,
        Some("text") => false,
        Some(_) => return Err(Error::field("format", "expected `html` or `text`").into()),
    };
    let mail = preview_campaign(&services, who.scope, path_id(&id)?).await?;
    let (media, part) = if html { ("text/html", mail.html) } else { ("text/plain", mail.text) };
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format!("{media}; charset=utf-8")))
        .insert_header((CONTENT_SECURITY_POLICY, PREVIEW_POLICY))
        .body(part))
}
