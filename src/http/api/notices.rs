//! Notices: the exact wording shown at the moment of choice. Checked, published at once, never changed.

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, get, post};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::NoticeId;
use crate::domain::notice::{NoticeWording, PurposeLabel};
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::policies::Notice;
use crate::usecases::notices::{NewNotice, find_notice, list_notices, publish_notice};
use crate::usecases::once::Asker;
use crate::usecases::{Error, Services};

/// The wording of one purpose.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LabelText {
    /// The purpose's short name.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub purpose: String,
    /// What stands beside its two answers.
    #[validate(length(min = 1, max = 500, message = "1 to 500 characters"))]
    pub label: String,
}

/// Everything that stands on the page around the choices, word for word.
#[derive(Debug, Clone, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WordingText {
    /// BCP 47, such as `en-GB`; a translation is a notice of its own.
    pub language: String,
    /// The heading.
    pub title: String,
    /// The text before the choices. Title, introduction and labels together name the controller, the purposes and
    /// that it is about e-mail.
    pub introduction: String,
    /// The label of each purpose, in the order shown.
    #[validate(length(max = 6, message = "at most 6"), nested)]
    pub labels: Vec<LabelText>,
    /// Caption of the answer yes.
    pub yes: String,
    /// Caption of the answer no.
    pub no: String,
    /// Caption of the button that sends the answers.
    pub send: String,
    /// The controller's name.
    pub controller_name: String,
    /// Every other controller that relies on the consent, by name.
    #[serde(default)]
    #[validate(length(max = 50, message = "at most 50"))]
    pub third_parties: Vec<String>,
    /// That and how consent can be withdrawn.
    pub withdrawal: String,
}

/// A notice to publish.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeRequest {
    /// Short name, shared by its versions and translations.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub slug: String,
    /// The wording.
    #[validate(nested)]
    pub wording: WordingText,
    /// The purposes in the order shown, by short name or id; 1 to 6.
    #[validate(length(max = 6, message = "at most 6"))]
    pub purposes: Vec<String>,
    /// The policy version it points at.
    pub policy_version_id: String,
    /// Whether consents given under earlier wordings are to be asked for anew; default no.
    #[serde(default)]
    pub material: Option<bool>,
}

/// A published notice.
#[derive(Debug, Serialize, ToSchema)]
pub struct NoticeView {
    /// Its id.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// Its number, from 1, within short name and language.
    pub version: i32,
    /// The wording.
    pub wording: WordingText,
    /// The ids of the purposes, in the order shown.
    pub purposes: Vec<String>,
    /// The policy version it points at.
    pub policy_version_id: String,
    /// Consents given under earlier wordings are to be asked for anew.
    pub material: bool,
    /// SHA-256 of the wording as it is kept, in hex.
    pub sha256: String,
    /// Since when.
    pub published_at: String,
}

impl From<WordingText> for NoticeWording {
    fn from(text: WordingText) -> Self {
        let label = |one: LabelText| PurposeLabel { purpose: one.purpose, label: one.label };
        Self {
            language: text.language,
            title: text.title,
            introduction: text.introduction,
            labels: text.labels.into_iter().map(label).collect(),
            yes: text.yes,
            no: text.no,
            send: text.send,
            controller_name: text.controller_name,
            third_parties: text.third_parties,
            withdrawal: text.withdrawal,
        }
    }
}

impl From<NoticeWording> for WordingText {
    fn from(wording: NoticeWording) -> Self {
        let label = |one: PurposeLabel| LabelText { purpose: one.purpose, label: one.label };
        Self {
            language: wording.language,
            title: wording.title,
            introduction: wording.introduction,
            labels: wording.labels.into_iter().map(label).collect(),
            yes: wording.yes,
            no: wording.no,
            send: wording.send,
            controller_name: wording.controller_name,
            third_parties: wording.third_parties,
            withdrawal: wording.withdrawal,
        }
    }
}

impl From<Notice> for NoticeView {
    fn from(notice: Notice) -> Self {
        Self {
            id: notice.id.to_string(),
            slug: notice.slug,
            version: notice.version,
            wording: notice.wording.into(),
            purposes: notice.purposes.iter().map(ToString::to_string).collect(),
            policy_version_id: notice.policy_version.to_string(),
            material: notice.material,
            sha256: HEXLOWER.encode(&notice.sha256),
            published_at: notice.published_at.to_string(),
        }
    }
}

/// Publish a notice. It is checked for what makes a consent void, and cannot be changed afterwards.
#[utoipa::path(tag = "notices", operation_id = "publish_notice", security(("token" = ["settings"])), request_body = NoticeRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Published", body = NoticeView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/notices")]
pub async fn create(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<NoticeRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let new = NewNotice {
        slug: request.slug,
        wording: request.wording.into(),
        purposes: request.purposes,
        policy_version: request.policy_version_id.parse().map_err(|error| Error::field("policy_version_id", error))?,
        material: request.material.unwrap_or(false),
    };
    let notice = publish_notice(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(NoticeView::from(notice)))
}

/// Notices, newest first.
#[utoipa::path(tag = "notices", operation_id = "list_notices", security(("token" = ["settings"])), params(PageQuery),
    responses((status = 200, description = "A page", body = Page<NoticeView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/notices")]
pub async fn list(
    who: For<Settings>,
    services: Data<Services>,
    page: Query<PageQuery>,
) -> Result<Json<Page<NoticeView>>, Problem> {
    let limit = page.items(&services.rules)?;
    let notices = list_notices(&services, who.scope, page.after()?, limit + 1).await?;
    let views = notices.into_iter().map(NoticeView::from).collect();
    Ok(Json(Page::cut(views, usize::try_from(limit).unwrap_or(0), |last: &NoticeView| last.id.clone())))
}

/// One notice.
#[utoipa::path(tag = "notices", operation_id = "show_notice", security(("token" = ["settings"])), params(("id" = String, Path, description = "The notice's id")),
    responses((status = 200, description = "The notice", body = NoticeView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/notices/{id}")]
pub async fn show(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<Json<NoticeView>, Problem> {
    let id: NoticeId = path_id(&id)?;
    Ok(Json(find_notice(&services, who.scope, id).await?.into()))
}
