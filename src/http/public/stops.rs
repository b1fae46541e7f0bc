//! `/u/{token}` and `/n/{token}`: stopping it. Forgiving: a genuine link works for ever and whatever the body says; one
//! click of a mail program (RFC 8058) and one press on the page do the same (ML-03, WD-06).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, route};
use serde_json::Value;

use crate::domain::consent::ConsentState;
use crate::domain::event::Method;
use crate::domain::link::LinkAction;
use crate::domain::time::Timestamp;
use crate::http::extract::{ClientInfo, media_type, read_body, settings};
use crate::http::pages::{
    Frame, NotMeDonePage, NotMePage, Stopped, WithdrawPage, WithdrawnPage, render_not_me, render_not_me_done,
    render_withdraw, render_withdrawn,
};
use crate::usecases::Services;
use crate::usecases::answer::{StopShown, not_me};
use crate::usecases::linked::{LinkStanding, Present, Question, open_link};
use crate::usecases::scene::Scene;
use crate::usecases::withdraw::{Reach, withdraw};

use super::answers::{language, unknown_or};
use super::{evidence, field, form_fields, frame, page, sign_up_again};

fn question_of(standing: LinkStanding) -> Option<Box<Question>> {
    match standing {
        LinkStanding::Open(question)
        | LinkStanding::Expired(question)
        | LinkStanding::Superseded(question)
        | LinkStanding::Used(question, _, _) => Some(question),
        LinkStanding::Gone => None,
    }
}

fn labels(scene: &Scene) -> Vec<String> {
    scene.purposes.iter().map(|purpose| purpose.label.clone()).collect()
}

/// Since when all that the link is about stands stopped, and whether by an objection to everything; nothing while some
/// of it does not.
fn stopped_since(scene: &Scene, present: &[Present]) -> Option<(bool, Timestamp)> {
    let mut whole = (true, Timestamp::from_micros(0));
    for purpose in &scene.purposes {
        let (_, state, at) = present.iter().find(|(id, ..)| *id == purpose.id)?;
        match state {
            ConsentState::Objected => {}
            ConsentState::Withdrawn => whole.0 = false,
            _ => return None,
        }
        whole.1 = whole.1.max(*at);
    }
    (!scene.purposes.is_empty()).then_some(whole)
}

fn withdrawn(scene: &Scene, everything: bool, since: Timestamp, more: bool) -> WithdrawnPage {
    WithdrawnPage {
        stopped: if everything { Stopped::Everything } else { Stopped::These(labels(scene)) },
        since,
        sign_up: sign_up_again(scene),
        more,
        rights: None,
        frame: frame(scene),
    }
}

/// The page with the button that stops it.
#[utoipa::path(get, path = "/u/{token}", tag = "pages", operation_id = "show_withdrawal", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/u/{token}", method = "GET", method = "HEAD")]
pub async fn show_withdraw(request: HttpRequest, services: Data<Services>, token: Path<String>) -> HttpResponse {
    match open_link(&services, &token, LinkAction::Withdraw).await {
        Ok(standing) => {
            let question = question_of(standing);
            // Opened again after the stop: nothing will stop any more, it has.
            if let Some((question, (everything, since))) =
                question.as_deref().and_then(|question| Some((question, stopped_since(question, &question.present)?)))
            {
                let shown = withdrawn(question, everything, since, !everything);
                return page(StatusCode::OK, render_withdrawn(&shown));
            }
            let shown = match question {
                Some(question) => WithdrawPage {
                    address: Some(question.masked_address.clone()),
                    purposes: labels(&question),
                    frame: frame(&question),
                },
                // Nobody is on record any more; the button still answers that it is stopped.
                None => WithdrawPage { frame: Frame::neutral(language(&request)), address: None, purposes: Vec::new() },
            };
            page(StatusCode::OK, render_withdraw(&shown))
        }
        Err(error) => unknown_or(error, language(&request)),
    }
}

