//! Purposes: what people consent to.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::PurposeId;
use crate::domain::purpose::{Purpose, PurposeKind};
use crate::domain::time::Period;
use crate::http::api::Page;
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::Services;
use crate::usecases::once::Asker;
use crate::usecases::purposes::{NewPurpose, create_purpose, find_purpose, list_purposes};

/// A purpose to create.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurposeRequest {
    /// Short name: lower-case letters, digits and hyphens. The key of a choice on a form.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub slug: String,
    /// Name as people read it.
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"))]
    pub label: String,
    /// What will be done, in a sentence.
    #[validate(length(min = 1, max = 1000, message = "1 to 1,000 characters"))]
    pub description: String,
    /// `marketing` (default) or `tracking` (open and click measurement; becomes `ConsentToTrack`).
    #[serde(default)]
    pub kind: Option<String>,
    /// How long a consent lasts, ISO 8601; default `P24M`.
    #[serde(default)]
    pub validity: Option<String>,
    /// How long before its end it may be renewed by mail, ISO 8601; default `P60D`.
    #[serde(default)]
    pub refresh_window: Option<String>,
    /// Whether a yes is confirmed by a mailed link; default yes.
    #[serde(default)]
    pub double_opt_in: Option<bool>,
    /// Whether UK corporate subscribers may be mailed without consent; default no.
    #[serde(default)]
    pub mail_corporate: Option<bool>,
}

/// A purpose.
#[derive(Debug, Serialize, ToSchema)]
pub struct PurposeView {
    /// Its id.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub label: String,
    /// What will be done.
    pub description: String,
    /// The channel: `email`.
    pub channel: String,
    /// `marketing` or `tracking`.
    pub kind: String,
    /// How long a consent lasts.
    pub validity: String,
    /// How long before its end it may be renewed.
    pub refresh_window: String,
    /// Whether a yes is confirmed by a mailed link.
    pub double_opt_in: bool,
    /// Whether corporate subscribers may be mailed.
    pub mail_corporate: bool,
}

impl From<Purpose> for PurposeView {
    fn from(purpose: Purpose) -> Self {
        Self {
            id: purpose.id.to_string(),
            slug: purpose.slug.to_string(),
            label: purpose.label,
            description: purpose.description,
            channel: purpose.channel.to_string(),
            kind: purpose.kind.to_string(),
            validity: purpose.validity.to_string(),
            refresh_window: purpose.refresh_window.to_string(),
            double_opt_in: purpose.double_opt_in,
            mail_corporate: purpose.mail_corporate,
        }
    }
}

/// Create a purpose.
#[utoipa::path(tag = "purposes", operation_id = "create_purpose", security(("token" = ["settings"])), request_body = PurposeRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = PurposeView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/purposes")]
pub async fn create(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<PurposeRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let kind = match request.kind.as_deref() {
        None => PurposeKind::Marketing,
        Some(name) => PurposeKind::from_name(name)
            .ok_or_else(|| crate::usecases::Error::field("kind", "expected `marketing` or `tracking`"))?,
    };
    let period = |field: &'static str, text: Option<&str>, default: &str| {
        Period::parse(text.unwrap_or(default)).map_err(|error| crate::usecases::Error::field(field, error))
    };
    let new = NewPurpose {
        slug: request.slug,
        label: request.label,
        description: request.description,
        kind,
        validity: period("validity", request.validity.as_deref(), "P24M")?,
        refresh_window: period("refresh_window", request.refresh_window.as_deref(), "P60D")?,
        double_opt_in: request.double_opt_in.unwrap_or(true),
        mail_corporate: request.mail_corporate.unwrap_or(false),
    };
    let purpose = create_purpose(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(PurposeView::from(purpose)))
}

/// All purposes.
#[utoipa::path(tag = "purposes", operation_id = "list_purposes", security(("token" = ["settings"])),
    responses((status = 200, description = "The list", body = Page<PurposeView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/purposes")]
pub async fn list(who: For<Settings>, services: Data<Services>) -> Result<Json<Page<PurposeView>>, Problem> {
    let purposes = list_purposes(&services, who.scope).await?;
    Ok(Json(Page::whole(purposes.into_iter().map(PurposeView::from).collect())))
}

/// One purpose.
#[utoipa::path(tag = "purposes", operation_id = "show_purpose", security(("token" = ["settings"])), params(("id" = String, Path, description = "The purpose's id")),
    responses((status = 200, description = "The purpose", body = PurposeView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/purposes/{id}")]
pub async fn show(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<PurposeView>, Problem> {
    let id: PurposeId = path_id(&id)?;
    Ok(Json(find_purpose(&services, who.scope, id).await?.into()))
}
