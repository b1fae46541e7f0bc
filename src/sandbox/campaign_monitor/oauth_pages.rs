//! The provider's side of OAuth as people and apps meet it: the page that asks whether an app may, and the token
//! endpoint behind it.
//!
//! Promises: nothing is allowed but by the button of the page itself; whatever cannot be asked goes back to the app
//! as an error in the redirect (reference section 2.2), or is told on the page when there is nowhere to go.

use super::desk::Shared;
use super::oauth::{Ask, NotAsked};
use crate::sandbox::web::{Markup, from_another_site};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::web::{self, Data, Form, Query, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use serde::Deserialize;
use serde_json::Value;

pub(super) fn routes(config: &mut ServiceConfig) {
    config.route("/oauth", web::get().to(authorize)).route("/oauth", web::post().to(decide));
}

/// Whether a call is for the token endpoint. It goes the way of the API's calls, faults and log included.
pub(super) fn is_token_call(method: &str, path: &str) -> bool {
    method == "POST" && path == "/oauth/token"
}

pub(super) fn token(shared: &Shared, body: &[u8]) -> (u16, Option<Value>) {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body).into_owned().collect();
    let (status, answer) = shared.work(true, |desk, now| desk.world.oauth.token(&form, now));
    (status, Some(answer))
}

async fn authorize(shared: Data<Shared>, ask: Query<Ask>) -> HttpResponse {
    let ask = ask.into_inner();
    shared.work(false, |desk, _| match desk.world.oauth.look_at(&ask) {
        Ok(asked) => page(&ask, &asked.app.name, &asked.scopes),
        Err(refusal) => refused(refusal, ask.state.as_deref()),
    })
}

#[derive(Deserialize)]
struct Decision {
    #[serde(flatten)]
    ask: Ask,
    #[serde(default)]
    decision: String,
}

async fn decide(shared: Data<Shared>, request: HttpRequest, form: Form<Decision>) -> HttpResponse {
    if from_another_site(&request) {
        return HttpResponse::Forbidden().finish();
    }
    let Decision { ask, decision } = form.into_inner();
    let state = ask.state.as_deref();
    if decision == "allow" {
        return match shared.work(true, |desk, now| desk.world.oauth.allow(&ask, now)) {
            Ok(code) => back(&ask.redirect_uri, &[("code", &code)], state),
            Err(refusal) => refused(refusal, state),
        };
    }
    match shared.work(false, |desk, _| desk.world.oauth.look_at(&ask).map(|_| ())) {
        Ok(()) => back(&ask.redirect_uri, &[("error", "access_denied")], state),
        Err(refusal) => refused(refusal, state),
    }
}

fn refused(refusal: NotAsked, state: Option<&str>) -> HttpResponse {
    match refusal.redirect_uri {
        Some(to) => back(&to, &[("error", refusal.error)], state),
        None => {
            let mut page = Markup::default();
            page.raw("<header><h1>This app cannot ask</h1></header><main><p>").text(refusal.error).raw("</p></main>");
            let mut response = page.into_page("Emulated Campaign Monitor");
            *response.status_mut() = StatusCode::BAD_REQUEST;
            response
        }
    }
}

/// Back to the app.
fn back(to: &str, pairs: &[(&str, &str)], state: Option<&str>) -> HttpResponse {
    let Ok(mut url) = url::Url::parse(to) else { return HttpResponse::BadRequest().finish() };
    url.query_pairs_mut().extend_pairs(pairs).extend_pairs(state.map(|state| ("state", state)));
    HttpResponse::Found().insert_header((header::LOCATION, url.as_str())).finish()
}

fn page(ask: &Ask, app: &str, scopes: &[&str]) -> HttpResponse {
    let mut page = Markup::default();
    page.raw("<header><p class=\"soft\">Emulated Campaign Monitor</p><h1>Let ")
        .text(app)
        .raw(" work with your account?</h1></header><main><p>It asks to be allowed:</p><ul>");
    for scope in scopes {
        page.raw("<li>").text(words(scope)).raw(" <span class=\"soft\">(").text(scope).raw(")</span></li>");
    }
    page.raw("</ul><form method=\"post\" action=\"/oauth\">");
    let fields = [
        ("type", ask.kind.as_deref()),
        ("client_id", Some(ask.client_id.as_str())),
        ("redirect_uri", Some(ask.redirect_uri.as_str())),
        ("scope", Some(ask.scope.as_str())),
        ("state", ask.state.as_deref()),
    ];
    for (name, value) in fields.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        page.raw("<input type=\"hidden\" name=\"").text(name).raw("\" value=\"").text(value).raw("\">");
    }
    page.raw("<p><button type=\"submit\" name=\"decision\" value=\"allow\">Allow access</button> ")
        .raw("<button type=\"submit\" name=\"decision\" value=\"deny\">Deny access</button></p></form>")
        .raw("<p class=\"soft\">A stand-in on this machine. Nothing here reaches the real service.</p></main>");
    let mut response = page.into_page("Allow access?");
    // A browser holds the redirect that answers the form to `form-action` as well.
    let origin = url::Url::parse(&ask.redirect_uri).map(|url| url.origin().ascii_serialization());
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {}; base-uri 'none'; frame-ancestors 'none'",
        origin.unwrap_or_default()
    );
    if let Ok(policy) = HeaderValue::try_from(policy) {
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn words(scope: &str) -> &'static str {
    match scope {
        "ViewReports" => "see reports",
        "ManageLists" => "manage lists and the people on them",
        "CreateCampaigns" => "create campaigns",
        "ImportSubscribers" => "add people to lists",
        "SendCampaigns" => "send campaigns",
        "ViewSubscribersInReports" => "see people in reports",
        "ManageTemplates" => "manage templates",
        "AdministerPersons" => "manage who may log in",
        "AdministerAccount" => "manage the account",
        "ViewTransactional" => "see transactional mail",
        "SendTransactional" => "send transactional mail",
        _ => "manage automation",
    }
}
