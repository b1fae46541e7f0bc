//! `/policies/{id}`: a version of a policy, for everybody, for ever. What people are shown may be made for reading;
//! `/policies/{id}/raw` gives the bytes that were uploaded and hashed, whatever the format (PF-03).

use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, get};
use data_encoding::HEXLOWER;

use crate::domain::ids::PolicyVersionId;
use crate::domain::policy::PolicyFormat;
use crate::http::extract::path_id;
use crate::http::pages::{Frame, Href, PolicyPage, Sanitised, render_policy};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::Services;
use crate::usecases::once::digest;
use crate::usecases::policies::{PublicPolicy, as_page, public_policy};

/// A policy version, for everybody. Markdown is shown as a page that links its exact bytes; every other format comes as
/// it was uploaded.
#[utoipa::path(tag = "public", operation_id = "read_policy_version", security(()), params(("id" = String, Path, description = "The version's id")),
    responses(
        (status = 200, description = "The document; HTML as HTML, Markdown as a page, PDF as a download, everything else as plain text", content((String = "text/html"), (String = "text/plain"), (String = "application/pdf"))),
        (status = 304, description = "As you have it"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/policies/{id}")]
pub async fn read(services: Data<Services>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id: PolicyVersionId = path_id(&id)?;
    let policy = public_policy(&services, id).await?;
    Ok(match shown(&services, id, &policy) {
        // How it looks may change with the next release, so not for ever.
        Some(html) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header((CACHE_CONTROL, "public, max-age=3600"))
            .body(html),
        None => exact(&request, policy),
    })
}

/// The exact bytes of a policy version, for everybody. Their SHA-256 is the entity tag.
#[utoipa::path(tag = "public", operation_id = "read_policy_bytes", security(()), params(("id" = String, Path, description = "The version's id")),
    responses(
        (status = 200, description = "The bytes; HTML as HTML, PDF as a download, everything else as plain text", content((String = "text/html"), (String = "text/plain"), (String = "application/pdf"))),
        (status = 304, description = "As you have it"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/policies/{id}/raw")]
pub async fn raw(services: Data<Services>, request: HttpRequest, id: Path<String>) -> Result<HttpResponse, Problem> {
    let policy = public_policy(&services, path_id(&id)?).await?;
    Ok(exact(&request, policy))
}

/// The page for reading, if the document has one.
fn shown(services: &Services, id: PolicyVersionId, policy: &PublicPolicy) -> Option<String> {
    let text = Sanitised::of_policy(as_page(services, policy)?);
    render_policy(&PolicyPage {
        frame: Frame {
            lang: policy.version.language.clone(),
            controller: policy.controller.clone(),
            // The page is the policy, and its own foot links the bytes.
            policy: None,
        },
        version: policy.version.label.clone(),
        text,
        exact: Href::parse(&format!("/policies/{id}/raw"))?,
        sha256: HEXLOWER.encode(&digest(&policy.body)),
    })
}

fn exact(request: &HttpRequest, policy: PublicPolicy) -> HttpResponse {
    let PublicPolicy { version, body, .. } = policy;
    let tag = format!("\"{}\"", HEXLOWER.encode(&digest(&body)));
    let known = request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let known = known.is_some_and(|tags| tags.split(',').any(|one| one.trim().trim_start_matches("W/") == tag));
    let mut response = if known { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    // Bytes that never change may be kept for ever; what a controller uploads runs nothing and loads nothing.
    response
        .insert_header((ETAG, tag))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((
            CONTENT_SECURITY_POLICY,
            "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:",
        ));
    if known {
        return response.finish();
    }
    let media = match version.format {
        PolicyFormat::Html => "text/html; charset=utf-8",
        PolicyFormat::Markdown | PolicyFormat::Text => "text/plain; charset=utf-8",
        PolicyFormat::Pdf => {
            // Browsers do not show a PDF inside a sandbox.
            response.insert_header((CONTENT_DISPOSITION, "attachment; filename=\"policy.pdf\""));
            "application/pdf"
        }
    };
    response.insert_header((CONTENT_TYPE, media)).body(body)
}
