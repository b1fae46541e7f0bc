//! Work that was given up, for staff to look at, try again or drop.

use std::str::FromStr;

use actix_web::web::{Data, Json, Path, Query};
use actix_web::{HttpResponse, get, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::ids::TaskId;
use crate::domain::task::TaskKind;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{Campaigns, For};
use crate::http::extract::path_id;
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::store::outbox::Task;
use crate::usecases::Services;
use crate::usecases::once::Asker;
use crate::usecases::parked::{drop_parked, list_parked, retry_parked};

/// Parked work.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParkedView {
    /// What kind of work: `mail`, `sync`, `import`, `launch`, `refresh`, `reseal`.
    pub kind: String,
    /// The id of what it is about: a mail, a person, an upload, a round.
    pub reference: String,
    /// Attempts made.
    pub attempts: i32,
    /// How the last one failed.
    pub last_error: Option<String>,
    /// Asked for since.
    pub created_at: String,
    /// When it was last due.
    pub due_at: String,
}

/// A page of parked work.
#[derive(Debug, Serialize, ToSchema)]
pub struct ParkedPage {
    /// How much there is in all.
    pub total: u64,
    /// The items.
    pub items: Vec<ParkedView>,
    /// Give this as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl From<Task> for ParkedView {
    fn from(task: Task) -> Self {
        Self {
            kind: task.kind.to_string(),
            reference: task.reference.to_string(),
            attempts: task.attempts,
            last_error: task.last_error,
            created_at: task.created_at.to_string(),
            due_at: task.due_at.to_string(),
        }
    }
}

/// Where a page begins: the work before it.
struct After(TaskKind, TaskId);

impl FromStr for After {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, reference) = text.split_once('.').ok_or(())?;
        Ok(Self(TaskKind::from_name(kind).ok_or(())?, reference.parse().map_err(|_| ())?))
    }
}

/// The work that a path names; a kind that there is not is not found, like work that there is not.
fn named(path: &(String, String)) -> Result<(TaskKind, TaskId), Problem> {
    let kind = TaskKind::from_name(&path.0).ok_or(Problem::of(Kind::NotFound))?;
    Ok((kind, path_id(&path.1)?))
}

/// Work that was given up.
#[utoipa::path(tag = "outbox", operation_id = "list_parked", security(("token" = ["campaigns"])), params(PageQuery),
    responses((status = 200, description = "A page", body = ParkedPage), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/outbox/parked")]
pub async fn parked(
    who: For<Campaigns>,
    services: Data<Services>,
    page: Query<PageQuery>,
) -> Result<Json<ParkedPage>, Problem> {
    let limit = page.items(&services.rules)?;
    let after = page.after::<After>()?.map(|After(kind, reference)| (kind, reference));
    let (tasks, total) = list_parked(&services, who.scope, after, limit + 1).await?;
    let cut = Page::cut(tasks, usize::try_from(limit).unwrap_or(0), |last| {
        format!("{}.{}", last.kind.name(), last.reference)
    });
    Ok(Json(ParkedPage { total, items: cut.items.into_iter().map(ParkedView::from).collect(), next: cut.next }))
}

/// Try parked work again.
#[utoipa::path(tag = "outbox", operation_id = "retry_parked", security(("token" = ["campaigns"])),
    params(("kind" = String, Path, description = "The kind of work"), ("reference" = String, Path, description = "The id of what it is about")),
    responses((status = 204, description = "Back in the queue"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/outbox/{kind}/{reference}/retry")]
pub async fn retry(
    who: For<Campaigns>,
    services: Data<Services>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (kind, reference) = named(&path)?;
    retry_parked(&services, Asker::controller(who.scope, who.token), kind, reference).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Drop parked mail, sync or import work for good.
#[utoipa::path(tag = "outbox", operation_id = "drop_parked", security(("token" = ["campaigns"])),
    params(("kind" = String, Path, description = "The kind of work"), ("reference" = String, Path, description = "The id of what it is about")),
    responses((status = 204, description = "Dropped"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/outbox/{kind}/{reference}/drop")]
pub async fn drop_it(
    who: For<Campaigns>,
    services: Data<Services>,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Problem> {
    let (kind, reference) = named(&path)?;
    drop_parked(&services, Asker::controller(who.scope, who.token), kind, reference).await?;
    Ok(HttpResponse::NoContent().finish())
}
