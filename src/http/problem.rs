//! Every refusal of the API, the framework's own included, as one table of problems (RFC 9457). Causes are logged
//! once, where they become a problem, and never sent.

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, HttpResponseBuilder, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

use crate::usecases::error::FieldFault;
use crate::usecases::{Error, StoreFailure};

/// The kinds of problem, with their public face.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the face says it")]
pub enum Kind {
    BadRequest,
    Unauthorised,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    Taken,
    NotNow,
    NotSetUp,
    KeyReused,
    TooLarge,
    UnsupportedMedia,
    Validation,
    Refused,
    NotPermittedToMail,
    TooMany,
    Deadline,
    Busy,
    Provider,
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::BadRequest,
        Self::Unauthorised,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Taken,
        Self::NotNow,
        Self::NotSetUp,
        Self::KeyReused,
        Self::TooLarge,
        Self::UnsupportedMedia,
        Self::Validation,
        Self::Refused,
        Self::NotPermittedToMail,
        Self::TooMany,
        Self::Deadline,
        Self::Busy,
        Self::Provider,
        Self::Internal,
    ];

    /// Status, slug and title.
    pub const fn face(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "bad-request", "The request does not read"),
            Self::Unauthorised => (StatusCode::UNAUTHORIZED, "unauthorised", "A valid bearer token is needed"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "This token may not do that"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is nothing here"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Not with this method"),
            Self::Taken => (StatusCode::CONFLICT, "taken", "This name is taken"),
            Self::NotNow => (StatusCode::CONFLICT, "not-now", "Not in the present state"),
            Self::NotSetUp => (StatusCode::CONFLICT, "not-set-up", "The operator has not set this up"),
            Self::KeyReused => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key was used for another request",
            ),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::UnsupportedMedia => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "This kind of body is not taken")
            }
            Self::Validation => (StatusCode::UNPROCESSABLE_ENTITY, "validation", "Some fields are not right"),
            Self::Refused => (StatusCode::CONFLICT, "refused", "A rule says no"),
            Self::NotPermittedToMail => {
                (StatusCode::UNPROCESSABLE_ENTITY, "not-permitted-to-mail", "Nobody here may lawfully be mailed")
            }
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "too-many", "Too many requests"),
            Self::Deadline => (StatusCode::REQUEST_TIMEOUT, "deadline", "The request took too long"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "Try again shortly"),
            Self::Provider => (StatusCode::BAD_GATEWAY, "provider", "The mailing provider did not do it"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side"),
        }
    }
}

/// A field that is not right.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldProblem {
    /// The field, such as `wording.title`.
    pub field: String,
    /// What was expected.
    pub message: String,
}

/// People who may not be mailed, by reason.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ReasonCount {
    /// The reason's code.
    pub reason: String,
    /// The reason in plain words, with its rule.
    pub explanation: String,
    /// How many people.
    pub people: u64,
}

/// The body of a refusal: `application/problem+json` (RFC 9457).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Names the kind; relative to this service, where it is described.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The status code.
    pub status: u16,
    /// What was wrong this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Each field that is not right.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldProblem>,
    /// Why people may not be mailed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<ReasonCount>,
}

/// A refusal on its way out.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: Kind,
    detail: Option<String>,
    fields: Vec<FieldProblem>,
    reasons: Vec<ReasonCount>,
}

impl Problem {
    /// A problem that its title says all about.
    pub const fn of(kind: Kind) -> Self {
        Self { kind, detail: None, fields: Vec::new(), reasons: Vec::new() }
    }

    /// A problem with what was wrong this time.
    pub fn with(kind: Kind, detail: impl ToString) -> Self {
        Self { detail: Some(detail.to_string()), ..Self::of(kind) }
    }

    /// Fields that are not right.
    pub fn fields(faults: Vec<FieldFault>) -> Self {
        let fields =
            faults.into_iter().map(|fault| FieldProblem { field: fault.field, message: fault.message }).collect();
        Self { fields, ..Self::of(Kind::Validation) }
    }

    /// The kind.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    fn body(&self) -> ProblemBody {
        let (status, slug, title) = self.kind.face();
        ProblemBody {
            kind: format!("/problems/{slug}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail.clone(),
            fields: self.fields.clone(),
            reasons: self.reasons.clone(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.face().1)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.face().0
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponseBuilder::new(self.status_code());
        response.insert_header((CONTENT_TYPE, "application/problem+json; charset=utf-8"));
        match self.kind {
            Kind::TooMany | Kind::Busy => {
                response.insert_header((RETRY_AFTER, "2"));
            }
            Kind::Unauthorised => {
                response.insert_header((WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        response.json(self.body())
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused(refusal) => Self::with(Kind::Refused, refusal),
            Error::Campaign(refusal) => Self::with(Kind::NotNow, refusal),
            Error::NotNow(why) => Self::with(Kind::NotNow, why),
            Error::Invalid(faults) => Self::fields(faults),
            Error::Taken(what) => Self::with(Kind::Taken, format!("{what} is taken")),
            Error::KeyReused => Self::of(Kind::KeyReused),
            Error::NobodyToMail(counts) => {
                let reasons = counts.into_iter().map(|(reason, people)| ReasonCount {
                    reason: reason.name().to_owned(),
                    explanation: reason.explanation().to_owned(),
                    people,
                });
                Self { reasons: reasons.collect(), ..Self::of(Kind::NotPermittedToMail) }
            }
            Error::NotSetUp(missing) => Self::with(Kind::NotSetUp, missing),
            Error::UnknownCredential => Self::of(Kind::Unauthorised),
            Error::UnknownLink => Self::of(Kind::NotFound),
            // What went wrong there names no person and no key.
            Error::Provider(error) => Self::with(Kind::Provider, error),
            Error::Store(failure) => match failure {
                StoreFailure::NotFound => Self::of(Kind::NotFound),
                StoreFailure::Conflict => Self::of(Kind::Taken),
                StoreFailure::Busy(_) | StoreFailure::Retry => {
                    tracing::warn!(error = %failure, "refused: busy");
                    Self::of(Kind::Busy)
                }
                StoreFailure::Failed(_) => {
                    tracing::error!(error = %failure, "the store failed");
                    Self::of(Kind::Internal)
                }
            },
            Error::Internal(cause) => {
                tracing::error!(%cause, "internal error");
                Self::of(Kind::Internal)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_has_a_slug_of_its_own_and_a_whole_body() {
        assert!(Kind::ALL.len() > 10);
        let mut slugs: Vec<&str> = Kind::ALL.iter().map(|kind| kind.face().1).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        for kind in Kind::ALL {
            let response = Problem::with(*kind, "because").error_response();
            assert!(response.status().is_client_error() || response.status().is_server_error());
            assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "application/problem+json; charset=utf-8");
            let wants_retry_after = matches!(kind, Kind::TooMany | Kind::Busy);
            assert_eq!(response.headers().contains_key(RETRY_AFTER), wants_retry_after, "{kind:?}");
        }
    }
}
