//! Around every request: a deadline over all of it, the security headers of threat-model section 5, and a log line
//! with the route's template, never the path (LK-15).

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::Data;
use actix_web::{Error, ResponseError};

use super::HttpSettings;
use super::problem::{Kind, Problem};

const FIXED: &[(&str, &str)] = &[
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("strict-transport-security", "max-age=63072000; includeSubDomains"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-robots-tag", "noindex, nofollow, noarchive"),
    (
        "permissions-policy",
        "accelerometer=(), autoplay=(), camera=(), display-capture=(), encrypted-media=(), fullscreen=(), geolocation=(), \
         gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), picture-in-picture=(), screen-wake-lock=(), usb=(), \
         web-share=(), xr-spatial-tracking=()",
    ),
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; \
         object-src 'none'; frame-ancestors 'none'",
    ),
];

/// The pages at `/docs` are a program that fetches the document and sets styles on its own elements while it runs, and
/// draws its icons from `data:` addresses; its scripts all come from files of ours.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where a request may take as long as an upload.
const LONG: &[&str] = &["/v1/imports", "/v1/policies", "/v1/campaigns/{id}/dry-run", "/v1/campaigns/{id}/launch"];

/// Sets what is not set already.
fn set_headers(headers: &mut HeaderMap) {
    for (name, value) in FIXED {
        let name = HeaderName::from_static(name);
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

/// Runs a request under its deadline, with headers and a log line.
pub async fn around(
    settings: Data<HttpSettings>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let method = request.method().clone();
    let route = request.match_pattern().unwrap_or_else(|| "(none)".to_owned());
    // Uploads, and the counting of a large audience, take their time.
    let long = method == Method::POST && LONG.iter().any(|start| route.starts_with(start));
    let deadline = if long { settings.upload_deadline } else { settings.deadline };
    // No clone of the request is kept: the router needs to be its only owner.
    let Ok(answered) = tokio::time::timeout(deadline, next.call(request)).await else {
        let mut response = Problem::of(Kind::Deadline).error_response();
        set_headers(response.headers_mut());
        metrics::counter!("reconsent_http_requests_total", "route" => route, "status" => "408").increment(1);
        return Err(InternalError::from_response("deadline", response).into());
    };
    let mut response = answered?;
    if route.starts_with("/docs/") {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(DOCS_POLICY));
    }
    set_headers(response.headers_mut());
    let status = response.status().as_u16();
    metrics::counter!("reconsent_http_requests_total", "route" => route.clone(), "status" => status.to_string())
        .increment(1);
    tracing::debug!(%method, route, status, took_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX), "answered");
    Ok(response)
}
