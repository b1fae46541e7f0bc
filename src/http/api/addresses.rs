//! Changes of address: asked for here, decided by whoever reads the new mailbox (DR-05).

use actix_web::web::{Data, Path};
use actix_web::{HttpResponse, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::email::EmailAddress;
use crate::domain::ids::{NoticeId, SenderId, SubjectId};
use crate::domain::time::Timestamp;
use crate::http::auth::{For, Subjects};
use crate::http::extract::{ApiJson, Idempotency, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::address::{NewAddress, ask};
use crate::usecases::once::Asker;
use crate::usecases::people::ChangeStanding;
use crate::usecases::{Error, Services};

/// A wish for another address.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressRequest {
    /// The new address.
    pub email: String,
    /// The notice whose language and policy the mail and its page have; the one the person was shown last, if left out.
    #[serde(default)]
    pub notice_id: Option<String>,
    /// In whose name the mail goes; may be left out where there is one sender.
    #[serde(default)]
    pub sender_id: Option<String>,
}

/// A change that waits for the new mailbox.
#[derive(Serialize, ToSchema)]
pub struct AddressAsked {
    /// Its id.
    pub id: String,
    /// The new address, masked.
    pub email: String,
    /// When it was asked for.
    pub asked_at: String,
    /// Until when the new mailbox can say yes.
    pub ends_at: String,
}

/// How a change of address stands.
#[derive(Serialize, ToSchema)]
pub struct AddressChangeView {
    /// `pending`, `expired`, or how it ended: `moved`, `refused`, `superseded`, `taken`, `suppressed`, `not_sent` or
    /// `undeliverable`.
    pub state: String,
    /// The new address, masked; null once nothing waits for it.
    pub email: Option<String>,
    /// When it was asked for.
    pub asked_at: String,
    /// Until when the new mailbox can, or could, say yes.
    pub ends_at: String,
    /// When it ended.
    pub settled_at: Option<String>,
}

impl From<ChangeStanding> for AddressChangeView {
    fn from(asked: ChangeStanding) -> Self {
        let state = match (asked.outcome, &asked.masked) {
            (Some(outcome), _) => outcome.name(),
            (None, Some(_)) => "pending",
            (None, None) => "expired",
        };
        Self {
            state: state.to_owned(),
            email: asked.masked,
            asked_at: asked.asked_at.to_string(),
            ends_at: asked.ends_at.to_string(),
            settled_at: asked.settled_at.map(|at| at.to_string()),
        }
    }
}

/// An address that a person has left.
#[derive(Serialize, ToSchema)]
pub struct FormerAddressView {
    /// The address.
    pub email: String,
    /// When it was left.
    pub left_at: String,
}

impl FormerAddressView {
    pub(super) fn of((address, left_at): &(EmailAddress, Timestamp)) -> Self {
        Self { email: address.as_sent(), left_at: left_at.to_string() }
    }
}

/// Ask a new mailbox whether it is the person's. Nothing changes before it says yes: until then, mail goes to the address
/// on record and nowhere else. What the person has agreed to or stopped moves along with them.
#[utoipa::path(tag = "subjects", operation_id = "change_address", security(("token" = ["subjects"])), request_body = AddressRequest,
    params(("id" = String, Path, description = "The person's id"), ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    responses((status = 202, description = "The new mailbox is asked", body = AddressAsked), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subjects/{id}/address")]
pub async fn change(
    who: For<Subjects>,
    once: Idempotency,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<AddressRequest>,
) -> Result<HttpResponse, Problem> {
    let key = once.bound_to(&body.digest);
    let (subject, request): (SubjectId, _) = (path_id(&id)?, body.value);
    let notice: Option<Result<NoticeId, _>> = request.notice_id.map(|id| id.parse());
    let sender: Option<Result<SenderId, _>> = request.sender_id.map(|id| id.parse());
    let wish = NewAddress {
        subject,
        address: EmailAddress::parse(&request.email).map_err(|error| Error::field("email", error))?,
        notice: notice.transpose().map_err(|error| Error::field("notice_id", error))?,
        sender: sender.transpose().map_err(|error| Error::field("sender_id", error))?,
    };
    let asked = ask(&services, Asker::controller(who.scope, who.token), key, wish).await?;
    Ok(HttpResponse::Accepted().json(AddressAsked {
        id: asked.id.to_string(),
        email: asked.masked,
        asked_at: asked.asked_at.to_string(),
        ends_at: asked.ends_at.to_string(),
    }))
}
