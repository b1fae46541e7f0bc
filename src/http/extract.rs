//! What comes in, made into types at the edge: JSON bodies with a bound and no unknown or doubled fields, idempotency
//! keys, page cursors, and who the client is by the trusted-proxy rule.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::str::FromStr;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use actix_web::web::{Bytes, Data};
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use validator::{Validate, ValidationErrors, ValidationErrorsKind};

use crate::usecases::error::FieldFault;
use crate::usecases::once::{OnceKey, digest};

use super::HttpSettings;
use super::auth::let_in;
use super::problem::{Kind, Problem};

type Extracted<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// A JSON body that was read whole, holds no unknown field, and passed its shape check.
#[derive(Debug)]
pub struct ApiJson<T> {
    /// The body.
    pub value: T,
    /// SHA-256 of its bytes, for the idempotency fingerprint.
    pub digest: [u8; 32],
}

impl<T: DeserializeOwned + Validate + 'static> FromRequest for ApiJson<T> {
    type Error = Problem;
    type Future = Extracted<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let_in(&request).await;
            expect_media(&request, &["application/json"])?;
            let limit = settings(&request)?.api_body_limit;
            let bytes = read_body(&request, payload, limit).await?;
            let value: T = read_json(&bytes)?;
            value.validate().map_err(|errors| Problem::fields(faults("", &errors)))?;
            Ok(Self { value, digest: digest(&bytes) })
        })
    }
}

/// Reads JSON that is there whole.
pub fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| Problem::with(Kind::BadRequest, json_fault(&error)))
}

/// A JSON fault in words, without quoting the input.
pub fn json_fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    // serde names unknown, missing and doubled fields and expected types; values it quotes are cut out.
    let text = text.split(" at line ").next().unwrap_or_default();
    let safe = ["unknown field", "missing field", "duplicate field", "unknown variant"]
        .iter()
        .any(|start| text.starts_with(start));
    let what = if safe { text.to_owned() } else { format!("{:?} error", error.classify()).to_lowercase() };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// The faults of a shape check, each with its path.
fn faults(path: &str, errors: &ValidationErrors) -> Vec<FieldFault> {
    let join = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let mut found = Vec::new();
    for (name, kind) in errors.errors() {
        match kind {
            ValidationErrorsKind::Field(list) => found.extend(list.iter().map(|error| {
                let message = error.message.as_ref().map_or_else(|| error.code.to_string(), ToString::to_string);
                FieldFault::new(join(name), message)
            })),
            ValidationErrorsKind::Struct(inner) => found.extend(faults(&join(name), inner)),
            ValidationErrorsKind::List(items) => {
                for (index, inner) in items {
                    found.extend(faults(&format!("{}[{index}]", join(name)), inner));
                }
            }
        }
    }
    found.sort_by(|a, b| a.field.cmp(&b.field));
    found
}

/// The settings of the door.
pub fn settings(request: &HttpRequest) -> Result<Data<HttpSettings>, Problem> {
    request.app_data::<Data<HttpSettings>>().cloned().ok_or(Problem::of(Kind::Internal))
}

