//! Site forms.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, patch, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::FormId;
use crate::http::api::Page;
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::sites::Form;
use crate::usecases::forms::{FormChange, NewForm, change_form, create_form, find_form, list_forms};
use crate::usecases::once::Asker;
use crate::usecases::{Error, Services};

/// A form to create.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormRequest {
    /// What people call it.
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"))]
    pub name: String,
    /// The notice it shows, and with it the purposes.
    pub notice_id: String,
    /// Who sends its confirmation mails.
    pub sender_id: String,
    /// Exact origins of the sites whose pages may post it from a script, such as `https://www.example.org`.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Exact addresses that it may lead back to.
    #[serde(default)]
    pub return_urls: Vec<String>,
}

/// What is to be different on a form; what is not named stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormPatch {
    /// What people call it.
    #[serde(default)]
    pub name: Option<String>,
    /// The notice it shows from now on: a wording is replaced, never changed.
    #[serde(default)]
    pub notice_id: Option<String>,
    /// Who sends its confirmation mails.
    #[serde(default)]
    pub sender_id: Option<String>,
    /// Exact origins, in place of those before.
    #[serde(default)]
    pub origins: Option<Vec<String>>,
    /// Exact addresses to lead back to, in place of those before.
    #[serde(default)]
    pub return_urls: Option<Vec<String>>,
    /// Whether it takes no more sign-ups.
    #[serde(default)]
    pub disabled: Option<bool>,
}

/// A form.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormView {
    /// Its id.
    pub id: String,
    /// The key in its public address. It names the form; it is not a credential.
    pub form_key: String,
    /// What people call it.
    pub name: String,
    /// The notice it shows.
    pub notice_id: String,
    /// Who sends its confirmation mails.
    pub sender_id: String,
    /// Exact origins that may post it from a script.
    pub origins: Vec<String>,
    /// Exact addresses that it may lead back to.
    pub return_urls: Vec<String>,
    /// It takes no more sign-ups.
    pub disabled: bool,
    /// Since when.
    pub created_at: String,
}

impl From<Form> for FormView {
    fn from(form: Form) -> Self {
        Self {
            id: form.id.to_string(),
            form_key: form.form_key,
            name: form.name,
            notice_id: form.notice.to_string(),
            sender_id: form.sender.to_string(),
            origins: form.origins,
            return_urls: form.return_urls,
            disabled: form.disabled,
            created_at: form.created_at.to_string(),
        }
    }
}

fn id<T: std::str::FromStr<Err: ToString>>(field: &str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|error: T::Err| Error::field(field, error))
}

/// Create a form.
#[utoipa::path(tag = "forms", operation_id = "create_form", security(("token" = ["settings"])), request_body = FormRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = FormView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/forms")]
pub async fn create(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<FormRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let new = NewForm {
        name: request.name,
        notice: id("notice_id", &request.notice_id)?,
        sender: id("sender_id", &request.sender_id)?,
        origins: request.origins,
        return_urls: request.return_urls,
    };
    let form = create_form(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(FormView::from(form)))
}

/// All forms.
#[utoipa::path(tag = "forms", operation_id = "list_forms", security(("token" = ["settings"])),
    responses((status = 200, description = "The list", body = Page<FormView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/forms")]
pub async fn list(who: For<Settings>, services: Data<Services>) -> Result<Json<Page<FormView>>, Problem> {
    let forms = list_forms(&services, who.scope).await?;
    Ok(Json(Page::whole(forms.into_iter().map(FormView::from).collect())))
}

/// One form.
#[utoipa::path(tag = "forms", operation_id = "show_form", security(("token" = ["settings"])), params(("id" = String, Path, description = "The form's id")),
    responses((status = 200, description = "The form", body = FormView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/forms/{id}")]
pub async fn show(who: For<Settings>, services: Data<Services>, path: Path<String>) -> Result<Json<FormView>, Problem> {
    let form: FormId = path_id(&path)?;
    Ok(Json(find_form(&services, who.scope, form).await?.into()))
}

/// Point a form at another notice, switch it off or on, or change what else may change.
#[utoipa::path(tag = "forms", operation_id = "change_form", security(("token" = ["settings"])), request_body = FormPatch, params(("id" = String, Path, description = "The form's id")),
    responses((status = 200, description = "The form", body = FormView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[patch("/forms/{id}")]
pub async fn change(
    who: For<Settings>,
    services: Data<Services>,
    path: Path<String>,
    body: ApiJson<FormPatch>,
) -> Result<Json<FormView>, Problem> {
    let (form, patch): (FormId, FormPatch) = (path_id(&path)?, body.value);
    let change = FormChange {
        name: patch.name,
        notice: patch.notice_id.map(|text| id("notice_id", &text)).transpose()?,
        sender: patch.sender_id.map(|text| id("sender_id", &text)).transpose()?,
        origins: patch.origins,
        return_urls: patch.return_urls,
        disabled: patch.disabled,
    };
    Ok(Json(change_form(&services, who.scope, form, change).await?.into()))
}
