//! `/f/{form_key}`: the same form as a page of ours, as a plain HTML form on a customer's site, and as JSON. Whatever is
//! known about the address, the answer is the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE,
    LOCATION, ORIGIN, VARY,
};
use actix_web::web::{Data, Path, Payload};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, ResponseError, route};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::domain::email::{EmailAddress, InvalidEmail};
use crate::domain::name::{DisplayName, is_unsafe_in_a_line};
use crate::http::extract::{ClientInfo, expect_media, media_type, read_body, settings};
use crate::http::pages::{
    FormDonePage, FormPage, Frame, Notice, Problem as PageProblem, Trouble, negotiate, render_form, render_form_done,
};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::usecases::error::FieldFault;
use crate::usecases::nonce::{self, PageSeal};
use crate::usecases::open_form::{OpenForm, open_form};
use crate::usecases::sign_up::{Choice, Submission, sign_up};
use crate::usecases::{Error, Limits, Services};

use super::{choices, evidence, failure, field, form_fields, frame_of, network_of, page, trouble};

/// Choices for an address, from a script on a site's page.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FormRequest {
    /// The address.
    pub email: String,
    /// The name.
    #[serde(default)]
    pub name: Option<String>,
    /// Purpose's short name → `yes` or `no`. There is no default.
    pub choices: BTreeMap<String, String>,
    /// Custom fields: at most 20, each at most 500 characters.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The page that the form stood on.
    #[serde(default)]
    pub page_url: Option<String>,
}

/// Taken; the same whatever is known.
#[derive(Debug, Serialize, ToSchema)]
pub struct FormAccepted {
    /// `accepted`.
    pub status: String,
}

fn language(request: &HttpRequest) -> &'static str {
    negotiate(request.headers().get("accept-language").and_then(|value| value.to_str().ok()))
}

/// The form as a page of ours.
#[utoipa::path(get, path = "/f/{form_key}", tag = "site forms", operation_id = "show_site_form", security(()), params(("form_key" = String, Path, description = "The form's key")),
    responses((status = 200, description = "The form", content_type = "text/html"), (status = 404, description = "No such form", content_type = "text/html"), (status = "default", description = "A friendly page", content_type = "text/html")))]
#[route("/f/{form_key}", method = "GET", method = "HEAD")]
pub async fn show(request: HttpRequest, services: Data<Services>, key: Path<String>) -> HttpResponse {
    match open_form(&services, &key).await {
        Ok(open) => page(StatusCode::OK, form_page(&services, &open, "", "", Vec::new())),
        Err(error) => failure(&error, language(&request)),
    }
}

fn form_page(services: &Services, open: &OpenForm, email: &str, name: &str, problems: Vec<PageProblem>) -> String {
    render_form(&FormPage {
        frame: frame_of(&open.notice.wording, &open.policy),
        notice: Notice::whole(&open.notice.wording),
        nonce: nonce::issue(services, &open.form.form_key),
        email: email.to_owned(),
        name: name.to_owned(),
        problems,
    })
}

/// Asked by browsers before a script of another origin may post JSON (AP-09).
#[utoipa::path(options, path = "/f/{form_key}", tag = "site forms", operation_id = "preflight_site_form", security(()), params(("form_key" = String, Path, description = "The form's key")),
    responses((status = 204, description = "What is allowed"), (status = 403, description = "Not from this origin"), (status = "default", description = "Not from this origin")))]
#[route("/f/{form_key}", method = "OPTIONS")]
pub async fn preflight(request: HttpRequest, services: Data<Services>, key: Path<String>) -> HttpResponse {
    let origin = request.headers().get(ORIGIN).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let allowed = open_form(&services, &key).await.is_ok_and(|open| open.form.origins.contains(&origin));
    if !allowed {
        return HttpResponse::Forbidden().insert_header((VARY, "Origin")).finish();
    }
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_ORIGIN, origin))
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "POST"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .insert_header((VARY, "Origin"))
        .finish()
}

/// Post choices: as a plain HTML form (`email`, `name`, `choice.{purpose}` = `yes` or `no`, `return_to`, `page_url`,
/// `field.{name}`) or as JSON.
#[utoipa::path(post, path = "/f/{form_key}", tag = "site forms", operation_id = "post_site_form", security(()), params(("form_key" = String, Path, description = "The form's key")),
    request_body(content((FormRequest = "application/json"), (String = "application/x-www-form-urlencoded"))),
    responses((status = 202, description = "JSON: taken", body = FormAccepted), (status = 200, description = "Form: a page of ours", content_type = "text/html"),
        (status = 303, description = "Form: to the return address on the form's list"),
        (status = "default", description = "A problem (JSON) or a friendly page (form)", body = ProblemBody, content_type = "application/problem+json")))]
