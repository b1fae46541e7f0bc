//! What everybody may read: the keys that verify links, what each problem means, and the description of the API.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, get};

use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::http::routes::DocumentText;
use crate::usecases::Services;
use crate::usecases::controllers::public_keys;

/// The public halves of the keys that sign links (RFC 7517).
#[utoipa::path(tag = "public", operation_id = "link_keys", security(()),
    responses((status = 200, description = "A JSON Web Key Set", content_type = "application/jwk-set+json", body = Object), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/.well-known/jwks.json")]
pub async fn jwks(services: Data<Services>) -> Result<HttpResponse, Problem> {
    let keys = public_keys(&services).await?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
        .insert_header((CACHE_CONTROL, "public, max-age=300"))
        .body(keys.to_string()))
}

/// What a problem means and what to do about it. The `type` of each problem leads here.
#[utoipa::path(tag = "public", operation_id = "explain_problem", security(()), params(("slug" = String, Path, description = "The last part of the problem's `type`")),
    responses((status = 200, description = "The explanation", body = String, content_type = "text/plain"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/problems/{slug}")]
pub async fn problem(slug: Path<String>) -> Result<HttpResponse, Problem> {
    let kind = Kind::ALL.iter().find(|kind| kind.face().1 == slug.as_str()).ok_or(Problem::of(Kind::NotFound))?;
    let (status, slug, title) = kind.face();
    let text = format!("{title}\n\n{}\n\nType: /problems/{slug}\nStatus: {status}\n", explanation(*kind));
    Ok(HttpResponse::Ok().insert_header((CONTENT_TYPE, "text/plain; charset=utf-8")).body(text))
}

/// This description of the API.
#[utoipa::path(tag = "public", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/openapi.json")]
pub async fn openapi(document: Data<DocumentText>) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, "application/json")).body(document.0.clone())
}

/// What a problem means and what to do about it.
const fn explanation(kind: Kind) -> &'static str {
    match kind {
        Kind::BadRequest => {
            "The request could not be read: broken JSON, an unknown, missing or doubled field, or an unknown query \
             parameter. `detail` says where. Sent again as it is, it will fail again."
        }
        Kind::Unauthorised => {
            "There was no bearer token, or it is unknown, expired or revoked; which of these is not told."
        }
        Kind::Forbidden => {
            "The token is valid but lacks the scope that this operation needs, or belongs to the wrong kind of \
             caller: controllers' tokens and the operator's token do different things."
        }
        Kind::NotFound => "Nothing is at this address, or nothing that this token may see. The two are not told apart.",
        Kind::MethodNotAllowed => "The address exists but is not used with this method.",
        Kind::Taken => "A name that has to be the only one of its kind is in use. Choose another.",
        Kind::NotNow => "What was asked is not possible in the present state. `detail` says why.",
        Kind::NotSetUp => "This needs something that only who runs the service can set. `detail` says what is missing.",
        Kind::KeyReused => {
            "The Idempotency-Key was sent before with another method, path or body. Nothing was done. Use a new key \
             for a new request, and the same key only to repeat the same request."
        }
        Kind::TooLarge => "The body is larger than this operation takes. `detail` says how much it takes.",
        Kind::UnsupportedMedia => {
            "The body is of a kind that this operation does not take, or it is compressed. Look at Content-Type and \
             Content-Encoding."
        }
        Kind::Validation => "Some fields are not right. `fields` names each of them and what was expected.",
        Kind::Refused => "A rule about consent does not allow it. `detail` names the rule.",
        Kind::NotPermittedToMail => {
            "There is nobody in this audience who may lawfully be mailed. `reasons` counts the people by reason."
        }
        Kind::TooMany => "Too many requests in a short time. Wait as long as Retry-After says.",
        Kind::Deadline => {
            "The request was not complete, or not answered, within its time. Nothing can be said about its effect; \
             repeat it with the same Idempotency-Key."
        }
        Kind::Busy => {
            "There is more to do than can be done now. Wait as long as Retry-After says, then repeat the request."
        }
        Kind::Provider => {
            "The mailing provider refused, or did not answer as it should; the detail says how. What it was asked for may have \
             been done all the same. Asking again is safe."
        }
        Kind::Internal => "Something is broken on our side; the log says what. Repeating may help later.",
    }
}