/// The media type of the body, lower-cased and without parameters.
pub fn media_type(request: &HttpRequest) -> String {
    let header = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Refuses bodies of another kind, and compressed ones.
pub fn expect_media(request: &HttpRequest, allowed: &[&str]) -> Result<(), Problem> {
    refuse_encoding(request)?;
    let media = media_type(request);
    if allowed.contains(&media.as_str()) {
        Ok(())
    } else {
        Err(Problem::with(Kind::UnsupportedMedia, format!("expected a body of type {}", allowed.join(" or "))))
    }
}

/// Refuses compressed bodies.
pub fn refuse_encoding(request: &HttpRequest) -> Result<(), Problem> {
    match request.headers().get(CONTENT_ENCODING) {
        None => Ok(()),
        Some(value) if value.as_bytes().eq_ignore_ascii_case(b"identity") => Ok(()),
        Some(_) => Err(Problem::with(Kind::UnsupportedMedia, "compressed bodies are not taken")),
    }
}

/// Reads a body up to a bound.
pub async fn read_body(request: &HttpRequest, mut payload: Payload, limit: usize) -> Result<Bytes, Problem> {
    let announced =
        request.headers().get("content-length").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Problem::with(Kind::TooLarge, format!("at most {limit} bytes")));
    }
    let mut body = Vec::with_capacity(announced.unwrap_or(1024));
    while let Some(piece) = payload.next().await {
        let piece = piece.map_err(|_| Problem::with(Kind::BadRequest, "the body broke off"))?;
        if body.len() + piece.len() > limit {
            return Err(Problem::with(Kind::TooLarge, format!("at most {limit} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

/// The `Idempotency-Key` of a request, if it has one: bare or as a quoted structured-field string (AP-02).
#[derive(Debug, Clone)]
pub struct Idempotency {
    key: Option<String>,
    target: String,
}

impl FromRequest for Idempotency {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let target = format!("{} {}", request.method(), request.uri());
        let key = match request.headers().get("idempotency-key") {
            None => Ok(None),
            Some(value) => parse_key(value.to_str().unwrap_or_default()).map(Some).ok_or(Problem::with(
                Kind::BadRequest,
                "Idempotency-Key: 1 to 255 visible ASCII characters, bare or in double quotes",
            )),
        };
        std::future::ready(key.map(|key| Self { key, target }))
    }
}

fn parse_key(raw: &str) -> Option<String> {
    let raw = raw.trim();
    let inner = match raw.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => raw,
    };
    let fits =
        (1..=255).contains(&inner.len()) && inner.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    fits.then(|| inner.to_owned())
}

impl Idempotency {
    /// The key bound to this request: same method, path and body.
    pub fn bound_to(&self, body_digest: &[u8; 32]) -> Option<OnceKey> {
        self.key.as_deref().map(|key| OnceKey::new(key, &self.target, body_digest))
    }
}

/// An id in a path. What is not an id is not found, like an id that is nobody's.
pub fn path_id<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::of(Kind::NotFound))
}

/// Who the client is, as far as it can be told.
#[derive(Debug, Clone, Default)]
pub struct ClientInfo {
    /// Its network address: of the connection, or by a trusted proxy's word.
    pub address: Option<IpAddr>,
    /// How the address was found.
    pub found_by: &'static str,
    /// Its user agent, at most 400 characters.
    pub user_agent: Option<String>,
    /// The `Origin` it named.
    pub origin: Option<String>,
}

impl FromRequest for ClientInfo {
    type Error = Problem;
    type Future = std::future::Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let info = settings(request).map(|settings| {
            let text = |name: actix_web::http::header::HeaderName, limit: usize| {
                let value = request.headers().get(name).and_then(|value| value.to_str().ok())?;
                Some(value.chars().filter(|c| !c.is_control()).take(limit).collect::<String>())
            };
            let peer = request.peer_addr().map(|peer| peer.ip());
            let (address, found_by) = client_address(peer, request, &settings);
            Self {
                address,
                found_by,
                user_agent: text(USER_AGENT, 400),
                origin: text(actix_web::http::header::ORIGIN, 300),
            }
        });
        std::future::ready(info)
    }
}

/// The right-most address in `X-Forwarded-For` that is not a trusted proxy's, if the connection comes from one; else
/// the connection's own. A header from anybody else counts for nothing (T-29).
fn client_address(
    peer: Option<IpAddr>,
    request: &HttpRequest,
    settings: &HttpSettings,
) -> (Option<IpAddr>, &'static str) {
    let Some(peer) = peer else { return (None, "unknown") };
    if !settings.is_trusted_proxy(peer) {
        return (Some(peer), "connection");
    }
    let forwarded = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .collect::<Vec<_>>()
        .join(",");
    let mut nearest = peer;
    for hop in forwarded.rsplit(',').map(str::trim).take(20) {
        let Ok(address) = hop.parse::<IpAddr>() else { break };
        nearest = address;
        if !settings.is_trusted_proxy(address) {
            break;
        }
    }
    (Some(nearest), if nearest == peer { "connection" } else { "trusted-proxy" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idempotency_key_may_be_bare_or_quoted() {
        for (raw, expected) in [
            ("abc-1", Some("abc-1")),
            ("\"abc-1\"", Some("abc-1")),
            ("\"abc-1", None),
            ("", None),
            ("\"\"", None),
            ("a b", None),
            ("a\"b", None),
        ] {
            assert_eq!(parse_key(raw).as_deref(), expected, "{raw}");
        }
        assert!(parse_key(&"k".repeat(256)).is_none());
    }
}
