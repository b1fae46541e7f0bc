//! `/c/{token}` and `/r/{token}`: the pages on which a person confirms a sign-up or answers a re-permission. Two taps:
//! choose, then send; machines press lone buttons (LK-03).

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, ResponseError, route};
use serde_json::Value;

use crate::domain::consent::ConsentState;
use crate::domain::link::LinkAction;
use crate::domain::name::DisplayName;
use crate::http::extract::{ClientInfo, expect_media, read_body, settings};
use crate::http::pages::{
    AnswerPage, ConfirmPage, DecidedPage, Frame, Held, Href, LinkProblem, LinkProblemPage, Notice, Outcome,
    Problem as PageProblem, Recorded as PageRecorded, Trouble, negotiate, render_answer, render_confirm,
    render_decided, render_link_problem,
};
use crate::usecases::answer::{Again, Answered, Recorded, Reply, answer, where_to_stop};
use crate::usecases::linked::{LinkStanding, Question, open_link};
use crate::usecases::scene::Scene;
use crate::usecases::{Error, Services, nonce};

use super::{choices, evidence, failure, field, form_fields, frame, page, sign_up_again, trouble};

/// The page that asks to confirm a sign-up.
#[utoipa::path(get, path = "/c/{token}", tag = "pages", operation_id = "show_confirmation", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = 410, description = "Its time is over", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/c/{token}", method = "GET", method = "HEAD")]
pub async fn show_confirm(request: HttpRequest, services: Data<Services>, token: Path<String>) -> HttpResponse {
    show(&request, &services, &token, LinkAction::Confirm).await
}

