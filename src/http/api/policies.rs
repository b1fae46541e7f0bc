//! Policies and their versions: create, upload, list, show.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpResponse, get, post};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::{PolicyId, PolicyVersionId};
use crate::http::api::Page;
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::policies::{Policy, PolicyVersion};
use crate::usecases::Services;
use crate::usecases::once::Asker;
use crate::usecases::policies::{
    NewPolicy, create_policy, find_policy, find_version, list_policies, list_versions, upload_version,
};

use super::policy_upload::{PolicyText, PolicyUpload, UploadQuery};

/// A policy to create.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyRequest {
    /// Short name: lower-case letters, digits and hyphens.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub slug: String,
    /// Name as people read it.
    #[validate(length(min = 1, max = 200, message = "1 to 200 characters"))]
    pub name: String,
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyView {
    /// Its id.
    pub id: String,
    /// Its short name.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Since when it is here.
    pub created_at: String,
}

impl From<Policy> for PolicyView {
    fn from(policy: Policy) -> Self {
        Self {
            id: policy.id.to_string(),
            slug: policy.slug,
            name: policy.name,
            created_at: policy.created_at.to_string(),
        }
    }
}

/// A version of a policy.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyVersionView {
    /// Its id; `GET /policies/{id}` shows it to everybody, `GET /policies/{id}/raw` gives its exact bytes.
    pub id: String,
    /// Of which policy.
    pub policy_id: String,
    /// What people call it.
    pub label: String,
    /// BCP 47.
    pub language: String,
    /// The media type of the document.
    pub format: String,
    /// SHA-256 of its bytes, in hex.
    pub sha256: String,
    /// Where everybody can read it here.
    pub url: String,
    /// Where the controller itself shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// From when it is in force.
    pub in_force_from: String,
    /// Consents given under earlier versions are to be asked for anew.
    pub material: bool,
    /// Since when it is here.
    pub created_at: String,
}

impl PolicyVersionView {
    fn of(version: PolicyVersion, services: &Services) -> Self {
        Self {
            id: version.id.to_string(),
            policy_id: version.policy_id.to_string(),
            label: version.label,
            language: version.language,
            format: version.format.to_string(),
            sha256: HEXLOWER.encode(&version.sha256),
            url: format!("{}/policies/{}", services.base_url, version.id),
            public_url: version.public_url,
            in_force_from: version.in_force_from.to_string(),
            material: version.material,
            created_at: version.created_at.to_string(),
        }
    }
}

/// Create a policy.
#[utoipa::path(tag = "policies", operation_id = "create_policy", security(("token" = ["settings"])), request_body = PolicyRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = PolicyView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/policies")]
pub async fn create(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<PolicyRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let new = NewPolicy { slug: body.value.slug, name: body.value.name };
    let policy = create_policy(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(PolicyView::from(policy)))
}

/// All policies.
#[utoipa::path(tag = "policies", operation_id = "list_policies", security(("token" = ["settings"])),
    responses((status = 200, description = "The list", body = Page<PolicyView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/policies")]
pub async fn list(who: For<Settings>, services: Data<Services>) -> Result<Json<Page<PolicyView>>, Problem> {
    let policies = list_policies(&services, who.scope).await?;
    Ok(Json(Page::whole(policies.into_iter().map(PolicyView::from).collect())))
}

/// One policy.
#[utoipa::path(tag = "policies", operation_id = "show_policy", security(("token" = ["settings"])), params(("id" = String, Path, description = "The policy's id")),
    responses((status = 200, description = "The policy", body = PolicyView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/policies/{id}")]
pub async fn show(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<Json<PolicyView>, Problem> {
    let id: PolicyId = path_id(&id)?;
    Ok(Json(find_policy(&services, who.scope, id).await?.into()))
}

/// Publish a version: either the document itself with what is to be known about it in the query, or both as JSON.
///
/// It is kept byte by byte and cannot be changed afterwards.
#[utoipa::path(tag = "policies", operation_id = "upload_policy_version", security(("token" = ["settings"])),
    request_body(content((PolicyText = "application/json"), (String = "text/html"), (String = "text/markdown"), (String = "text/plain"), (String = "application/pdf")), description = "At most 10 MiB"),
    params(("id" = String, Path, description = "The policy's id"), UploadQuery, ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Published", body = PolicyVersionView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/policies/{id}/versions")]
pub async fn upload(
    who: For<Settings>,
    once: Idempotency,
    services: Data<Services>,
    id: Path<String>,
    body: PolicyUpload,
) -> Result<HttpResponse, Problem> {
    let id: PolicyId = path_id(&id)?;
    let key = once.bound_to(&body.digest);
    let version = upload_version(&services, Asker::controller(who.scope, who.token), key, id, body.upload).await?;
    Ok(HttpResponse::Created().json(PolicyVersionView::of(version, &services)))
}

/// A policy's versions, newest first.
#[utoipa::path(tag = "policies", operation_id = "list_policy_versions", security(("token" = ["settings"])), params(("id" = String, Path, description = "The policy's id")),
    responses((status = 200, description = "The list", body = Page<PolicyVersionView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/policies/{id}/versions")]
pub async fn show_versions(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<Page<PolicyVersionView>>, Problem> {
    let id: PolicyId = path_id(&id)?;
    let versions = list_versions(&services, who.scope, id).await?;
    Ok(Json(Page::whole(versions.into_iter().map(|version| PolicyVersionView::of(version, &services)).collect())))
}

/// One version.
#[utoipa::path(tag = "policies", operation_id = "show_policy_version", security(("token" = ["settings"])),
    params(("id" = String, Path, description = "The policy's id"), ("version_id" = String, Path, description = "The version's id")),
    responses((status = 200, description = "The version", body = PolicyVersionView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/policies/{id}/versions/{version_id}")]
pub async fn show_version(
    who: For<Settings>,
    services: Data<Services>,
    ids: Path<(String, String)>,
) -> Result<Json<PolicyVersionView>, Problem> {
    let (policy, version): (PolicyId, PolicyVersionId) = (path_id(&ids.0)?, path_id(&ids.1)?);
    Ok(Json(PolicyVersionView::of(find_version(&services, who.scope, policy, version).await?, &services)))
}
