//! The download of confirmed people, written while it is read: one page in memory, however long the list.

use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Query};
use actix_web::{HttpResponse, get};
use futures_util::stream::try_unfold;
use serde::Deserialize;

use crate::domain::ids::{ControllerScope, PurposeId, SubjectId};
use crate::domain::list::csv_line;
use crate::domain::time::Timestamp;
use crate::http::auth::{Exports, For};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::confirmed::{ConfirmedPage, begin_download, confirmed_page};
use crate::usecases::once::Asker;
use crate::usecases::{Error, Services};

const HEADER: [&str; 8] =
    ["email", "name", "purpose", "basis", "given_at", "valid_until", "policy_version", "notice_id"];

/// Which list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ConfirmedQuery {
    /// The purpose, by short name or id.
    // Asked for by the handler, so that who may not download learns nothing before that.
    #[param(required = true)]
    pub purpose: Option<String>,
}

/// The rows of a page. Whoever is on it said yes here, so the basis is consent.
fn lines(page: &ConfirmedPage, slug: &str) -> String {
    let at = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    let mut text = String::new();
    for person in &page.people {
        text.push_str(&csv_line(&[
            &person.address,
            person.name.as_deref().unwrap_or_default(),
            slug,
            "consent",
            &at(person.given_at),
            &at(person.valid_until),
            person.policy_version.as_deref().unwrap_or_default(),
            &person.notice.map(|id| id.to_string()).unwrap_or_default(),
        ]));
    }
    text
}

struct Download {
    services: Data<Services>,
    scope: ControllerScope,
    purpose: PurposeId,
    slug: String,
    now: Timestamp,
    /// The first page, until it is written.
    first: Option<ConfirmedPage>,
    /// After whom the next page begins; none at the end.
    next: Option<SubjectId>,
}

impl Download {
    async fn read(&self, after: Option<SubjectId>) -> Result<ConfirmedPage, Error> {
        confirmed_page(&self.services, self.scope, self.purpose, after, self.now).await
    }

    /// A page as text; it is read when the reader has taken the one before.
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        loop {
            let page = match (self.first.take(), self.next.take()) {
                (Some(first), _) => first,
                (None, Some(next)) => self.read(Some(next)).await.inspect_err(|error| {
                    tracing::error!(%error, "a download broke off");
                })?,
                (None, None) => return Ok(None),
            };
            self.next = page.next;
            let text = lines(&page, &self.slug);
            // A page of people who may all not be written to has no lines, and others may follow.
            if !text.is_empty() {
                return Ok(Some((Bytes::from(text), self)));
            }
        }
    }
}

/// Download the people who said yes to a purpose, as CSV. Cells that a spreadsheet would run begin with an apostrophe.
#[utoipa::path(tag = "exports", operation_id = "download_confirmed", security(("token" = ["exports"])), params(ConfirmedQuery),
    responses((status = 200, description = "The list: email, name, purpose, basis, given_at, valid_until, policy_version, notice_id", body = String, content_type = "text/csv"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/confirmed")]
pub async fn download(
    who: For<Exports>,
    services: Data<Services>,
    query: Query<ConfirmedQuery>,
) -> Result<HttpResponse, Problem> {
    let wanted = query.purpose.as_deref().ok_or_else(|| Error::field("purpose", "which purpose is the list for?"))?;
    let purpose = begin_download(&services, Asker::controller(who.scope, who.token), wanted).await?;
    let now = services.clock.now();
    let mut download = Download {
        services,
        scope: who.scope,
        purpose: purpose.id,
        slug: purpose.slug.to_string(),
        now,
        first: None,
        next: None,
    };
    // The first page before the status line, so that a failure is still a problem.
    download.first = Some(download.read(None).await?);
    let day: String = now.to_string().chars().take(10).collect();
    let name = format!("attachment; filename=\"confirmed-{}-{day}.csv\"", download.slug);
    let header = Bytes::from(csv_line(&HEADER));
    let body = try_unfold((Some(header), download), |(header, download)| async move {
        match header {
            Some(header) => Ok::<_, Error>(Some((header, (None, download)))),
            None => Ok(download.step().await?.map(|(text, download)| (text, (None, download)))),
        }
    });
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, name))
        .streaming(body))
}
