//! The download of a round's links, written while it is read: one page in memory, however long the list.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpResponse, get};
use futures_util::stream::try_unfold;

use crate::domain::ids::{CampaignId, ControllerScope, SubjectId};
use crate::domain::list::csv_line;
use crate::http::auth::{Exports, For};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::campaigns::{LinkPage, begin_links_download, links_page};
use crate::usecases::once::Asker;
use crate::usecases::{Error, Services};

const HEADER: [&str; 4] = ["email", "name", "link", "token"];

fn lines(page: &LinkPage) -> String {
    let line = |one: &crate::usecases::campaigns::LinkLine| {
        csv_line(&[&one.address, one.name.as_deref().unwrap_or_default(), &one.link, &one.token])
    };
    page.lines.iter().map(line).collect()
}

struct Download {
    services: Data<Services>,
    scope: ControllerScope,
    campaign: CampaignId,
    /// What is written next, if it is there already.
    ready: Option<Bytes>,
    /// After whom the next page begins; none at the end.
    next: Option<SubjectId>,
}

impl Download {
    async fn step(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        loop {
            if let Some(ready) = self.ready.take().filter(|ready| !ready.is_empty()) {
                return Ok(Some((ready, self)));
            }
            let Some(after) = self.next.take() else { return Ok(None) };
            let page = links_page(&self.services, self.scope, self.campaign, Some(after));
            let page = page.await.inspect_err(|error| tracing::error!(%error, "a download broke off"))?;
            // A page of people who may all not be asked has no lines, and others may follow.
            (self.ready, self.next) = (Some(Bytes::from(lines(&page))), page.next);
        }
    }
}

/// Download the personal links of a round with the delivery `export` or `provider`, as CSV.
///
/// Each link lets its holder answer in the person's name: hand the file to nobody but the provider, and delete it. Whoever
/// is on it was let through by the gate as the page was written, and counts as asked from then on; fetched again, the
/// file has the same links, without those who have answered or stopped. `token` is the last part of the link: it fits a
/// custom field of 250 characters where the link may not. Cells that a spreadsheet would run begin with an apostrophe.
#[utoipa::path(tag = "exports", operation_id = "download_links", security(("token" = ["exports"])), params(("id" = String, Path, description = "The round's id")),
    responses((status = 200, description = "The links: email, name, link, token", body = String, content_type = "text/csv"),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/campaigns/{id}/links.csv")]
pub async fn download(who: For<Exports>, services: Data<Services>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let asker = Asker::controller(who.scope, who.token);
    let campaign = begin_links_download(&services, asker, path_id(&id)?).await?;
    // The first page before the status line, so that a failure is still a problem.
    let first = links_page(&services, who.scope, campaign.id, None).await?;
    let ready = Some(Bytes::from(csv_line(&HEADER) + &lines(&first)));
    let download = Download { services, scope: who.scope, campaign: campaign.id, ready, next: first.next };
    let name = format!("attachment; filename=\"links-{}.csv\"", campaign.id);
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/csv; charset=utf-8"))
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((CACHE_CONTROL, "no-store"))
        .streaming(try_unfold(download, Download::step)))
}
