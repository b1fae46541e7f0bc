//! `/a/{token}`: the page on which whoever reads a new mailbox says whether it is theirs (DR-05). Two taps: choose, then
//! send; machines press lone buttons (LK-03).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError, route};
use serde_json::Value;

use crate::domain::address::ChangeOutcome;
use crate::http::extract::{ClientInfo, expect_media, read_body, settings};
use crate::http::pages::{
    Frame, MoveDonePage, MovePage, Moved, Problem as PageProblem, Trouble, negotiate, render_move, render_move_done,
};
use crate::usecases::address::{Decided, MoveQuestion, MoveStanding, decide, show};
use crate::usecases::answer::Again;
use crate::usecases::scene::Scene;
use crate::usecases::sign_up::Choice;
use crate::usecases::{Error, Services, nonce};

use super::answers::unknown_or;
use super::{evidence, field, form_fields, frame, page, trouble};

/// The page that asks whether a new address is the reader's.
#[utoipa::path(get, path = "/a/{token}", tag = "pages", operation_id = "show_address_change", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = 410, description = "Its time is over", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/a/{token}", method = "GET", method = "HEAD")]
pub async fn show_move(request: HttpRequest, services: Data<Services>, token: Path<String>) -> HttpResponse {
    let lang = language(&request);
    match show(&services, &token).await {
        Ok(MoveStanding::Open(question)) => page(StatusCode::OK, asked(&services, &question, Vec::new())),
        Ok(other) => not_open(&other, lang),
        Err(error) => unknown_or(error, lang),
    }
}

/// Say whether the new address is one's own: `choice` = `yes` or `no`.
#[utoipa::path(post, path = "/a/{token}", tag = "pages", operation_id = "post_address_change", security(()), params(("token" = String, Path, description = "The signed link")), request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Decided", content_type = "text/html"), (status = 422, description = "The page once more", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = 410, description = "Its time is over", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/a/{token}", method = "POST")]
pub async fn post_move(
    request: HttpRequest,
    services: Data<Services>,
    token: Path<String>,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    let lang = language(&request);
    let limit = settings(&request).map_or(64 * 1024, |settings| settings.public_body_limit);
    if let Err(problem) = expect_media(&request, &["application/x-www-form-urlencoded"]) {
        return trouble(problem.status_code(), Frame::neutral(lang), Trouble::Unreadable);
    }
    let fields = match read_body(&request, payload.into_inner(), limit).await {
        Ok(body) => form_fields(&services.rules.limits, &body),
        Err(problem) => return trouble(problem.status_code(), Frame::neutral(lang), Trouble::Unreadable),
    };
    let Some(fields) = fields else {
        return trouble(StatusCode::BAD_REQUEST, Frame::neutral(lang), Trouble::Unreadable);
    };
    let trapped = !field(&fields, "website").is_empty();
    let seal = if trapped { "" } else { field(&fields, "nonce") };
    let choice = Choice::parse(field(&fields, "choice"));
    let evidence = Value::Object(evidence(&services, &client));
    match decide(&services, &token, seal, choice, evidence).await {
        Ok(Decided::Done(scene, outcome)) => done(&scene, outcome),
        Ok(Decided::Again(question, why)) => {
            let problem = match why {
                Again::NoChoice => PageProblem::AnswerMissing,
                Again::TooFast => PageProblem::Again,
                Again::Reload => PageProblem::Stale,
            };
            page(StatusCode::UNPROCESSABLE_ENTITY, asked(&services, &question, vec![problem]))
        }
        Ok(Decided::Not(standing)) => not_open(&standing, lang),
        Err(error) => unknown_or(error, lang),
    }
}

fn language(request: &HttpRequest) -> &'static str {
    negotiate(request.headers().get("accept-language").and_then(|value| value.to_str().ok()))
}

/// The page with its question.
fn asked(services: &Services, question: &MoveQuestion, problems: Vec<PageProblem>) -> String {
    render_move(&MovePage {
        frame: frame(&question.scene),
        old: question.masked_old.clone(),
        new: question.masked_new.clone(),
        asked_at: question.asked_at,
        nonce: nonce::issue(services, &question.link.to_string()),
        problems,
    })
}

fn done(scene: &Scene, outcome: ChangeOutcome) -> HttpResponse {
    let (status, moved) = match outcome {
        ChangeOutcome::Moved => (StatusCode::OK, Moved::Yes),
        ChangeOutcome::Refused => (StatusCode::OK, Moved::No),
        ChangeOutcome::Superseded => (StatusCode::GONE, Moved::Over),
        ChangeOutcome::Taken | ChangeOutcome::Suppressed | ChangeOutcome::NotSent | ChangeOutcome::Undeliverable => {
            (StatusCode::OK, Moved::NotPossible)
        }
    };
    page(status, render_move_done(&MoveDonePage { frame: frame(scene), moved }))
}

fn not_open(standing: &MoveStanding, lang: &str) -> HttpResponse {
    match standing {
        MoveStanding::Over(scene, outcome) => done(scene, *outcome),
        MoveStanding::Expired(scene) => {
            let shown = MoveDonePage { frame: frame(scene), moved: Moved::Expired };
            page(StatusCode::GONE, render_move_done(&shown))
        }
        // Nobody is there any more, and who was is not told.
        MoveStanding::Gone | MoveStanding::Open(_) => unknown_or(Error::UnknownLink, lang),
    }
}
