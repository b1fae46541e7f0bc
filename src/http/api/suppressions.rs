//! The "never mail" list: keyed hashes with their reasons, and addresses that staff put on it.

use std::str::FromStr;

use actix_web::web::{Data, Json, Query};
use actix_web::{get, post};
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::email::EmailAddress;
use crate::domain::ids::PurposeId;
use crate::http::api::subjects::{StoppedView, purpose_slug, reason};
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{Exports, For, Subjects};
use crate::http::extract::ApiJson;
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::once::Asker;
use crate::usecases::staff_stop::{StopOrder, list_suppressions, stop_address};
use crate::usecases::{Error, Services};

/// An entry.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionView {
    /// Keyed hash of the address, in hex. Nobody without this service's keys can tell whose it is.
    pub fingerprint: String,
    /// The purpose's short name; `*` for all.
    pub purpose: String,
    /// Why.
    pub reason: String,
    /// What led to it, as kind and id.
    pub source: Option<String>,
    /// Since when.
    pub created_at: String,
    /// Taken off for this purpose by a fresh confirmed opt-in.
    pub lifted_at: Option<String>,
}

/// An address to put on the list.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuppressionRequest {
    /// The address. Who is on record under it is stopped as well.
    pub email: String,
    /// `withdrawn`, `objected`, `complained`, `manual`, `legal` or `child`.
    pub reason: String,
    /// Purposes by id or short name, with `withdrawn`; all of them when left out.
    #[serde(default)]
    #[validate(length(max = 100, message = "at most 100"))]
    pub purposes: Vec<String>,
}

/// Where a page of the list begins: the entry before it.
#[derive(Debug, PartialEq, Eq)]
struct After(Vec<u8>, PurposeId);

impl FromStr for After {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (fingerprint, purpose) = text.split_once('.').ok_or(())?;
        let fingerprint = HEXLOWER.decode(fingerprint.as_bytes()).map_err(|_| ())?;
        if fingerprint.len() > 64 {
            return Err(());
        }
        Ok(Self(fingerprint, purpose.parse().map_err(|_| ())?))
    }
}

/// The list.
#[utoipa::path(tag = "exports", operation_id = "list_suppressions", security(("token" = ["exports"])), params(PageQuery),
    responses((status = 200, description = "A page", body = Page<SuppressionView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/suppressions")]
pub async fn list(
    who: For<Exports>,
    services: Data<Services>,
    page: Query<PageQuery>,
) -> Result<Json<Page<SuppressionView>>, Problem> {
    let limit = page.items(&services.rules)?;
    let after = page.after::<After>()?.map(|After(fingerprint, purpose)| (fingerprint, purpose));
    let (entries, purposes) = list_suppressions(&services, who.scope, after, limit + 1).await?;
    let cut = Page::cut(entries, usize::try_from(limit).unwrap_or(0), |last| {
        format!("{}.{}", HEXLOWER.encode(&last.fingerprint), last.purpose_id)
    });
    let items = cut.items.into_iter().map(|entry| SuppressionView {
        fingerprint: HEXLOWER.encode(&entry.fingerprint),
        purpose: purpose_slug(&purposes, entry.purpose_id),
        reason: entry.reason.to_string(),
        source: entry.source,
        created_at: entry.created_at.to_string(),
        lifted_at: entry.lifted_at.map(|at| at.to_string()),
    });
    Ok(Json(Page { items: items.collect(), next: cut.next }))
}

/// Put an address on the list. Asked again, the answer is the same.
#[utoipa::path(tag = "subjects", operation_id = "add_suppression", security(("token" = ["subjects"])), request_body = SuppressionRequest,
    responses((status = 200, description = "On the list", body = StoppedView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/suppressions")]
pub async fn add(
    who: For<Subjects>,
    services: Data<Services>,
    body: ApiJson<SuppressionRequest>,
) -> Result<Json<StoppedView>, Problem> {
    let request = body.value;
    let address = EmailAddress::parse(&request.email).map_err(|error| Error::field("email", error))?;
    let order = StopOrder { purposes: request.purposes, reason: Some(reason(&request.reason)?), note: None };
    Ok(Json(stop_address(&services, Asker::controller(who.scope, who.token), address, order).await?.into()))
}
