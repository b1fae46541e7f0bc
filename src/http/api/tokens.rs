//! Tokens of a controller.

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, delete, get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::TokenId;
use crate::domain::scope::Scope;
use crate::domain::time::Timestamp;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{For, Tokens};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::controllers::ApiToken;
use crate::usecases::error::FieldFault;
use crate::usecases::once::Asker;
use crate::usecases::tokens::{NewToken, issue_token, list_tokens, revoke_token};
use crate::usecases::{Error, Services};

/// A token to create.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenRequest {
    /// What people call it.
    #[validate(length(min = 1, max = 100, message = "1 to 100 characters"))]
    pub name: String,
    /// What it may do, at most what this token may: `settings`, `consents`, `imports`, `campaigns`, `subjects`,
    /// `exports`, `tokens`.
    #[validate(length(min = 1, max = 10, message = "1 to 10 scopes"))]
    pub scopes: Vec<String>,
    /// Until when it works, RFC 3339 or a date; for ever, if it is not said.
    #[serde(default)]
    pub expires_at: Option<String>,
}

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Since when.
    pub created_at: String,
    /// Until when it works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// When it was revoked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<String>,
}

/// A token with its secret, which is told once.
#[derive(Serialize, ToSchema)]
pub struct IssuedTokenView {
    /// The token.
    #[serde(flatten)]
    pub view: TokenView,
    /// Its secret, for the header `Authorization: Bearer …`. It is not kept here.
    pub token: String,
}

impl From<ApiToken> for TokenView {
    fn from(token: ApiToken) -> Self {
        Self {
            id: token.id.to_string(),
            name: token.name,
            scopes: token.scopes.split_whitespace().map(str::to_owned).collect(),
            created_at: token.created_at.to_string(),
            expires_at: token.expires_at.map(|at| at.to_string()),
            revoked_at: token.revoked_at.map(|at| at.to_string()),
        }
    }
}

fn scopes(names: &[String]) -> Result<Vec<Scope>, Error> {
    let mut scopes = Vec::with_capacity(names.len());
    let mut faults = Vec::new();
    for (index, name) in names.iter().enumerate() {
        match Scope::from_name(name) {
            Some(scope) => scopes.push(scope),
            None => faults.push(FieldFault::new(format!("scopes[{index}]"), "there is no scope of this name")),
        }
    }
    if faults.is_empty() { Ok(scopes) } else { Err(Error::Invalid(faults)) }
}

/// Create a token. It can have no scope that the asking token has not.
#[utoipa::path(tag = "tokens", operation_id = "create_token", security(("token" = ["tokens"])), request_body = TokenRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Created", body = IssuedTokenView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/tokens")]
pub async fn create(
    who: For<Tokens>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<TokenRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let expires_at = request.expires_at.as_deref().map(Timestamp::parse).transpose();
    let new = NewToken {
        name: request.name,
        scopes: scopes(&request.scopes)?,
        expires_at: expires_at.map_err(|error| Error::field("expires_at", error))?,
    };
    let (row, issued) = issue_token(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(IssuedTokenView { view: row.into(), token: issued.token }))
}

/// Tokens, newest first, those that no longer work too.
#[utoipa::path(tag = "tokens", operation_id = "list_tokens", security(("token" = ["tokens"])), params(PageQuery),
    responses((status = 200, description = "A page", body = Page<TokenView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/tokens")]
pub async fn list(
    who: For<Tokens>,
    services: Data<Services>,
    page: Query<PageQuery>,
) -> Result<Json<Page<TokenView>>, Problem> {
    let limit = page.items(&services.rules)?;
    let tokens = list_tokens(&services, who.scope, page.after()?, limit + 1).await?;
    let views = tokens.into_iter().map(TokenView::from).collect();
    Ok(Json(Page::cut(views, usize::try_from(limit).unwrap_or(0), |last: &TokenView| last.id.clone())))
}

/// Revoke a token. From the next request on it names nobody.
#[utoipa::path(tag = "tokens", operation_id = "revoke_token", security(("token" = ["tokens"])), params(("id" = String, Path, description = "The token's id")),
    responses((status = 204, description = "Revoked"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[delete("/tokens/{id}")]
pub async fn revoke(who: For<Tokens>, services: Data<Services>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id: TokenId = path_id(&id)?;
    revoke_token(&services, who.scope, who.token, id).await?;
    Ok(HttpResponse::NoContent().finish())
}