/// The page that asks for a re-permission.
#[utoipa::path(get, path = "/r/{token}", tag = "pages", operation_id = "show_answer", security(()), params(("token" = String, Path, description = "The signed link")),
    responses((status = 200, description = "The page", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = 410, description = "Its time is over", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/r/{token}", method = "GET", method = "HEAD")]
pub async fn show_answer(request: HttpRequest, services: Data<Services>, token: Path<String>) -> HttpResponse {
    show(&request, &services, &token, LinkAction::Answer).await
}

/// Confirm a sign-up: `choice.{purpose}` = `yes` or `no`.
#[utoipa::path(post, path = "/c/{token}", tag = "pages", operation_id = "post_confirmation", security(()), params(("token" = String, Path, description = "The signed link")), request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Recorded", content_type = "text/html"), (status = 422, description = "The page once more", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = 410, description = "Its time is over", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/c/{token}", method = "POST")]
pub async fn post_confirm(
    request: HttpRequest,
    services: Data<Services>,
    token: Path<String>,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    post(&request, &services, &token, LinkAction::Confirm, client, payload).await
}

/// Answer a re-permission: `choice.{purpose}` = `yes` or `no`, and a corrected `name`.
#[utoipa::path(post, path = "/r/{token}", tag = "pages", operation_id = "post_answer", security(()), params(("token" = String, Path, description = "The signed link")), request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "Recorded", content_type = "text/html"), (status = 422, description = "The page once more", content_type = "text/html"), (status = 404, description = "Not a link of ours", content_type = "text/html"), (status = 410, description = "Its time is over", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/r/{token}", method = "POST")]
pub async fn post_answer(
    request: HttpRequest,
    services: Data<Services>,
    token: Path<String>,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    post(&request, &services, &token, LinkAction::Answer, client, payload).await
}

/// The language that the browser asks for.
pub(super) fn language(request: &HttpRequest) -> &'static str {
    negotiate(request.headers().get("accept-language").and_then(|value| value.to_str().ok()))
}

async fn show(request: &HttpRequest, services: &Services, token: &str, action: LinkAction) -> HttpResponse {
    match open_link(services, token, action).await {
        Ok(LinkStanding::Open(question)) => page(StatusCode::OK, ask(services, &question, "", Vec::new())),
        Ok(other) => not_open(services, other, language(request)).await,
        Err(error) => unknown_or(error, language(request)),
    }
}

/// One neutral page for a link that is not ours; a friendly one for our own troubles.
pub(super) fn unknown_or(error: Error, lang: &str) -> HttpResponse {
    match error {
        Error::UnknownLink => {
            let gone = LinkProblemPage {
                frame: Frame::neutral(lang),
                problem: LinkProblem::Unknown,
                withdraw: None,
                sign_up: None,
                site: None,
            };
            page(StatusCode::NOT_FOUND, render_link_problem(&gone))
        }
        other => failure(&other, lang),
    }
}

/// A genuine link that cannot be answered.
async fn not_open(services: &Services, standing: LinkStanding, lang: &str) -> HttpResponse {
    let (question, status, problem) = match standing {
        // Nobody is on record behind it: told like a link that is not ours.
        LinkStanding::Gone | LinkStanding::Open(_) => return unknown_or(Error::UnknownLink, lang),
        LinkStanding::Expired(question) => (question, StatusCode::GONE, LinkProblem::Expired),
        LinkStanding::Superseded(question) => (question, StatusCode::GONE, LinkProblem::Superseded),
        LinkStanding::Used(question, _, _) => {
            let outcomes = present_outcomes(&question);
            (question, StatusCode::OK, LinkProblem::Used(outcomes))
        }
    };
    let yes =
        matches!(&problem, LinkProblem::Used(outcomes) if outcomes.iter().any(|o| o.recorded == PageRecorded::Yes));
    let all_yes =
        matches!(&problem, LinkProblem::Used(outcomes) if outcomes.iter().all(|o| o.recorded == PageRecorded::Yes));
    let withdraw = match where_to_stop(services, &question).await {
        Ok(path) => path.filter(|_| yes).as_deref().and_then(Href::parse),
        Err(error) => return failure(&error, lang),
    };
    let sign_up = sign_up_again(&question).filter(|_| !all_yes);
    let shown = LinkProblemPage { frame: frame(&question), problem, withdraw, sign_up, site: None };
    page(status, render_link_problem(&shown))
}

/// What stands on record now for the purposes of a used link, whatever was answered by it once.
fn present_outcomes(question: &Question) -> Vec<Outcome> {
    let label_of = |purpose: &crate::domain::purpose::Purpose| label(question, purpose.slug.as_str(), &purpose.label);
    let outcome = |purpose: &crate::domain::purpose::Purpose| {
        let (_, state, at) = question.present.iter().find(|(id, ..)| *id == purpose.id)?;
        Some(Outcome { label: label_of(purpose), recorded: stands(*state)?, at: *at })
    };
    question.purposes.iter().filter_map(outcome).collect()
}

/// A state in a subject's words; nothing for one that has nothing to say.
const fn stands(state: ConsentState) -> Option<PageRecorded> {
    match state {
        ConsentState::Confirmed | ConsentState::Renewed => Some(PageRecorded::Yes),
        ConsentState::Refused => Some(PageRecorded::No),
        ConsentState::Withdrawn | ConsentState::Objected => Some(PageRecorded::Stopped),
        ConsentState::Expired | ConsentState::Dormant | ConsentState::Terminated | ConsentState::Invalidated => {
            Some(PageRecorded::Ended)
        }
        ConsentState::Unknown | ConsentState::Pending => None,
    }
}

const fn on_page(recorded: Recorded) -> PageRecorded {
    match recorded {
        Recorded::Yes => PageRecorded::Yes,
        Recorded::No => PageRecorded::No,
        Recorded::Stopped => PageRecorded::Stopped,
        Recorded::Ended | Recorded::TooLate => PageRecorded::Ended,
    }
}

/// A purpose in the words of the notice, if it names it.
pub(super) fn label(scene: &Scene, slug: &str, fallback: &str) -> String {
    scene.notice.as_ref().and_then(|notice| notice.wording.label(slug)).unwrap_or(fallback).to_owned()
}

/// The page with its questions.
fn ask(services: &Services, question: &Question, name: &str, problems: Vec<PageProblem>) -> String {
    let seal = nonce::issue(services, &question.link.id.to_string());
    let Some(wording) = question.notice.as_ref().map(|notice| &notice.wording) else {
        // Links that ask always name a notice; without one there is nothing to show.
        return render_link_problem(&LinkProblemPage {
            frame: frame(question),
            problem: LinkProblem::Unknown,
            withdraw: None,
            sign_up: None,
            site: None,
        });
    };
    let notice = Notice::about(wording, |slug| question.purposes.iter().any(|purpose| purpose.slug.as_str() == slug));
    let held = Held { address: question.masked_address.clone(), name: question.masked_name.clone() };
    match question.link.action {
        LinkAction::Confirm => render_confirm(&ConfirmPage {
            frame: frame(question),
            notice,
            held,
            requested_at: question.link.created_at,
            not_me: None,
            nonce: seal,
            problems,
        }),
        LinkAction::Answer | LinkAction::Withdraw | LinkAction::NotMe | LinkAction::Manage | LinkAction::Move => {
            render_answer(&AnswerPage {
                frame: frame(question),
                notice,
                held,
                ends: question.link.expires_at,
                nonce: seal,
                name: name.to_owned(),
                problems,
            })
        }
    }
}

async fn post(
    request: &HttpRequest,
    services: &Services,
    token: &str,
    action: LinkAction,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    let lang = language(request);
    let limit = settings(request).map_or(64 * 1024, |settings| settings.public_body_limit);
    if let Err(problem) = expect_media(request, &["application/x-www-form-urlencoded"]) {
        return trouble(problem.status_code(), Frame::neutral(lang), Trouble::Unreadable);
    }
    let fields = match read_body(request, payload.into_inner(), limit).await {
        Ok(body) => form_fields(&services.rules.limits, &body),
        Err(problem) => return trouble(problem.status_code(), Frame::neutral(lang), Trouble::Unreadable),
    };
    let Some(fields) = fields else {
        return trouble(StatusCode::BAD_REQUEST, Frame::neutral(lang), Trouble::Unreadable);
    };
    let name_text = field(&fields, "name").to_owned();
    let name = match DisplayName::parse(&name_text) {
        Ok(name) => name,
        Err(_) => return once_more(services, token, action, lang, &name_text, PageProblem::NameInvalid).await,
    };
    let trapped = !field(&fields, "website").is_empty();
    let reply = Reply {
        seal: if trapped { String::new() } else { field(&fields, "nonce").to_owned() },
        choices: choices(&fields).unwrap_or_default(),
        name,
        evidence: Value::Object(evidence(services, &client)),
    };
    match answer(services, token, action, reply).await {
        Ok(Answered::Recorded(scene, recorded, stop)) => decided(services, &scene, &recorded, stop),
        Ok(Answered::Again(question, why)) => {
            let problem = match why {
                Again::NoChoice => PageProblem::ChoiceMissing(
                    question.purposes.first().map(|p| p.slug.to_string()).unwrap_or_default(),
                ),
                Again::TooFast => PageProblem::Again,
                Again::Reload => PageProblem::Stale,
            };
            page(StatusCode::UNPROCESSABLE_ENTITY, ask(services, &question, &name_text, vec![problem]))
        }
        Ok(Answered::Not(standing)) => not_open(services, standing, lang).await,
        Err(error) => unknown_or(error, lang),
    }
}

async fn once_more(
    services: &Services,
    token: &str,
    action: LinkAction,
    lang: &str,
    name: &str,
    problem: PageProblem,
) -> HttpResponse {
    match open_link(services, token, action).await {
        Ok(LinkStanding::Open(question)) => {
            page(StatusCode::UNPROCESSABLE_ENTITY, ask(services, &question, name, vec![problem]))
        }
        Ok(other) => not_open(services, other, lang).await,
        Err(error) => unknown_or(error, lang),
    }
}

fn decided(
    services: &Services,
    scene: &Scene,
    recorded: &[(crate::domain::purpose::Purpose, Recorded)],
    stop: Option<String>,
) -> HttpResponse {
    let at = services.clock.now();
    let outcomes = recorded
        .iter()
        .map(|(purpose, what)| Outcome {
            label: label(scene, purpose.slug.as_str(), &purpose.label),
            recorded: on_page(*what),
            at,
        })
        .collect();
    let html = render_decided(&DecidedPage {
        frame: frame(scene),
        outcomes,
        withdraw: stop.as_deref().and_then(Href::parse),
        sign_up: sign_up_again(scene).filter(|_| recorded.iter().any(|(_, what)| *what != Recorded::Yes)),
        site: None,
        rights: None,
    });
    page(StatusCode::OK, html)
}
