//! The web inbox: addresses, JSON, raw mail.
//!
//! Promises: mail HTML is only served sandboxed, without scripts, forms or anything from the network
//! (threat model R-80); links open in the whole window. Leaves the pages' looks to `pages`.

use super::mime;
use super::pages;
use super::session::Relay;
use crate::sandbox::web::{BODY_LIMIT, from_another_site};
use actix_web::http::header;
use actix_web::web::{self, Data, Path, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use std::sync::Arc;

const PAGE: usize = 200;
const JSON_LIMIT: usize = 1_000;

const MAIL_POLICY: &str = "sandbox allow-popups allow-popups-to-escape-sandbox \
    allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'; img-src data:";

pub(super) fn routes(config: &mut ServiceConfig, relay: &Arc<Relay>) {
    config
        .app_data(Data::from(Arc::clone(relay)))
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .route("/", web::get().to(list))
        .route("/messages.json", web::get().to(json))
        .route("/messages", web::delete().to(empty))
        .route("/messages/{id}.eml", web::get().to(raw))
        .route("/messages/{id}", web::get().to(message))
        .route("/messages/{id}/html", web::get().to(html));
}

async fn list(relay: Data<Relay>) -> HttpResponse {
    let newest = relay.store.newest(None, PAGE);
    let summaries: Vec<_> = newest.iter().map(|message| message.summary()).collect();
    pages::list(&summaries, relay.store.len())
}

#[derive(Deserialize)]
struct Wanted {
    to: Option<String>,
    limit: Option<usize>,
}

async fn json(relay: Data<Relay>, wanted: Query<Wanted>) -> HttpResponse {
    let limit = wanted.limit.unwrap_or(JSON_LIMIT).min(JSON_LIMIT);
    // `to=` with nothing after it is a form left empty, which asks for everybody.
    let to = wanted.to.as_deref().map(str::trim).filter(|to| !to.is_empty());
    let newest = relay.store.newest(to, limit);
    let summaries: Vec<_> = newest.iter().map(|message| message.summary()).collect();
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(summaries)
}

async fn empty(relay: Data<Relay>, request: HttpRequest) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    match relay.store.clear() {
        Ok(()) => HttpResponse::NoContent().finish(),
        Err(_) => HttpResponse::InternalServerError().body("The folder could not be emptied."),
    }
}

fn missing() -> HttpResponse {
    HttpResponse::NotFound().body("No such message.")
}

async fn message(relay: Data<Relay>, id: Path<String>) -> HttpResponse {
    match relay.store.find(&id) {
        Some(message) => pages::message(&message),
        None => missing(),
    }
}

async fn raw(relay: Data<Relay>, id: Path<String>) -> HttpResponse {
    match relay.store.find(&id) {
        Some(message) => HttpResponse::Ok()
            .content_type("message/rfc822")
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .body(message.raw.clone()),
        None => missing(),
    }
}

async fn html(relay: Data<Relay>, id: Path<String>) -> HttpResponse {
    let Some(message) = relay.store.find(&id) else {
        return missing();
    };
    match mime::body(&message.raw).html {
        // The mail's own markup follows unchanged: the policy, not a filter, keeps it harmless.
        Some(html) => HttpResponse::Ok()
            .content_type("text/html; charset=utf-8")
            .insert_header(("Content-Security-Policy", MAIL_POLICY))
            .insert_header(("X-Content-Type-Options", "nosniff"))
            .insert_header(("Referrer-Policy", "no-referrer"))
            .body(with_base(&html)),
        None => HttpResponse::NotFound().body("This message has no HTML part."),
    }
}

/// Puts the base first inside the head (before any base of the mail's own, so that ours counts),
/// and keeps a document type in front of everything, lest the browser fall into quirks mode.
fn with_base(html: &str) -> String {
    const BASE: &str = "<base target=\"_top\">";
    let lower = html.to_ascii_lowercase();
    let after = |tag: &str| lower.find(tag).and_then(|at| lower[at..].find('>').map(|end| at + end + 1));
    let at = after("<head>")
        .or_else(|| after("<head "))
        .or_else(|| after("<html"))
        .or_else(|| after("<!doctype"))
        .unwrap_or(0);
    format!("{}{BASE}{}", &html[..at], &html[at..])
}

#[cfg(test)]
mod tests {
    use super::with_base;

    #[test]
    fn the_base_goes_into_the_head_and_behind_the_document_type() {
        assert_eq!(with_base("<p>x</p>"), "<base target=\"_top\"><p>x</p>");
        assert_eq!(
            with_base("<!DOCTYPE html><html><HEAD><title>"),
            "<!DOCTYPE html><html><HEAD><base target=\"_top\"><title>"
        );
        assert_eq!(with_base("<!doctype html><p>"), "<!doctype html><base target=\"_top\"><p>");
    }
}
