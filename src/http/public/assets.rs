//! The one stylesheet of the pages, under a name that changes with its content, so it may be cached for ever.

use actix_web::http::header::CACHE_CONTROL;
use actix_web::web::Path;
use actix_web::{HttpResponse, ResponseError, get};

use crate::http::pages::stylesheet;
use crate::http::problem::{Kind, Problem, ProblemBody};

/// The stylesheet.
#[utoipa::path(tag = "pages", operation_id = "stylesheet", security(()), params(("name" = String, Path, description = "The name that the pages use")),
    responses((status = 200, description = "The stylesheet", content_type = "text/css"), (status = 404, description = "An older name"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/assets/{name}")]
pub async fn style(name: Path<String>) -> HttpResponse {
    let (path, css) = stylesheet();
    if path.strip_prefix("/assets/") != Some(name.as_str()) {
        return Problem::of(Kind::NotFound).error_response();
    }
    HttpResponse::Ok()
        .content_type("text/css; charset=utf-8")
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .body(css)
}
