//! Imports: lists of contacts, and of people who must not be mailed.

use actix_multipart::Multipart;
use actix_web::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LOCATION};
use actix_web::web::{Bytes, Data, Json, Path, Payload, Query};
use actix_web::{HttpRequest, HttpResponse, get, post};
use futures_util::{Stream, StreamExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

use super::import_form::{ImportFields, broken, read_head, read_whole};
use crate::domain::ids::ImportId;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{For, Imports};
use crate::http::extract::{Idempotency, expect_media, media_type, path_id, read_body};
use crate::http::problem::{Kind, Problem, ProblemBody};
use crate::store::rows::RowOutcome;
use crate::usecases::destinations::find_destination;
use crate::usecases::imports::{
    Standing, Upload, find_import, import_document, import_from_provider, import_report, list_imports, try_import,
};
use crate::usecases::once::{Asker, digest};
use crate::usecases::{Error, Services};

/// An import, and how far it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportView {
    /// Its id.
    pub id: String,
    /// `contacts` or `do-not-mail`.
    pub kind: String,
    /// What people call it.
    pub name: String,
    /// Short names of its purposes; none on a do-not-mail list that stops them all.
    pub purposes: Vec<String>,
    /// `receiving`, `queued`, `reading`, `done`, or `failed` when the file as a whole could not be read to its end.
    pub status: String,
    /// Why it failed. What had been read before stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Bytes of the file; 0 where a list at the provider is read.
    pub size_bytes: i64,
    /// The list at the provider that is read in place of a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider_list: Option<ProviderListView>,
    /// SHA-256 of the attached document, in hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document_sha256: Option<String>,
    /// Rows with an outcome so far.
    pub rows: i64,
    /// Rows taken: added, updated, or opted out.
    pub accepted: i32,
    /// Rows not taken.
    pub refused: i32,
    /// Rows by outcome so far; left out in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcomes: Option<BTreeMap<String, i64>>,
    /// Since when.
    pub created_at: String,
    /// Done since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<String>,
}

impl ImportView {
    fn new(standing: Standing, counted: bool) -> Self {
        let Standing { import, purposes, outcomes, source } = standing;
        let outcomes = outcomes.into_iter().map(|(outcome, rows)| (outcome.name().to_owned(), rows)).collect();
        Self {
            id: import.id.to_string(),
            kind: import.kind.to_string(),
            name: import.name,
            purposes,
            status: import.status.to_string(),
            failure: import.failure,
            size_bytes: import.size_bytes,
            provider_list: source.map(|source| ProviderListView {
                destination_id: source.destination_id.to_string(),
                list_id: source.list_id,
                reading: source.leg.to_string(),
            }),
            document_sha256: import.document_sha256.map(|digest| data_encoding::HEXLOWER.encode(&digest)),
            rows: i64::from(import.accepted) + i64::from(import.refused),
            accepted: import.accepted,
            refused: import.refused,
            outcomes: counted.then_some(outcomes),
            created_at: import.created_at.to_string(),
            finished_at: import.finished_at.map(|at| at.to_string()),
        }
    }
}

/// A list at the provider.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProviderListView {
    /// The destination.
    pub destination_id: String,
    /// The list there.
    pub list_id: String,
    /// Which of its people are being read, or were last: `beginning`, `unsubscribed`, `bounced`, `suppressed`, `active`,
    /// `unsubscribed_since`, `bounced_since` or `suppressed_since`.
    pub reading: String,
}

/// What became of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportRowView {
    /// Its number in the file, the header being 1.
    pub row: i32,
    /// `added`, `updated`, `duplicate`, `invalid_address`, `invalid_row`, `suppressed`, `already_confirmed`,
    /// `opt_out_recorded`, `ended_here` or `stopped_there`.
    pub outcome: String,
    /// Column and rule; never the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The person on record, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject_id: Option<String>,
}

/// The top of a list, as an import would take it.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreviewView {
    /// The columns, by the names they go by here.
    pub columns: Vec<String>,
    /// The first rows.
    pub rows: Vec<ImportRowView>,
    /// Why the file as a whole cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// How a report is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Only rows with this outcome.
    outcome: Option<String>,
    /// `next` of the page before.
    cursor: Option<String>,
    /// Items on a page.
    limit: Option<u32>,
}

fn page_size(services: &Services, asked: Option<u32>) -> usize {
    let rules = &services.rules;
    asked.unwrap_or(rules.page_size).clamp(1, rules.page_size_max) as usize
}

/// One item more than fits, to see whether there are more.
fn one_more(limit: usize) -> i64 {
    i64::try_from(limit + 1).unwrap_or(i64::MAX)
}

