//! What everybody may reach: site forms, the pages behind signed links, and the callbacks of others. GET, HEAD and
//! OPTIONS change nothing here (LK-01).

pub mod answers;
pub mod assets;
pub mod forms;
pub mod hooks;
pub mod moves;
pub mod oauth;
pub mod policy;
pub mod preferences;
pub mod stops;

use std::net::IpAddr;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use crate::domain::notice::NoticeWording;
use crate::usecases::scene::Scene;
use crate::usecases::{Error, Limits, Services, StoreFailure};

use super::extract::ClientInfo;
use super::pages::{Frame, Href, MessagePage, PolicyLink, Trouble, render_message};
use super::problem::{Kind, Problem};

/// What is not there: a page for who reads pages, a problem for everybody else.
pub async fn not_found(request: HttpRequest) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let reads_pages = header("accept").is_some_and(|accept| accept.contains("text/html"));
    if reads_pages && !request.path().starts_with("/v1/") {
        let lang = super::pages::negotiate(header("accept-language"));
        return trouble(StatusCode::NOT_FOUND, Frame::neutral(lang), Trouble::NotFound);
    }
    Problem::of(Kind::NotFound).error_response()
}

/// An HTML answer.
fn page(status: StatusCode, html: String) -> HttpResponse {
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html)
}

/// A friendly page in place of an error.
fn trouble(status: StatusCode, frame: Frame, what: Trouble) -> HttpResponse {
    page(status, render_message(&MessagePage::about(frame, what)))
}

/// The page for an error of the house; causes are logged here and not shown.
fn failure(error: &Error, lang: &str) -> HttpResponse {
    let frame = Frame::neutral(lang);
    match error {
        Error::Store(StoreFailure::NotFound) | Error::UnknownLink | Error::NotSetUp(_) => {
            trouble(StatusCode::NOT_FOUND, frame, Trouble::NotFound)
        }
        Error::Store(StoreFailure::Busy(_) | StoreFailure::Retry) => {
            tracing::warn!(%error, "a page was refused: busy");
            let mut response = trouble(StatusCode::SERVICE_UNAVAILABLE, frame, Trouble::Busy);
            response
                .headers_mut()
                .insert(actix_web::http::header::RETRY_AFTER, actix_web::http::header::HeaderValue::from_static("2"));
            response
        }
        Error::Invalid(_) => trouble(StatusCode::UNPROCESSABLE_ENTITY, frame, Trouble::Unreadable),
        Error::Refused(_)
        | Error::Campaign(_)
        | Error::NotNow(_)
        | Error::Taken(_)
        | Error::KeyReused
        | Error::NobodyToMail(_)
        | Error::UnknownCredential
        | Error::Store(StoreFailure::Conflict | StoreFailure::Failed(_))
        | Error::Provider(_)
        | Error::Internal(_) => {
            tracing::error!(%error, "a page failed");
            trouble(StatusCode::INTERNAL_SERVER_ERROR, frame, Trouble::Ours)
        }
    }
}

/// The frame around a notice.
fn frame_of(wording: &NoticeWording, policy: &crate::store::policies::PolicyVersion) -> Frame {
    match Href::parse(&format!("/policies/{}", policy.id)) {
        Some(href) => Frame::of(wording, PolicyLink { href, version: policy.label.clone() }),
        None => Frame::neutral(&wording.language),
    }
}

/// The frame of a page behind a link.
fn frame(scene: &Scene) -> Frame {
    match (&scene.notice, &scene.policy) {
        (Some(notice), Some(policy)) => frame_of(&notice.wording, policy),
        _ => Frame { lang: "en".to_owned(), controller: scene.controller.name.clone(), policy: None },
    }
}

/// Where the person can sign up again, through the full notice (DK-03).
fn sign_up_again(scene: &Scene) -> Option<Href> {
    scene.form_key.as_ref().and_then(|key| Href::parse(&format!("/f/{key}")))
}

/// What is kept of the client as evidence. By default the network, not the address (PF-04).
fn evidence(services: &Services, client: &ClientInfo) -> Map<String, Value> {
    let mut kept = Map::new();
    let address = client
        .address
        .map(|address| if services.rules.evidence_full_address { address.to_string() } else { network(address) });
    kept.insert("client_address".to_owned(), json!(address));
    kept.insert("client_address_found_by".to_owned(), json!(client.found_by));
    kept.insert("user_agent".to_owned(), json!(client.user_agent));
    kept.insert("origin".to_owned(), json!(client.origin));
    kept
}

/// The network by which a visitor is counted; none for this machine itself, which is no visitor's network.
fn network_of(client: &ClientInfo) -> Option<String> {
    client.address.filter(|address| !address.to_canonical().is_loopback()).map(network)
}

/// The /24 or /48 that an address lies in.
pub(in crate::http) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(v6) => {
            let [a, b, c, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}::/48")
        }
    }
}

/// Fields of a form post; a doubled one is refused, as are more or larger ones than the limits allow.
fn form_fields(limits: &Limits, body: &[u8]) -> Option<Vec<(String, String)>> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for (name, value) in url::form_urlencoded::parse(body) {
        if fields.len() >= limits.form_fields
            || value.len() > limits.form_value_bytes
            || fields.iter().any(|(known, _)| *known == name)
        {
            return None;
        }
        fields.push((name.into_owned(), value.into_owned()));
    }
    Some(fields)
}

/// A field's value, or nothing.
fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// The choices among the fields, as `choice.{purpose}`; `None` when one is neither `yes` nor `no`.
fn choices(fields: &[(String, String)]) -> Option<Vec<(String, crate::usecases::sign_up::Choice)>> {
    fields
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix("choice.")?, value)))
        .map(|(slug, value)| Some((slug.to_owned(), crate::usecases::sign_up::Choice::parse(value)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_keeps_the_network_not_the_address() {
        assert_eq!(network("203.0.113.77".parse().unwrap()), "203.0.113.0/24");
        assert_eq!(network("2001:db8:1:2::3".parse().unwrap()), "2001:db8:1::/48");
        assert_eq!(network("::ffff:203.0.113.77".parse().unwrap()), "203.0.113.0/24");
    }

    #[test]
    fn doubled_fields_and_odd_choices_are_refused() {
        assert!(form_fields(&Limits::default(), b"email=a&email=b").is_none());
        let fields = form_fields(&Limits::default(), b"choice.news=yes&choice.offers=no&x=1").unwrap();
        assert_eq!(choices(&fields).unwrap().len(), 2);
        assert!(choices(&form_fields(&Limits::default(), b"choice.news=YES").unwrap()).is_none());
        assert!(choices(&form_fields(&Limits::default(), b"choice.news=").unwrap()).is_none());
    }
}