#[route("/f/{form_key}", method = "POST")]
pub async fn post(
    request: HttpRequest,
    services: Data<Services>,
    key: Path<String>,
    client: ClientInfo,
    payload: Payload,
) -> HttpResponse {
    let json = media_type(&request) == "application/json";
    let open = match open_form(&services, &key).await {
        Ok(open) => open,
        Err(error) if json => return Problem::from(error).error_response(),
        Err(error) => return failure(&error, language(&request)),
    };
    let limit = settings(&request).map_or(64 * 1024, |settings| settings.public_body_limit);
    if json {
        return post_json(&request, &services, open, client, payload.into_inner(), limit).await;
    }
    let frame = frame_of(&open.notice.wording, &open.policy);
    if expect_media(&request, &["application/x-www-form-urlencoded"]).is_err() {
        return trouble(StatusCode::UNSUPPORTED_MEDIA_TYPE, frame, Trouble::Unreadable);
    }
    match read_body(&request, payload.into_inner(), limit).await {
        Ok(body) => post_form(&services, open, client, &body).await,
        Err(problem) => trouble(problem.status_code(), frame, Trouble::Unreadable),
    }
}

/// A browser names its page's origin: ours, one on the form's list, or — from a page that hides it, as ours do — `null`.
/// None at all is noted with the evidence.
fn origin_fits(services: &Services, open: &OpenForm, client: &ClientInfo) -> bool {
    match client.origin.as_deref() {
        None | Some("null") => true,
        Some(origin) => origin == &*services.base_url || open.form.origins.iter().any(|known| known == origin),
    }
}

async fn post_form(services: &Services, open: Arc<OpenForm>, client: ClientInfo, body: &[u8]) -> HttpResponse {
    let frame = || frame_of(&open.notice.wording, &open.policy);
    if !origin_fits(services, &open, &client) {
        return trouble(StatusCode::FORBIDDEN, frame(), Trouble::NotAllowed);
    }
    let Some(fields) = form_fields(&services.rules.limits, body) else {
        return trouble(StatusCode::BAD_REQUEST, frame(), Trouble::Unreadable);
    };
    let (email_text, name_text) = (field(&fields, "email").to_owned(), field(&fields, "name").to_owned());
    let return_to = match field(&fields, "return_to") {
        "" => None,
        wanted if open.form.return_urls.iter().any(|known| known == wanted) => Some(wanted.to_owned()),
        // An address that is not on the list leads nowhere, and the post is not lost for it (T-24).
        _ => None,
    };
    let custom: BTreeMap<String, String> = fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("field.")?.to_owned(), value.clone())))
        .collect();
    let mut problems = Vec::new();
    let email = match EmailAddress::parse(&email_text) {
        Ok(email) => Some(email),
        Err(InvalidEmail::Empty) => {
            problems.push(PageProblem::EmailMissing);
            None
        }
        Err(_) => {
            problems.push(PageProblem::EmailInvalid);
            None
        }
    };
    let name = DisplayName::parse(&name_text).unwrap_or_else(|_| {
        problems.push(PageProblem::NameInvalid);
        None
    });
    let chosen = choices(&fields).unwrap_or_default();
    if chosen.is_empty() {
        problems
            .extend(open.entry.purposes.first().map(|purpose| PageProblem::ChoiceMissing(purpose.slug.to_string())));
    }
    let seal = field(&fields, "nonce");
    let seal = (!seal.is_empty()).then(|| nonce::check(services, &open.form.form_key, seal));
    let says_yes = chosen.iter().any(|(_, choice)| *choice == Choice::Yes);
    match seal {
        Some(PageSeal::Stale | PageSeal::Broken) => problems.push(PageProblem::Stale),
        Some(PageSeal::Fresh(age)) if says_yes && age < services.rules.minimum_dwell => {
            problems.push(PageProblem::Again)
        }
        Some(PageSeal::Fresh(_)) | None => {}
    }
    if !field(&fields, "website").is_empty() {
        problems.push(PageProblem::Again);
    }
    let custom = check_custom(&services.rules.limits, &custom);
    let (Some(email), true, Ok(custom)) = (email, problems.is_empty(), custom) else {
        let html = form_page(services, &open, &email_text, &name_text, problems);
        return page(StatusCode::UNPROCESSABLE_ENTITY, html);
    };
    let mut kept = evidence(services, &client);
    kept.insert("page_url".to_owned(), json!(short(field(&fields, "page_url"))));
    if let Some(PageSeal::Fresh(age)) = seal {
        kept.insert("page_open_ms".to_owned(), json!(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)));
    }
    let submission = Submission {
        email,
        name,
        choices: chosen,
        fields: custom,
        evidence: Value::Object(kept),
        network: network_of(&client),
    };
    match sign_up(services, open.scope, Arc::clone(&open.entry), submission).await {
        Ok(_) => done(frame(), return_to),
        Err(Error::Invalid(_)) => page(
            StatusCode::UNPROCESSABLE_ENTITY,
            form_page(services, &open, &email_text, &name_text, vec![PageProblem::Stale]),
        ),
        Err(error) => failure(&error, &open.notice.wording.language),
    }
}

