//! Controllers: the operator's part of the API.

use actix_web::web::{Data, Json, Query};
use actix_web::{HttpResponse, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::slug::Slug;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::Operator;
use crate::http::extract::{ApiJson, Idempotency};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::controllers::Controller;
use crate::usecases::controllers::{found_controller, list_controllers};
use crate::usecases::once::Asker;
use crate::usecases::setup::NewController;
use crate::usecases::{Error, Services};

/// A controller to create.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ControllerRequest {
    /// Short name: lower-case letters, digits and hyphens.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub slug: String,
    /// Name of the organisation.
    #[validate(
        length(min = 1, max = 200, message = "1 to 200 characters"),
        non_control_character(message = "no control characters")
    )]
    pub name: String,
    /// Leave a mail whose fate is unknown alone rather than send it once more; default no.
    #[serde(default)]
    pub hold_uncertain: Option<bool>,
}

/// A controller.
#[derive(Debug, Serialize, ToSchema)]
pub struct ControllerView {
    /// Its id.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// A mail whose fate is unknown is left alone.
    pub hold_uncertain: bool,
    /// Since when.
    pub created_at: String,
}

/// A controller with its first token.
#[derive(Serialize, ToSchema)]
pub struct FoundedController {
    /// The controller.
    pub controller: ControllerView,
    /// The secret of a first token that has every scope of a controller. It is told here and not kept.
    pub token: String,
}

impl From<Controller> for ControllerView {
    fn from(controller: Controller) -> Self {
        Self {
            id: controller.id.to_string(),
            slug: controller.slug,
            name: controller.name,
            hold_uncertain: controller.hold_uncertain,
            created_at: controller.created_at.to_string(),
        }
    }
}

/// Create a controller, with keys of its own and a first token.
#[utoipa::path(tag = "controllers", operation_id = "create_controller", security(("token" = ["operator"])), request_body = ControllerRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = FoundedController), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/controllers")]
pub async fn create(
    who: Operator,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<ControllerRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let new = NewController {
        slug: Slug::parse(&request.slug).map_err(|error| Error::field("slug", error))?,
        name: request.name.trim().to_owned(),
        hold_uncertain: request.hold_uncertain.unwrap_or(false),
    };
    let asker = Asker { scope: None, token: who.token };
    let (controller, issued) = found_controller(&services, asker, key, new).await?;
    Ok(HttpResponse::Created().json(FoundedController { controller: controller.into(), token: issued.token }))
}

/// Controllers, in the order of their making.
#[utoipa::path(tag = "controllers", operation_id = "list_controllers", security(("token" = ["operator"])), params(PageQuery),
    responses((status = 200, description = "A page", body = Page<ControllerView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/controllers")]
pub async fn list(
    _who: Operator,
    services: Data<Services>,
    page: Query<PageQuery>,
) -> Result<Json<Page<ControllerView>>, Problem> {
    let limit = page.items(&services.rules)?;
    let controllers = list_controllers(&services, page.after()?, limit + 1).await?;
    let views = controllers.into_iter().map(ControllerView::from).collect();
    Ok(Json(Page::cut(views, usize::try_from(limit).unwrap_or(0), |last: &ControllerView| last.id.clone())))
}
