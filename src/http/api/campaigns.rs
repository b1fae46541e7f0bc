//! Re-permission rounds: prepare, launch, pause, resume, cancel. What would and what did come of one is told in
//! `campaign_results`.

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::campaign::{CampaignAct, Delivery};
use crate::domain::ids::{CampaignId, ControllerScope};
use crate::domain::time::Timestamp;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{Campaigns, For};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::campaigns::Campaign;
use crate::usecases::campaigns::{
    FIELD, NewCampaign, act_on_campaign, create_campaign, find_campaign, find_round_list, launch_campaign,
    list_campaigns, merge_address,
};
use crate::usecases::once::{Asker, digest};
use crate::usecases::{Error, Services};

/// A round to prepare.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignRequest {
    /// What people call it.
    #[validate(length(min = 1, max = 200, message = "1 to 200 characters"))]
    pub name: String,
    /// Purposes by short name or id, in the order asked; each must be on the notice, and one at least be marketing.
    pub purposes: Vec<String>,
    /// Uploads whose people are the audience.
    pub import_ids: Vec<String>,
    /// The notice shown on the answer page.
    pub notice_id: String,
    /// The sender.
    pub sender_id: String,
    /// The mail's subject; a neutral text in the notice's language when not given.
    #[serde(default)]
    pub subject: Option<String>,
    /// The line that mail programs show beside the subject; see `subject`.
    #[serde(default)]
    pub preheader: Option<String>,
    /// The mail's text, Markdown with `{{ name }}`, `{{ greeting }}`, `{{ controller }}`, `{{ purposes }}`,
    /// `{{ answer_link }}`, `{{ withdraw_link }}`, `{{ policy_link }}`, `{{ policy_label }}`, `{{ deadline }}`; see
    /// `subject`. Buttons, footer and links to answer and to withdraw are added around it.
    #[serde(default)]
    pub body: Option<String>,
    /// Who hands the links over: `mail` (this service, the default), `provider` (Campaign Monitor, in a design of yours: a
    /// list is made there for this round, and the links are written to it), or `export` (somebody else, with a download
    /// of the links).
    #[serde(default)]
    pub delivery: Option<String>,
    /// The destination where the list is made, for the delivery `provider`.
    #[serde(default)]
    pub destination_id: Option<String>,
    /// Send not before, RFC 3339; at launch when not given.
    #[serde(default)]
    pub scheduled_at: Option<String>,
    /// Answers count until then, RFC 3339.
    pub deadline: String,
}

/// A round.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignView {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// `draft`, `launching`, `running`, `paused`, `closed` or `cancelled`.
    pub status: String,
    /// Ids of its purposes.
    pub purposes: Vec<String>,
    /// Ids of the uploads whose people are the audience.
    pub import_ids: Vec<String>,
    /// The notice shown on the answer page.
    pub notice_id: String,
    /// The sender.
    pub sender_id: String,
    /// The mail's subject.
    pub subject: String,
    /// The line that mail programs show beside the subject.
    pub preheader: String,
    /// The mail's text; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// `mail`, `provider` or `export`.
    pub delivery: String,
    /// The list made for the round at the provider; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_list: Option<RoundListView>,
    /// Send not before.
    pub scheduled_at: Option<String>,
    /// Answers count until then.
    pub deadline: String,
    /// Launched when.
    pub launched_at: Option<String>,
    /// Its audience frozen when.
    pub frozen_at: Option<String>,
    /// SHA-256 over the audience as it was frozen, in hexadecimal.
    pub audience_sha256: Option<String>,
    /// Closed or cancelled when.
    pub closed_at: Option<String>,
    /// Prepared when.
    pub created_at: String,
}

/// A list made for a round at the provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct RoundListView {
    /// The destination.
    pub destination_id: String,
    /// The list there, once it is made.
    pub list_id: Option<String>,
    /// The custom field that holds each person's token.
    pub field: String,
    /// What your design has to link to, as it stands: the provider puts the token in the place of the field.
    pub link: String,
    /// The round is over and everybody has left the list, since when.
    pub emptied_at: Option<String>,
}

