//! Answers as they leave: JSON or a gateway's page, whole, in drops, or not at all.

use super::faults::FaultKind;
use actix_web::body::{BodySize, MessageBody, SizedStream};
use actix_web::http::{StatusCode, header};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// In how many drops a slow body comes.
const DROPS: usize = 10;

/// How the caller wants the answer.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    pretty: bool,
    gzip: bool,
}

impl Wish {
    pub(super) fn of(request: &HttpRequest) -> Self {
        let pretty = request.uri().query().is_some_and(|query| query.to_lowercase().contains("pretty=true"));
        let accepted = request.headers().get_all(header::ACCEPT_ENCODING).filter_map(|value| value.to_str().ok());
        let gzip = accepted.flat_map(|value| value.split(',')).any(|coding| {
            let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
            name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        });
        Self { pretty, gzip }
    }
}

/// What a call is answered.
pub(super) struct Answer {
    /// 0 when the connection is closed instead.
    pub(super) status: u16,
    /// The `Code` that a JSON body carries.
    pub(super) code: Option<u64>,
    pub(super) body: Body,
    pub(super) headers: Vec<(&'static str, String)>,
}

pub(super) enum Body {
    Json(Option<Value>),
    Html,
    /// The connection is closed before anything is sent.
    Cut,
    /// JSON in drops over this time.
    Slow(Option<Value>, Duration),
}

impl Answer {
    pub(super) fn json(status: u16, body: Option<Value>) -> Self {
        let code = body.as_ref().and_then(|body| body.get("Code")?.as_u64());
        Self { status, code, body: Body::Json(body), headers: Vec::new() }
    }

    /// What a fault says in place of the provider; `None` when it lets the provider speak.
    pub(super) fn instead(kind: FaultKind) -> Option<Self> {
        let other = |status, body| Some(Self { status, code: None, body, headers: Vec::new() });
        match kind {
            FaultKind::Status(status) | FaultKind::StatusAfter(status) => Some(Self::plain(status)),
            FaultKind::ErrorAfterApplying => Some(Self::plain(500)),
            FaultKind::LostAnswer | FaultKind::Closed => other(0, Body::Cut),
            FaultKind::Html => other(502, Body::Html),
            FaultKind::HtmlStatus(status) => other(status, Body::Html),
            FaultKind::RateLimited(seconds) => {
                Some(Self { headers: rate_limit(60, 0, u64::from(seconds)), ..Self::plain(429) })
            }
            FaultKind::Delay(_) | FaultKind::LateAnswer(_) | FaultKind::SlowBody(_) => None,
        }
    }

    /// A bare status: the provider itself speaks JSON, a gateway says nothing.
    fn plain(status: u16) -> Self {
        let body = match status {
            429 => Some(json!({"Code": 429, "Message": "Rate limit exceeded"})),
            500 => Some(json!({"Code": 500, "Message": "Sorry, an error occurred"})),
            _ => None,
        };
        Self::json(status, body)
    }

    /// The same answer with a body that comes in drops.
    pub(super) fn slowly(self, time: Duration) -> Self {
        match self.body {
            Body::Json(body) => Self { body: Body::Slow(body, time), ..self },
            _ => self,
        }
    }

    pub(super) fn into_response(self, wish: Wish) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = HttpResponse::build(status);
        for (name, value) in self.headers {
            response.insert_header((name, value));
        }
        let mut text = |body: Value| {
            let text = if wish.pretty { format!("{body:#}") } else { body.to_string() };
            response.content_type("application/json; charset=utf-8").insert_header((header::VARY, "Accept-Encoding"));
            if wish.gzip {
                response.insert_header((header::CONTENT_ENCODING, "gzip"));
                zipped(&text)
            } else {
                Bytes::from(text)
            }
        };
        match self.body {
            Body::Cut => HttpResponse::Ok().force_close().body(Cut),
            Body::Html => response
                .content_type("text/html; charset=utf-8")
                .body(format!("<html><head><title>{status}</title></head><body>{status}</body></html>")),
            Body::Json(None) | Body::Slow(None, _) => response.finish(),
            Body::Json(Some(body)) => {
                let text = text(body);
                response.body(text)
            }
            Body::Slow(Some(body), time) => {
                let text = text(body);
                response.body(drops(text, time))
            }
        }
    }
}

fn zipped(text: &str) -> Bytes {
    let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory does not fail.
    let _ = zip.write_all(text.as_bytes());
    zip.finish().unwrap_or_default().into()
}

/// The headers of a rate limit; the reset is in seconds from now.
pub(super) fn rate_limit(limit: u64, remaining: u64, reset: u64) -> Vec<(&'static str, String)> {
    vec![
        ("X-RateLimit-Limit", limit.to_string()),
        ("X-RateLimit-Remaining", remaining.to_string()),
        ("X-RateLimit-Reset", reset.to_string()),
    ]
}

/// The text with its length announced, and a pause before each part.
fn drops(whole: Bytes, time: Duration) -> impl MessageBody + 'static {
    let part = whole.len().div_ceil(DROPS).max(1);
    let pause = time / u32::try_from(whole.len().div_ceil(part)).unwrap_or(1).max(1);
    let length = whole.len() as u64;
    let parts = stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let part = rest.split_to(part.min(rest.len()));
        Some((Ok::<_, io::Error>(part), rest))
    });
    SizedStream::new(length, Box::pin(parts))
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