/// Stop it: `List-Unsubscribe=One-Click` (form-urlencoded or multipart, RFC 8058), or the page's `stop` = `this` or `all`.
#[utoipa::path(post, path = "/u/{token}", tag = "pages", operation_id = "post_withdrawal", security(()), params(("token" = String, Path, description = "The signed link")), request_body(content((String = "application/x-www-form-urlencoded"), (String = "multipart/form-data"))),
    responses((status = 200, description = "Stopped", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/u/{token}", method = "POST")]
pub async fn post_withdraw(
    request: HttpRequest,
    services: Data<Services>,
    token: Path<String>,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    let limit = settings(&request).map_or(64 * 1024, |settings| settings.public_body_limit);
    // A body that is too large or broken off does not hinder a stop.
    let body = read_body(&request, payload.into_inner(), limit).await.unwrap_or_default();
    let one_click = is_one_click(&services, &request, &body);
    let everything =
        !one_click && form_fields(&services.rules.limits, &body).is_some_and(|fields| field(&fields, "stop") == "all");
    let (reach, method) = (
        if everything { Reach::Everything } else { Reach::This },
        if one_click { Method::OneClick } else { Method::WithdrawPage },
    );
    match withdraw(&services, &token, reach, method, Value::Object(evidence(&services, &client))).await {
        Ok(_) if one_click => HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("stopped\n"),
        Ok(stopped) => {
            let now = services.clock.now();
            let shown = match stopped {
                Some(StopShown { scene, before, .. }) => {
                    // As it stood before this press: a repeated one shows the first.
                    let before = stopped_since(&scene, &before).filter(|(all, _)| *all || !everything);
                    withdrawn(&scene, everything, before.map_or(now, |(_, since)| since), false)
                }
                None => WithdrawnPage {
                    frame: Frame::neutral(language(&request)),
                    stopped: Stopped::Everything,
                    since: now,
                    sign_up: None,
                    more: false,
                    rights: None,
                },
            };
            page(StatusCode::OK, render_withdrawn(&shown))
        }
        Err(error) => unknown_or(error, language(&request)),
    }
}

/// The one body that RFC 8058 defines, in either of its encodings.
fn is_one_click(services: &Services, request: &HttpRequest, body: &[u8]) -> bool {
    match media_type(request).as_str() {
        "multipart/form-data" => {
            let text = String::from_utf8_lossy(body);
            text.contains("name=\"List-Unsubscribe\"") && text.contains("One-Click")
        }
        _ => form_fields(&services.rules.limits, body)
            .is_some_and(|fields| field(&fields, "List-Unsubscribe") == "One-Click"),
    }
}

/// The page behind "this was not me".
#[utoipa::path(get, path = "/n/{token}", tag = "pages", operation_id = "show_not_me", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/n/{token}", method = "GET", method = "HEAD")]
pub async fn show_not_me(request: HttpRequest, services: Data<Services>, token: Path<String>) -> HttpResponse {
    match open_link(&services, &token, LinkAction::NotMe).await {
        Ok(standing) => {
            let shown = match question_of(standing) {
                Some(question) => NotMePage { address: Some(question.masked_address.clone()), frame: frame(&question) },
                None => NotMePage { frame: Frame::neutral(language(&request)), address: None },
            };
            page(StatusCode::OK, render_not_me(&shown))
        }
        Err(error) => unknown_or(error, language(&request)),
    }
}

/// "This was not me": no more mails, not even to confirm.
#[utoipa::path(post, path = "/n/{token}", tag = "pages", operation_id = "post_not_me", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "Recorded", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/n/{token}", method = "POST")]
pub async fn post_not_me(
    request: HttpRequest,
    services: Data<Services>,
    token: Path<String>,
    client: ClientInfo,
) -> HttpResponse {
    match not_me(&services, &token, Value::Object(evidence(&services, &client))).await {
        Ok(stopped) => {
            let frame = stopped.map_or_else(|| Frame::neutral(language(&request)), |stopped| frame(&stopped.scene));
            page(StatusCode::OK, render_not_me_done(&NotMeDonePage { frame, rights: None }))
        }
        Err(error) => unknown_or(error, language(&request)),
    }
}
