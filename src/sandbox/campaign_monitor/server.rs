//! The emulator's web listener: the API, the control calls outside it, the human pages.
//!
//! Promises: faults strike before authentication, as a gateway in front would; every API call is in
//! the request log with what was answered. Bodies end at 10 MiB.

use super::api;
use super::call::Call;
use super::delivery;
use super::desk::Shared;
use super::error::ApiError;
use super::faults::{Fault, FaultKind};
use super::pages;
use super::person::PersonAct;
use crate::sandbox::web::{BODY_LIMIT, from_another_site};
use actix_web::body::{BodySize, MessageBody};
use actix_web::http::{StatusCode, header};
use actix_web::web::{self, Bytes, Data, Form, Json, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(super) fn routes(config: &mut ServiceConfig, shared: &Arc<Shared>, client: &reqwest::Client) {
    config
        .app_data(Data::from(Arc::clone(shared)))
        .app_data(Data::new(client.clone()))
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .app_data(web::JsonConfig::default().limit(BODY_LIMIT).content_type_required(false))
        .route("/", web::get().to(home))
        .route("/lists/{id}", web::get().to(list))
        .route("/lists/{id}/unsubscribe", web::post().to(unsubscribe))
        .route("/sandbox/faults", web::post().to(push_fault))
        .route("/sandbox/lists/{id}/{act}", web::post().to(act))
        .default_service(web::to(api_call));
}

async fn api_call(
    shared: Data<Shared>,
    client: Data<reqwest::Client>,
    request: HttpRequest,
    body: Bytes,
) -> HttpResponse {
    let method = request.method().as_str();
    let uri = request.uri();
    let full = uri.path_and_query().map_or(uri.path(), |both| both.as_str()).to_owned();
    let at = shared.now();
    let fault = shared.faults.strike(method, &full);
    let (status, answer) = match fault {
        Some(FaultKind::Status(status)) => (status, Answer::plain(status)),
        Some(FaultKind::Html) => (502, Answer::Html),
        _ => {
            if let Some(FaultKind::Delay(delay)) = fault {
                tokio::time::sleep(delay).await;
            }
            let (status, body) = applied(&shared, &client, &request, &body).await;
            if let Some(FaultKind::LateAnswer(delay)) = fault {
                tokio::time::sleep(delay).await;
            }
            match fault {
                Some(FaultKind::LostAnswer) => (0, Answer::Lost),
                Some(FaultKind::ErrorAfterApplying) => (500, Answer::plain(500)),
                _ => (status, Answer::Json(body)),
            }
        }
    };
    let pretty = uri.query().is_some_and(|query| query.to_lowercase().contains("pretty=true"));
    shared.log.note(at, method, full, body.to_vec(), status);
    answer.response(status, pretty)
}

async fn applied(
    shared: &Shared,
    client: &reqwest::Client,
    request: &HttpRequest,
    body: &Bytes,
) -> (u16, Option<Value>) {
    let method = request.method().as_str();
    let uri = request.uri();
    let address = Call::address(method, uri.path(), uri.query().unwrap_or_default(), body.to_vec());
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let result = shared.work(method != "GET", |desk, now| api::answer(desk, address, authorization, now));
    let refused = |refusal: ApiError| (refusal.status, Some(refusal.body()));
    match result {
        Ok(reply) => match reply.test {
            // The receiver is called without the lock, since it may call the API back.
            Some(wanted) => match delivery::test(client, &wanted).await {
                Ok(()) => (reply.status, reply.body),
                Err(refusal) => refused(refusal),
            },
            None => (reply.status, reply.body),
        },
        Err(refusal) => refused(refusal),
    }
}

enum Answer {
    Json(Option<Value>),
    Html,
    Lost,
}

impl Answer {
    /// What a fault with this status says: the provider itself speaks JSON, a gateway says nothing.
    fn plain(status: u16) -> Self {
        Self::Json(match status {
            429 => Some(json!({"Code": 429, "Message": "Rate limit exceeded"})),
            500 => Some(json!({"Code": 500, "Message": "Sorry, an error occurred"})),
            _ => None,
        })
    }

    fn response(self, status: u16, pretty: bool) -> HttpResponse {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        match self {
            Self::Lost => HttpResponse::Ok().force_close().body(Cut),
            Self::Html => response
                .content_type("text/html; charset=utf-8")
                .body("<html><head><title>502 Bad Gateway</title></head><body>Bad Gateway</body></html>"),
            Self::Json(None) => response.finish(),
            Self::Json(Some(body)) => {
                let text = if pretty { format!("{body:#}") } else { body.to_string() };
                response.content_type("application/json; charset=utf-8").body(text)
            }
        }
    }
}

/// A body that fails before its first byte: the server drops the connection with nothing sent.
struct Cut;

impl MessageBody for Cut {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(1)
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))
    }
}

async fn home(shared: Data<Shared>) -> HttpResponse {
    shared.work(false, |desk, _| pages::home(&desk.world))
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
    HttpResponse::SeeOther().insert_header((header::LOCATION, format!("/lists/{id}"))).finish()
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

async fn push_fault(shared: Data<Shared>, request: HttpRequest, fault: Json<Fault>) -> HttpResponse {
    if from_another_site(&request) {
        HttpResponse::Forbidden().finish()
    } else if shared.faults.push(fault.into_inner()) {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::TooManyRequests().finish()
    }
}
