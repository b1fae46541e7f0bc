//! What is outside the API: the pages, and the controls with which tests and visitors play the world.
//!
//! Promises: nothing here is in the request log or struck by a fault; a form that a page of another site
//! sends is refused.

use super::delivery::WebhookTrouble;
use super::desk::Shared;
use super::faults::{Fault, FaultRule};
use super::pages;
use super::person::PersonAct;
use crate::sandbox::web::{BODY_LIMIT, from_another_site};
use actix_web::http::header;
use actix_web::web::{self, Data, Form, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::json;

pub(super) fn routes(config: &mut ServiceConfig) {
    config
        .app_data(web::JsonConfig::default().limit(BODY_LIMIT).content_type_required(false))
        .route("/", web::get().to(home))
        .route("/lists/{id}", web::get().to(list))
        .route("/lists/{id}/unsubscribe", web::post().to(unsubscribe))
        .route("/faults", web::post().to(add_rule))
        .route("/faults/{id}/remove", web::post().to(remove_rule))
        .route("/sandbox/faults", web::post().to(push_fault))
        .route("/sandbox/faults", web::get().to(standing_faults))
        .route("/sandbox/faults", web::delete().to(clear_faults))
        .route("/sandbox/webhooks", web::post().to(trouble_webhooks))
        .route("/sandbox/lists/{id}/{act}", web::post().to(act));
}

async fn home(shared: Data<Shared>) -> HttpResponse {
    let (standing, newest) = (shared.faults.standing(), shared.log.newest(pages::REQUESTS));
    shared.work(false, |desk, _| pages::home(&mut desk.world, &standing, &newest))
}

async fn list(shared: Data<Shared>, id: Path<String>) -> HttpResponse {
    shared.work(false, |desk, _| pages::list(&mut desk.world, &id))
}

#[derive(Deserialize)]
struct Who {
    #[serde(alias = "EmailAddress")]
    email: String,
}

async fn unsubscribe(shared: Data<Shared>, request: HttpRequest, id: Path<String>, who: Form<Who>) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    shared.work(true, |desk, now| desk.world.act(PersonAct::Unsubscribe, &id, &who.email, now));
    see_other(&format!("/lists/{id}"))
}

async fn act(shared: Data<Shared>, request: HttpRequest, path: Path<(String, String)>, who: Json<Who>) -> HttpResponse {
    let (id, name) = path.into_inner();
    let Some(act) = PersonAct::from_name(&name) else {
        return HttpResponse::NotFound().finish();
    };
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    let changed = shared.work(true, |desk, now| desk.world.act(act, &id, &who.email, now));
    HttpResponse::Ok().json(json!({"changed": changed}))
}

/// A rule as text, or a fault for the next calls in parts.
#[derive(Deserialize)]
#[serde(untagged)]
enum Wanted {
    Rule { rule: String },
    Fault(Fault),
}

async fn push_fault(shared: Data<Shared>, request: HttpRequest, wanted: Json<Wanted>) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    let rule = match wanted.into_inner() {
        Wanted::Fault(fault) => fault.into(),
        Wanted::Rule { rule } => match rule.parse::<FaultRule>() {
            Ok(rule) => rule,
            Err(refusal) => return HttpResponse::BadRequest().json(json!({"error": refusal.to_string()})),
        },
    };
    if shared.faults.push(rule) { HttpResponse::NoContent().finish() } else { HttpResponse::TooManyRequests().finish() }
}

async fn standing_faults(shared: Data<Shared>) -> HttpResponse {
    let standing: Vec<_> = shared
        .faults
        .standing()
        .iter()
        .map(|standing| {
            json!({
                "id": standing.id,
                "rule": standing.rule.to_string(),
                "seen": standing.seen,
                "struck": standing.struck,
            })
        })
        .collect();
    HttpResponse::Ok().json(standing)
}

async fn clear_faults(shared: Data<Shared>, request: HttpRequest) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    shared.faults.clear();
    HttpResponse::NoContent().finish()
}

async fn trouble_webhooks(shared: Data<Shared>, request: HttpRequest, trouble: Json<WebhookTrouble>) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    shared.work(false, |desk, _| desk.trouble = trouble.into_inner());
    HttpResponse::NoContent().finish()
}

#[derive(Deserialize)]
struct RuleForm {
    rule: String,
}

async fn add_rule(shared: Data<Shared>, request: HttpRequest, form: Form<RuleForm>) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    let refusal = match form.rule.parse::<FaultRule>() {
        Ok(rule) if shared.faults.push(rule.clone()) => return see_other("/#faults"),
        Ok(_) => "Too many rules stand already: remove some.".to_owned(),
        Err(refusal) => refusal.to_string(),
    };
    pages::refused_rule(&form.rule, &refusal)
}

async fn remove_rule(shared: Data<Shared>, request: HttpRequest, id: Path<u64>) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    // One that has gone meanwhile is removed too.
    shared.faults.remove(*id);
    see_other("/#faults")
}

fn see_other(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}