impl CampaignView {
    async fn whole(services: &Services, scope: ControllerScope, campaign: Campaign) -> Result<Self, Problem> {
        let made = find_round_list(services, scope, campaign.id).await?;
        let round_list = made.map(|made| RoundListView {
            destination_id: made.destination_id.to_string(),
            list_id: made.list_id,
            field: FIELD.to_owned(),
            link: merge_address(services),
            emptied_at: made.emptied_at.map(|at| at.to_string()),
        });
        Ok(Self { round_list, ..Self::new(campaign)? })
    }

    pub(super) fn new(campaign: Campaign) -> Result<Self, Problem> {
        let text = |at: Option<Timestamp>| at.map(|at| at.to_string());
        Ok(Self {
            purposes: campaign.purposes().map_err(Error::Store)?.iter().map(ToString::to_string).collect(),
            import_ids: campaign.imports().map_err(Error::Store)?.iter().map(ToString::to_string).collect(),
            id: campaign.id.to_string(),
            name: campaign.name,
            status: campaign.status.to_string(),
            notice_id: campaign.notice_id.to_string(),
            sender_id: campaign.sender_id.to_string(),
            subject: campaign.subject_line,
            preheader: campaign.preheader,
            body: Some(campaign.body),
            delivery: campaign.delivery.to_string(),
            round_list: None,
            scheduled_at: text(campaign.scheduled_at),
            deadline: campaign.deadline.to_string(),
            launched_at: text(campaign.launched_at),
            frozen_at: text(campaign.frozen_at),
            // Complete, and therefore told, only once the last person is in it.
            audience_sha256: campaign.audience_sha256.filter(|_| campaign.frozen_at.is_some()).map(|h| hex(&h)),
            closed_at: text(campaign.closed_at),
            created_at: campaign.created_at.to_string(),
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// Prepare a round. Its text is checked now; nothing is sent before it is launched.
#[utoipa::path(tag = "campaigns", operation_id = "create_campaign", security(("token" = ["campaigns"])), request_body = CampaignRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Prepared", body = CampaignView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/campaigns")]
pub async fn create(
    who: For<Campaigns>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<CampaignRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let time = |field: &'static str, text: &str| Timestamp::parse(text).map_err(|error| Error::field(field, error));
    let imports = request.import_ids.iter().map(|id| id.parse()).collect::<Result<Vec<_>, _>>();
    let new = NewCampaign {
        name: request.name,
        purposes: request.purposes,
        imports: imports.map_err(|error| Error::field("import_ids", error))?,
        notice: request.notice_id.parse().map_err(|error| Error::field("notice_id", error))?,
        sender: request.sender_id.parse().map_err(|error| Error::field("sender_id", error))?,
        subject: request.subject,
        preheader: request.preheader,
        body: request.body,
        delivery: delivery(request.delivery.as_deref())?,
        destination: request
            .destination_id
            .map(|id| id.parse())
            .transpose()
            .map_err(|error| Error::field("destination_id", error))?,
        scheduled_at: request.scheduled_at.as_deref().map(|text| time("scheduled_at", text)).transpose()?,
        deadline: time("deadline", &request.deadline)?,
    };
    let campaign = create_campaign(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(CampaignView::whole(&services, who.scope, campaign).await?))
}

fn delivery(name: Option<&str>) -> Result<Delivery, Error> {
    let Some(name) = name else { return Ok(Delivery::Mail) };
    Delivery::from_name(name).ok_or_else(|| Error::field("delivery", "expected `mail`, `provider` or `export`"))
}

/// All rounds, newest first.
#[utoipa::path(tag = "campaigns", operation_id = "list_campaign", security(("token" = ["campaigns"])), params(PageQuery),
    responses((status = 200, description = "A page", body = Page<CampaignView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/campaigns")]
pub async fn list(
    who: For<Campaigns>,
    services: Data<Services>,
    page: Query<PageQuery>,
) -> Result<Json<Page<CampaignView>>, Problem> {
    let limit = page_limit(&services, page.limit);
    let before = page.cursor.as_deref().map(str::parse::<CampaignId>).transpose();
    let before = before.map_err(|_| Error::field("cursor", "expected `next` of another page"))?;
    let campaigns = list_campaigns(&services, who.scope, before, limit + 1).await?;
    let views = campaigns.into_iter().map(|campaign| {
        let view = CampaignView::new(campaign)?;
        Ok(CampaignView { body: None, ..view })
    });
    let views = views.collect::<Result<Vec<_>, Problem>>()?;
    Ok(Json(Page::cut(views, limit, |last| last.id.clone())))
}

/// Items on a page, within the bounds.
pub(super) fn page_limit(services: &Services, asked: Option<u32>) -> usize {
    let most = services.rules.page_size_max.max(1);
    usize::try_from(asked.unwrap_or(services.rules.page_size).clamp(1, most)).unwrap_or(1)
}

/// One round.
#[utoipa::path(tag = "campaigns", operation_id = "show_campaign", security(("token" = ["campaigns"])), params(("id" = String, Path, description = "The round's id")),
    responses((status = 200, description = "The round", body = CampaignView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/campaigns/{id}")]
pub async fn show(
    who: For<Campaigns>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    let campaign = find_campaign(&services, who.scope, path_id(&id)?).await?;
    Ok(Json(CampaignView::whole(&services, who.scope, campaign).await?))
}

/// Launch a round: its audience is frozen, and its mails are queued or its links made ready for others. Refused as `not-permitted-to-mail`, with the reasons,
/// when nobody in the audience may be mailed.
#[utoipa::path(tag = "campaigns", operation_id = "launch_campaign", security(("token" = ["campaigns"])),
    params(("id" = String, Path, description = "The round's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 200, description = "Launched", body = CampaignView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/campaigns/{id}/launch")]
pub async fn launch(
    who: For<Campaigns>,
    once: Idempotency,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    let key = once.bound_to(&digest(b""));
    let campaign = launch_campaign(&services, Asker::controller(who.scope, who.token), key, path_id(&id)?).await?;
    Ok(Json(CampaignView::new(campaign)?))
}

/// Hold a round's mails back. Answers still count.
#[utoipa::path(tag = "campaigns", operation_id = "pause_campaign", security(("token" = ["campaigns"])),
    params(("id" = String, Path, description = "The round's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 200, description = "Paused", body = CampaignView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/campaigns/{id}/pause")]
pub async fn pause(
    who: For<Campaigns>,
    once: Idempotency,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    act(who, &once, &services, &id, CampaignAct::Pause).await
}

/// Go on with a paused round. Each mail meets the gate again before it is handed over.
#[utoipa::path(tag = "campaigns", operation_id = "resume_campaign", security(("token" = ["campaigns"])),
    params(("id" = String, Path, description = "The round's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 200, description = "Resumed", body = CampaignView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/campaigns/{id}/resume")]
pub async fn resume(
    who: For<Campaigns>,
    once: Idempotency,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    act(who, &once, &services, &id, CampaignAct::Resume).await
}

/// Stop a round for good. What is still queued is not sent.
#[utoipa::path(tag = "campaigns", operation_id = "cancel_campaign", security(("token" = ["campaigns"])),
    params(("id" = String, Path, description = "The round's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 200, description = "Cancelled", body = CampaignView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/campaigns/{id}/cancel")]
pub async fn cancel(
    who: For<Campaigns>,
    once: Idempotency,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<CampaignView>, Problem> {
    act(who, &once, &services, &id, CampaignAct::Cancel).await
}

async fn act(
    who: For<Campaigns>,
    once: &Idempotency,
    services: &Services,
    id: &str,
    act: CampaignAct,
) -> Result<Json<CampaignView>, Problem> {
    let (asker, key) = (Asker::controller(who.scope, who.token), once.bound_to(&digest(b"")));
    let campaign = act_on_campaign(services, asker, key, path_id(id)?, act).await?;
    Ok(Json(CampaignView::new(campaign)?))
}
