//! Signed re-consent links for one person each.

use actix_web::web::Data;
use actix_web::{HttpResponse, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::email::EmailAddress;
use crate::domain::time::Period;
use crate::http::auth::{Consents, For};
use crate::http::extract::{ApiJson, Idempotency};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::issue_link::{Lifetime, NewLink, issue_link};
use crate::usecases::once::Asker;
use crate::usecases::people::Whom;
use crate::usecases::{Error, Services};

/// How long a link works.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ExpiresIn {
    /// Seconds.
    Seconds(u64),
    /// ISO 8601 in days and more, such as `P14D`.
    Period(String),
}

/// A link to issue.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// The person's address; or `subject_id`.
    #[serde(default)]
    pub email: Option<String>,
    /// The person's id; or `email`.
    #[serde(default)]
    pub subject_id: Option<String>,
    /// Purposes by id or short name, all of them on the notice.
    #[validate(length(min = 1, max = 20, message = "1 to 20 purposes"))]
    pub purposes: Vec<String>,
    /// The wording that asks.
    pub notice_id: String,
    /// Whether it is to be mailed, for which the person must be one who may be mailed; else it is for showing on the
    /// site to this person alone. Default no.
    #[serde(default)]
    pub mailable: bool,
    /// How long it works: seconds, or ISO 8601 such as `P14D`; as long as an answer link may when left out.
    #[serde(default)]
    pub expires_in: Option<ExpiresIn>,
}

/// A link. Its address is a secret between the site and this person.
#[derive(Serialize, ToSchema)]
pub struct LinkView {
    /// Its address.
    pub url: String,
    /// Its id.
    pub link_id: String,
    /// Until when it works.
    pub expires_at: String,
    /// Whether it may be mailed.
    pub mailable: bool,
    /// The ids of the purposes that it asks about: those named, less those that this person may not be mailed about.
    pub purposes: Vec<String>,
}

/// Issue one signed link.
#[utoipa::path(tag = "consents", operation_id = "issue_link", security(("token" = ["consents"])), request_body = LinkRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 201, description = "Issued", body = LinkView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/links")]
pub async fn create(
    who: For<Consents>,
    once: Idempotency,
    services: Data<Services>,
    body: ApiJson<LinkRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let request = body.value;
    let lifetime = match request.expires_in {
        None => None,
        Some(ExpiresIn::Seconds(seconds)) => Some(Lifetime::Seconds(seconds)),
        Some(ExpiresIn::Period(text)) => {
            Some(Lifetime::Period(Period::parse(&text).map_err(|error| Error::field("expires_in", error))?))
        }
    };
    let new = NewLink {
        whom: whom(request.email.as_deref(), request.subject_id.as_deref())?,
        purposes: request.purposes,
        notice: request.notice_id.parse().map_err(|error| Error::field("notice_id", error))?,
        mailable: request.mailable,
        lifetime,
    };
    let link = issue_link(&services, Asker::controller(who.scope, who.token), key, new).await?;
    Ok(HttpResponse::Created().json(LinkView {
        url: link.url,
        link_id: link.id.to_string(),
        expires_at: link.expires_at.to_string(),
        mailable: request.mailable,
        purposes: link.purposes.iter().map(ToString::to_string).collect(),
    }))
}

fn whom(email: Option<&str>, subject: Option<&str>) -> Result<Whom, Error> {
    match (email, subject) {
        (Some(email), None) => {
            EmailAddress::parse(email).map(Whom::Address).map_err(|error| Error::field("email", error))
        }
        (None, Some(id)) => id.parse().map(Whom::Subject).map_err(|error| Error::field("subject_id", error)),
        _ => Err(Error::field("email", "expected either `email` or `subject_id`")),
    }
}