/// Upload a list.
///
/// The file comes as a `text/csv` body with the parameters in the query, or as the last part, `file`, of a form whose
/// other parts are the parameters and, if there is one, `document`: the proof, at most 10 MiB, which is kept sealed.
/// The import waits for a worker once the whole body has come; watch it under `Location`. It never confirms anybody.
#[utoipa::path(tag = "imports", operation_id = "create_import", security(("token" = ["imports"])),
    params(ImportFields, ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    request_body(content((String = "text/csv"), (ImportFields = "multipart/form-data"))),
    responses((status = 202, description = "Taken; its work is queued", body = ImportView, headers(("Location" = String, description = "Where to watch it"))),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/imports")]
pub async fn create(
    who: For<Imports>,
    once: Idempotency,
    services: Data<Services>,
    fields: Query<ImportFields>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    expect_media(&request, &["text/csv", "multipart/form-data"])?;
    let fields = fields.into_inner();
    let upload = if media_type(&request) == "text/csv" {
        let mut upload = Upload::begin(&services, who.scope, fields.read(&services.rules.limits)?, None).await?;
        let poured = pour(&mut upload, payload).await;
        settle(upload, poured).await?
    } else {
        let mut form = Multipart::new(request.headers(), payload.into_inner());
        let head = read_head(&services.rules.limits, fields, &mut form).await?;
        let mut upload = Upload::begin(&services, who.scope, head.new, head.document).await?;
        let mut poured = pour(&mut upload, head.file).await;
        if poured.is_ok() {
            poured = match form.next().await {
                None => Ok(()),
                Some(Ok(_)) => Err(Error::field("file", "has to be the last part of the form").into()),
                Some(Err(_)) => Err(broken()),
            };
        }
        settle(upload, poured).await?
    };
    let asker = Asker::controller(who.scope, who.token);
    let id = upload.finish(asker, |digest| once.bound_to(digest)).await?;
    let standing = find_import(&services, who.scope, id).await?;
    Ok(HttpResponse::Accepted()
        .insert_header((LOCATION, format!("/v1/imports/{id}")))
        .json(ImportView::new(standing, true)))
}

/// Import a list of Campaign Monitor's.
///
/// A worker fetches the list page by page; watch it under `Location`. Its *active* people become contacts like those of an
/// uploaded list, with what is declared here for all of them: the parameters come in the query or as parts of a form,
/// which may also have `document`. The date on which somebody joined the list is the date of the old permission; the
/// first 20 custom fields by name are kept. Who unsubscribed or bounced there, or is on the client's suppression list,
/// comes along as a stop only, and is reported as `stopped_there`. *Unconfirmed* and *deleted* people are not read: the
/// former never said yes, the latter were removed by somebody else.
#[utoipa::path(tag = "imports", operation_id = "import_from_provider", security(("token" = ["imports"])),
    params(("id" = String, Path, description = "The destination's id"), ("list_id" = String, Path, description = "The provider's list"),
        ImportFields, ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe; bare or quoted")),
    request_body(content = Option<ImportFields>, content_type = "multipart/form-data"),
    responses((status = 202, description = "Its work is queued", body = ImportView, headers(("Location" = String, description = "Where to watch it"))),
        (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/{id}/lists/{list_id}/imports")]
pub async fn create_from_provider(
    who: For<Imports>,
    once: Idempotency,
    services: Data<Services>,
    path: Path<(String, String)>,
    fields: Query<ImportFields>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let (destination, list_id) = path.into_inner();
    let destination = find_destination(&services, who.scope, path_id(&destination)?).await?.destination.id;
    let (limits, fields) = (&services.rules.limits, fields.into_inner());
    let (new, proof) = if media_type(&request) == "multipart/form-data" {
        let mut form = Multipart::new(request.headers(), payload.into_inner());
        read_whole(limits, fields, &mut form).await?
    } else {
        (fields.of_contacts().read(limits)?, None)
    };
    // What was declared is part of what a key stands for, wherever it came.
    let mut declared = serde_json::to_vec(&(&new.name, &new.purposes, &new.declaration)).map_err(Error::from)?;
    declared.extend_from_slice(proof.as_deref().unwrap_or_default());
    let (asker, key) = (Asker::controller(who.scope, who.token), once.bound_to(&digest(&declared)));
    let id = import_from_provider(&services, asker, key, destination, &list_id, new, proof).await?;
    let standing = find_import(&services, who.scope, id).await?;
    Ok(HttpResponse::Accepted()
        .insert_header((LOCATION, format!("/v1/imports/{id}")))
        .json(ImportView::new(standing, true)))
}

/// Takes the bytes in as they arrive.
async fn pour<E>(upload: &mut Upload, bytes: impl Stream<Item = Result<Bytes, E>>) -> Result<(), Problem> {
    let mut bytes = std::pin::pin!(bytes);
    while let Some(piece) = bytes.next().await {
        let piece = piece.map_err(|_| Problem::with(Kind::BadRequest, "the body broke off"))?;
        if !upload.has_room_for(piece.len()) {
            return Err(Problem::with(Kind::TooLarge, "the list is longer than an import may be; split it"));
        }
        upload.take(&piece).await?;
    }
    Ok(())
}

/// Forgets an upload that did not come whole.
async fn settle(upload: Upload, poured: Result<(), Problem>) -> Result<Upload, Problem> {
    match poured {
        Ok(()) => Ok(upload),
        Err(problem) => {
            upload.discard().await;
            Err(problem)
        }
    }
}

/// See what an import would do.
///
/// Takes the top of a list, at most 1 MiB, and says what would become of its first 20 rows. Nothing is stored.
#[utoipa::path(tag = "imports", operation_id = "preview_import", security(("token" = ["imports"])), params(ImportFields),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "The first rows", body = PreviewView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/imports/preview")]
pub async fn preview(
    who: For<Imports>,
    services: Data<Services>,
    fields: Query<ImportFields>,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<PreviewView>, Problem> {
    expect_media(&request, &["text/csv"])?;
    let limits = &services.rules.limits;
    let new = fields.into_inner().read(limits)?;
    let bytes = read_body(&request, payload.into_inner(), limits.preview_bytes).await?;
    let trial = try_import(&services, who.scope, new, &bytes, limits.preview_rows).await?;
    let rows = trial.rows.into_iter().map(|row| ImportRowView {
        row: row.line,
        outcome: row.outcome.name().to_owned(),
        detail: row.detail,
        subject_id: None,
    });
    Ok(Json(PreviewView { columns: trial.columns, rows: rows.collect(), failure: trial.failure }))
}

/// Imports, newest first.
#[utoipa::path(tag = "imports", operation_id = "list_import", security(("token" = ["imports"])), params(PageQuery),
    responses((status = 200, description = "A page", body = Page<ImportView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/imports")]
pub async fn list(
    who: For<Imports>,
    services: Data<Services>,
    query: Query<PageQuery>,
) -> Result<Json<Page<ImportView>>, Problem> {
    let limit = page_size(&services, query.limit);
    let before: Option<ImportId> = query.cursor.as_deref().map(cursor).transpose()?;
    let found = list_imports(&services, who.scope, before, one_more(limit)).await?;
    let views = found.into_iter().map(|standing| ImportView::new(standing, false)).collect();
    Ok(Json(Page::cut(views, limit, |import: &ImportView| import.id.clone())))
}

fn cursor<T: std::str::FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Error::field("cursor", "expected `next` of the page before").into())
}

/// One import, with its progress.
#[utoipa::path(tag = "imports", operation_id = "show_import", security(("token" = ["imports"])), params(("id" = String, Path, description = "The import's id")),
    responses((status = 200, description = "The import", body = ImportView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/imports/{id}")]
pub async fn show(who: For<Imports>, services: Data<Services>, id: Path<String>) -> Result<Json<ImportView>, Problem> {
    let id: ImportId = path_id(&id)?;
    Ok(Json(ImportView::new(find_import(&services, who.scope, id).await?, true)))
}

/// What became of each row.
#[utoipa::path(tag = "imports", operation_id = "report_import", security(("token" = ["imports"])), params(("id" = String, Path, description = "The import's id"), ReportQuery),
    responses((status = 200, description = "A page of the report", body = Page<ImportRowView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/imports/{id}/rows")]
pub async fn report(
    who: For<Imports>,
    services: Data<Services>,
    id: Path<String>,
    query: Query<ReportQuery>,
) -> Result<Json<Page<ImportRowView>>, Problem> {
    let id: ImportId = path_id(&id)?;
    let limit = page_size(&services, query.limit);
    let outcome = match query.outcome.as_deref().map(RowOutcome::from_name) {
        Some(None) => return Err(Error::field("outcome", "there is no such outcome").into()),
        Some(known) => known,
        None => None,
    };
    let after: i32 = query.cursor.as_deref().map_or(Ok(0), cursor)?;
    let rows = import_report(&services, who.scope, id, outcome, after, one_more(limit)).await?;
    let views = rows.into_iter().map(|row| ImportRowView {
        row: row.row_no,
        outcome: row.outcome.name().to_owned(),
        detail: row.detail,
        subject_id: row.subject_id.map(|subject| subject.to_string()),
    });
    Ok(Json(Page::cut(views.collect(), limit, |row: &ImportRowView| row.row.to_string())))
}

/// The document that came with an import.
#[utoipa::path(tag = "imports", operation_id = "document_import", security(("token" = ["imports"])), params(("id" = String, Path, description = "The import's id")),
    responses((status = 200, description = "Its bytes, as uploaded", body = Vec<u8>, content_type = "application/octet-stream"), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/imports/{id}/document")]
pub async fn document(who: For<Imports>, services: Data<Services>, id: Path<String>) -> Result<HttpResponse, Problem> {
    let id: ImportId = path_id(&id)?;
    let bytes = import_document(&services, who.scope, id).await?;
    // Whatever it is, a browser is to save it and not to show it.
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "application/octet-stream"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"document\""))
        .body(bytes))
}