fn done(frame: Frame, return_to: Option<String>) -> HttpResponse {
    match return_to {
        Some(url) => HttpResponse::SeeOther().insert_header((LOCATION, url)).finish(),
        None => page(StatusCode::OK, render_form_done(&FormDonePage { frame, site: None })),
    }
}

/// Custom fields within the limits, with plain names and no control characters.
pub(in crate::http) fn check_custom(
    limits: &Limits,
    fields: &BTreeMap<String, String>,
) -> Result<Option<Value>, FieldFault> {
    let (most, longest) = (limits.custom_fields, limits.custom_field_characters);
    if fields.len() > most {
        return Err(FieldFault::new("fields", format!("at most {most} fields")));
    }
    for (name, value) in fields {
        let plain =
            (1..=60).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if !plain {
            return Err(FieldFault::new("fields", "field names have 1 to 60 letters, digits, hyphens or underscores"));
        }
        if value.chars().count() > longest || value.chars().any(is_unsafe_in_a_line) {
            return Err(FieldFault::new(
                format!("fields.{name}"),
                format!("at most {longest} characters, none of them control characters"),
            ));
        }
    }
    Ok((!fields.is_empty()).then(|| json!(fields)))
}

/// The first 500 characters of a text that is kept as evidence, without control characters; blank text is none.
pub(in crate::http) fn short(text: &str) -> Option<String> {
    let kept: String = text.chars().filter(|c| !c.is_control()).take(500).collect();
    (!kept.is_empty()).then_some(kept)
}

async fn post_json(
    request: &HttpRequest,
    services: &Services,
    open: Arc<OpenForm>,
    client: ClientInfo,
    payload: actix_web::dev::Payload,
    limit: usize,
) -> HttpResponse {
    let origin = client.origin.clone();
    let known =
        origin.as_ref().is_none_or(|origin| open.form.origins.contains(origin) || *origin == *services.base_url);
    if !known {
        let mut response = Problem::with(Kind::Forbidden, "this origin is not on the form's list").error_response();
        response.headers_mut().insert(VARY, actix_web::http::header::HeaderValue::from_static("Origin"));
        return response;
    }
    let outcome = match expect_media(request, &["application/json"]) {
        Ok(()) => accept_json(request, services, open, client, payload, limit).await,
        Err(problem) => Err(problem),
    };
    let mut response = match outcome {
        Ok(()) => HttpResponseBuilder::new(StatusCode::ACCEPTED).json(FormAccepted { status: "accepted".to_owned() }),
        Err(problem) => problem.error_response(),
    };
    response.headers_mut().insert(VARY, actix_web::http::header::HeaderValue::from_static("Origin"));
    if let Some(origin) = origin.and_then(|origin| actix_web::http::header::HeaderValue::from_str(&origin).ok()) {
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        // Our own default says same-origin; this answer is for a script of a listed origin.
        response.headers_mut().insert(
            actix_web::http::header::HeaderName::from_static("cross-origin-resource-policy"),
            actix_web::http::header::HeaderValue::from_static("cross-origin"),
        );
    }
    response
}

async fn accept_json(
    request: &HttpRequest,
    services: &Services,
    open: Arc<OpenForm>,
    client: ClientInfo,
    payload: actix_web::dev::Payload,
    limit: usize,
) -> Result<(), Problem> {
    let body = read_body(request, payload, limit).await?;
    let form: FormRequest = serde_json::from_slice(&body)
        .map_err(|error| Problem::with(Kind::BadRequest, crate::http::extract::json_fault(&error)))?;
    let mut faults = Vec::new();
    let email = EmailAddress::parse(&form.email).map_err(|error| faults.push(FieldFault::new("email", error))).ok();
    let name = DisplayName::parse(form.name.as_deref().unwrap_or_default()).unwrap_or_else(|error| {
        faults.push(FieldFault::new("name", error));
        None
    });
    let mut chosen = Vec::with_capacity(form.choices.len());
    for (slug, value) in &form.choices {
        match Choice::parse(value) {
            Some(choice) => chosen.push((slug.clone(), choice)),
            None => faults.push(FieldFault::new(format!("choices.{slug}"), "expected `yes` or `no`")),
        }
    }
    if form.choices.is_empty() {
        faults.push(FieldFault::new("choices", "choose yes or no for at least one purpose"));
    }
    let custom = check_custom(&services.rules.limits, &form.fields).unwrap_or_else(|fault| {
        faults.push(fault);
        None
    });
    let (Some(email), true) = (email, faults.is_empty()) else { return Err(Problem::fields(faults)) };
    let mut kept = evidence(services, &client);
    kept.insert("page_url".to_owned(), json!(form.page_url.as_deref().and_then(short)));
    let submission = Submission {
        email,
        name,
        choices: chosen,
        fields: custom,
        evidence: Value::Object(kept),
        network: network_of(&client),
    };
    sign_up(services, open.scope, Arc::clone(&open.entry), submission).await?;
    Ok(())
}
