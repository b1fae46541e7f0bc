//! A person's history: every fact with its evidence opened, and every mail.

use actix_web::get;
use actix_web::web::{Data, Json, Path, Query};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::domain::ids::SubjectId;
use crate::http::api::subjects::purpose_slug;
use crate::http::api::{Page, PageQuery};
use crate::http::auth::{For, Subjects};
use crate::http::extract::path_id;
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::Services;
use crate::usecases::once::Asker;
use crate::usecases::people::{self, Fact, history};

/// A fact.
#[derive(Serialize, ToSchema)]
pub struct EventView {
    /// Its id.
    pub id: String,
    /// What happened, such as `consent.given`.
    pub kind: String,
    /// When, by our clock.
    pub at: String,
    /// The purpose's short name.
    pub purpose: Option<String>,
    /// How it came to us.
    pub method: String,
    /// What it came through, as kind and id.
    pub source: Option<String>,
    /// The notice shown.
    pub notice_id: Option<String>,
    /// SHA-256 of that notice's wording, in hex.
    pub notice_sha256: Option<String>,
    /// The policy version shown.
    pub policy_version_id: Option<String>,
    /// What people call that version.
    pub policy_version_label: Option<String>,
    /// SHA-256 of that version's bytes, in hex.
    pub policy_version_sha256: Option<String>,
    /// What it rests on.
    pub basis: Option<String>,
    /// Until when it holds, fixed at that moment.
    pub valid_until: Option<String>,
    /// What proves it; null once erased.
    #[schema(value_type = Option<Object>)]
    pub evidence: Option<Value>,
    /// SHA-256 of the evidence, in hex, part of what is committed to.
    pub evidence_sha256: Option<String>,
    /// The commitment to the fact, in hex.
    pub commitment: String,
}

impl From<Fact> for EventView {
    fn from(fact: Fact) -> Self {
        let event = fact.event;
        Self {
            id: event.id.to_string(),
            kind: event.kind.to_string(),
            at: event.at.to_string(),
            purpose: fact.purpose,
            method: event.method.to_string(),
            source: event.source,
            notice_id: event.notice_id.map(|id| id.to_string()),
            notice_sha256: fact.notice_sha256.map(|hash| HEXLOWER.encode(&hash)),
            policy_version_id: event.policy_version_id.map(|id| id.to_string()),
            policy_version_label: fact.policy.as_ref().map(|policy| policy.label.clone()),
            policy_version_sha256: fact.policy.map(|policy| HEXLOWER.encode(&policy.sha256)),
            basis: event.basis.map(|basis| basis.to_string()),
            valid_until: event.valid_until.map(|at| at.to_string()),
            evidence: fact.evidence,
            evidence_sha256: event.evidence_sha256.map(|hash| HEXLOWER.encode(&hash)),
            commitment: HEXLOWER.encode(&event.commitment),
        }
    }
}

/// A mail.
#[derive(Serialize, ToSchema)]
pub struct MailView {
    /// Its id.
    pub id: String,
    /// `confirmation` or `repermission`.
    pub kind: String,
    /// Where it stands.
    pub state: String,
    /// The purposes' short names.
    pub purposes: Vec<String>,
    /// In which round.
    pub campaign_id: Option<String>,
    /// Through which form.
    pub form_id: Option<String>,
    /// With which wording the answer is asked.
    pub notice_id: String,
    /// Why it was cancelled.
    pub reason: Option<String>,
    /// The relay's code.
    pub reply: Option<String>,
    /// Since when.
    pub created_at: String,
    /// Over since when.
    pub settled_at: Option<String>,
}

/// A person's history, oldest first. Each look at the evidence is logged.
#[utoipa::path(tag = "subjects", operation_id = "list_subject_events", security(("token" = ["subjects"])),
    params(("id" = String, Path, description = "The person's id"), PageQuery),
    responses((status = 200, description = "A page", body = Page<EventView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{id}/events")]
pub async fn events(
    who: For<Subjects>,
    services: Data<Services>,
    id: Path<String>,
    page: Query<PageQuery>,
) -> Result<Json<Page<EventView>>, Problem> {
    let id: SubjectId = path_id(&id)?;
    let limit = page.items(&services.rules)?;
    let facts = history(&services, Asker::controller(who.scope, who.token), id, page.after()?, limit + 1).await?;
    let views = facts.into_iter().map(EventView::from).collect();
    Ok(Json(Page::cut(views, usize::try_from(limit).unwrap_or(0), |last: &EventView| last.id.clone())))
}

/// A person's mails, newest first.
#[utoipa::path(tag = "subjects", operation_id = "list_subject_mails", security(("token" = ["subjects"])),
    params(("id" = String, Path, description = "The person's id"), PageQuery),
    responses((status = 200, description = "A page", body = Page<MailView>), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{id}/mails")]
pub async fn mails(
    who: For<Subjects>,
    services: Data<Services>,
    id: Path<String>,
    page: Query<PageQuery>,
) -> Result<Json<Page<MailView>>, Problem> {
    let id: SubjectId = path_id(&id)?;
    let limit = page.items(&services.rules)?;
    let asker = Asker::controller(who.scope, who.token);
    let (mails, purposes) = people::mails(&services, asker, id, page.after()?, limit + 1).await?;
    let mut views = Vec::with_capacity(mails.len());
    for mail in mails {
        let about = mail.purposes().map_err(crate::usecases::Error::from)?;
        views.push(MailView {
            id: mail.id.to_string(),
            kind: mail.kind.to_string(),
            state: mail.state.to_string(),
            purposes: about.into_iter().map(|id| purpose_slug(&purposes, id)).collect(),
            campaign_id: mail.campaign_id.map(|id| id.to_string()),
            form_id: mail.form_id.map(|id| id.to_string()),
            notice_id: mail.notice_id.to_string(),
            reason: mail.reason.map(|reason| reason.to_string()),
            reply: mail.reply,
            created_at: mail.created_at.to_string(),
            settled_at: mail.settled_at.map(|at| at.to_string()),
        });
    }
    Ok(Json(Page::cut(views, usize::try_from(limit).unwrap_or(0), |last: &MailView| last.id.clone())))
}
