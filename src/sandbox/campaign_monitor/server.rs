//! The emulator's web listener: the API, and beside it the controls and pages of `control`.
//!
//! Promises: faults strike before authentication, as a gateway in front would; every API call is in
//! the request log with what was answered. Bodies end at 10 MiB.

use super::answer::{Answer, Wish};
use super::api;
use super::call::{Address, Call};
use super::control;
use super::delivery;
use super::desk::Shared;
use super::faults::FaultKind;
use super::oauth_pages;
use crate::sandbox::web::BODY_LIMIT;
use actix_web::http::header;
use actix_web::web::{self, Bytes, Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use std::sync::Arc;

pub(super) fn routes(config: &mut ServiceConfig, shared: &Arc<Shared>, client: &reqwest::Client) {
    config
        .app_data(Data::from(Arc::clone(shared)))
        .app_data(Data::new(client.clone()))
        .app_data(web::PayloadConfig::new(BODY_LIMIT))
        .configure(control::routes)
        .configure(oauth_pages::routes)
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
    let answer = match shared.faults.strike(method, &full) {
        None => applied(&shared, &client, &request, &body).await,
        Some(kind) => struck(kind, &shared, &client, &request, &body).await,
    };
    // A form for tokens is all credentials, and none is kept in the log.
    let kept = if oauth_pages::is_token_call(method, uri.path()) { Vec::new() } else { body.to_vec() };
    shared.log.note(at, method, full, kept, (answer.status, answer.code));
    answer.into_response(Wish::of(&request))
}

/// What the fault lets happen, and what it answers.
async fn struck(
    kind: FaultKind,
    shared: &Shared,
    client: &reqwest::Client,
    request: &HttpRequest,
    body: &Bytes,
) -> Answer {
    let instead = Answer::instead(kind);
    match kind {
        FaultKind::Status(_)
        | FaultKind::Closed
        | FaultKind::Html
        | FaultKind::HtmlStatus(_)
        | FaultKind::RateLimited(_) => {}
        FaultKind::StatusAfter(_) | FaultKind::LostAnswer | FaultKind::ErrorAfterApplying => {
            applied(shared, client, request, body).await;
        }
        FaultKind::Delay(wait) => {
            tokio::time::sleep(wait).await;
            return applied(shared, client, request, body).await;
        }
        FaultKind::LateAnswer(wait) => {
            let answer = applied(shared, client, request, body).await;
            tokio::time::sleep(wait).await;
            return answer;
        }
        FaultKind::SlowBody(time) => return applied(shared, client, request, body).await.slowly(time),
    }
    instead.unwrap_or_else(|| Answer::json(500, None))
}

async fn applied(shared: &Shared, client: &reqwest::Client, request: &HttpRequest, body: &Bytes) -> Answer {
    let method = request.method().as_str();
    let uri = request.uri();
    if oauth_pages::is_token_call(method, uri.path()) {
        let (status, body) = oauth_pages::token(shared, body);
        return Answer::json(status, body);
    }
    let address = Call::address(method, uri.path(), uri.query().unwrap_or_default(), body.to_vec());
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let mails = matches!(&address, Address::Api(call) if call.is_transactional());
    let (result, limit) = shared.work(method != "GET", |desk, now| {
        let result = api::answer(desk, address, authorization, now);
        (result, desk.mails.told())
    });
    let result = match result {
        // The receiver is called without the lock, since it may call the API back.
        Ok(reply) => match &reply.test {
            Some(wanted) => delivery::test(client, wanted).await.map(|()| reply),
            None => Ok(reply),
        },
        Err(refusal) => Err(refusal),
    };
    let answer = match result {
        Ok(reply) => Answer::json(reply.status, reply.body),
        Err(refusal) => Answer::json(refusal.status, Some(refusal.body())),
    };
    // The documented limit is that of mails alone (section 13).
    if mails && answer.status != 401 { Answer { headers: limit, ..answer } } else { answer }
}
