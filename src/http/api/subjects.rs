//! People: found by address in a body, never in a URL; shown with where they stand; stopped by staff. A token that may
//! do this sees personal data, and each look is logged (SE-03).

use actix_web::web::{Data, Json, Path};
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::email::EmailAddress;
use crate::domain::ids::{PurposeId, SubjectId};
use crate::domain::name::DisplayName;
use crate::domain::purpose::Purpose;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::Timestamp;
use crate::http::auth::{For, Subjects};
use crate::http::extract::{ApiJson, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::store::outbox::Task;
use crate::store::suppressions::EVERY_PURPOSE;
use crate::usecases::once::Asker;
use crate::usecases::people::{KnownPerson, Stance, search_person, show_person};
use crate::usecases::staff_stop::{StopOrder, Stopped, stop_subject};
use crate::usecases::whereabouts::{OnList, Whereabouts};
use crate::usecases::{Error, Services};

use super::addresses::{AddressChangeView, FormerAddressView};

/// Whom to look for.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The address.
    pub email: String,
}

/// Who was found.
#[derive(Serialize, ToSchema)]
pub struct SearchView {
    /// The person, or null.
    pub subject: Option<SubjectView>,
}

/// A person.
#[derive(Serialize, ToSchema)]
pub struct SubjectView {
    /// The person's id.
    pub id: String,
    /// The address; null once erased.
    pub email: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// Custom fields.
    #[schema(value_type = Option<Object>)]
    pub fields: Option<Value>,
    /// Processing is restricted.
    pub restricted: bool,
    /// The mailbox does not exist.
    pub undeliverable: bool,
    /// When the person was erased.
    pub erased_at: Option<String>,
    /// Known since.
    pub created_at: String,
    /// The newest change of address that was asked for, if one was.
    pub address_change: Option<AddressChangeView>,
    /// Addresses that the person has left, the oldest first: a stop told for one still counts.
    pub former_addresses: Vec<FormerAddressView>,
    /// Where the person stands, by purpose.
    pub purposes: Vec<StanceView>,
    /// Why the address is on the "never mail" list.
    pub suppressions: Vec<SuppressedFor>,
    /// Each list of the destinations that the person is to be on or is on record at.
    pub destinations: Vec<ListStateView>,
    /// The work to bring the person in step there, if some waits.
    pub sync: Option<SyncView>,
}

/// Where a person stands towards a purpose.
#[derive(Serialize, ToSchema)]
pub struct StanceView {
    /// The purpose's id.
    pub purpose_id: String,
    /// The purpose's short name.
    pub purpose: String,
    /// The state on record.
    pub state: String,
    /// The state with time taken into account; this one counts.
    pub effective_state: String,
    /// What it rests on: `consent` given here, or the basis that a list stated.
    pub basis: Option<String>,
    /// Whether the basis that a list stated has the proof it needs.
    pub basis_evidenced: bool,
    /// When the details were collected, by the list.
    pub basis_collected_at: Option<String>,
    /// Until when that basis holds.
    pub basis_valid_until: Option<String>,
    /// Until when a request may be confirmed.
    pub request_until: Option<String>,
    /// Until when the consent holds.
    pub valid_until: Option<String>,
    /// From when on it may be renewed by mail.
    pub refresh_from: Option<String>,
    /// The wording or policy changed materially since.
    pub needs_refresh: bool,
    /// When the person was last asked.
    pub asked_at: Option<String>,
    /// The notice shown at the last act.
    pub notice_id: Option<String>,
    /// The policy version shown at the last act.
    pub policy_version_id: Option<String>,
    /// Since when it stands so.
    pub changed_at: String,
}

/// An entry of the "never mail" list under a person's address.
#[derive(Serialize, ToSchema)]
pub struct SuppressedFor {
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

/// How a person stands at a list of a destination.
#[derive(Serialize, ToSchema)]
pub struct ListStateView {
    /// The destination's id; null when it is not known any more.
    pub destination_id: Option<String>,
    /// The list there.
    pub list_id: String,
    /// The short names of the purposes kept on it that hold for the person.
    pub purposes: Vec<String>,
    /// Whether the person is to be active there.
    pub wanted: bool,
    /// Active there as last brought about, or about to be.
    pub active: bool,
    /// Since when; null when nothing was brought about yet.
    pub synced_at: Option<String>,
    /// The newest consent event that this brought about.
    pub event_id: Option<String>,
    /// What that event was.
    pub event: Option<String>,
    /// When that event was.
    pub event_at: Option<String>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// The state there, as the provider told it when both sides were last compared; null when it never did.
    pub seen: Option<String>,
    /// When that was.
    pub seen_at: Option<String>,
}

/// Work to bring a person in step.
#[derive(Serialize, ToSchema)]
pub struct SyncView {
    /// `queued`, `claimed` (under way) or `parked` (a person has to look).
    pub state: String,
    /// Since when it waits.
    pub since: String,
    /// When it is tried next, or was to be.
    pub due_at: String,
    /// Attempts so far.
    pub attempts: i32,
    /// What went wrong last.
    pub last_error: Option<String>,
}

impl ListStateView {
    fn of(purposes: &[Purpose], list: OnList) -> Self {
        let state = list.state.as_ref();
        Self {
            destination_id: list.destination.map(|id| id.to_string()),
            purposes: list.purposes.iter().map(|id| purpose_slug(purposes, *id)).collect(),
            wanted: list.wanted,
            active: state.is_some_and(|state| state.active),
            synced_at: state.map(|state| state.synced_at.to_string()),
            event_id: state.map(|state| state.event_id.to_string()),
            event: list.event.as_ref().map(|event| event.kind.to_string()),
            event_at: list.event.as_ref().map(|event| event.at.to_string()),
            last_error: state.and_then(|state| state.last_error.clone()),
            seen: list.seen.as_ref().map(|seen| seen.there.to_string()),
            seen_at: list.seen.as_ref().map(|seen| seen.seen_at.to_string()),
            list_id: list.list_id,
        }
    }
}

impl From<Task> for SyncView {
    fn from(task: Task) -> Self {
        Self {
            state: task.state.to_string(),
            since: task.created_at.to_string(),
            due_at: task.due_at.to_string(),
            attempts: task.attempts,
            last_error: task.last_error,
        }
    }
}

/// A purpose's short name, as views write it.
pub(super) fn purpose_slug(purposes: &[Purpose], id: PurposeId) -> String {
    if id == EVERY_PURPOSE {
        return "*".to_owned();
    }
    purposes.iter().find(|purpose| purpose.id == id).map_or_else(|| id.to_string(), |p| p.slug.to_string())
}

fn text(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

impl From<Stance> for StanceView {
    fn from(stance: Stance) -> Self {
        let consent = stance.consent;
        let basis = if stance.effective.is_valid() {
            Some("consent".to_owned())
        } else {
            consent.basis_kind.map(|kind| kind.to_string())
        };
        Self {
            purpose_id: stance.purpose.id.to_string(),
            purpose: stance.purpose.slug.to_string(),
            state: consent.state.to_string(),
            effective_state: stance.effective.to_string(),
            basis,
            basis_evidenced: consent.basis_evidenced,
            basis_collected_at: text(consent.basis_collected_at),
            basis_valid_until: text(consent.basis_valid_until),
            request_until: text(consent.request_until),
            valid_until: text(consent.valid_until),
            refresh_from: text(consent.refresh_from),
            needs_refresh: consent.needs_refresh,
            asked_at: text(consent.asked_at),
            notice_id: consent.notice_id.map(|id| id.to_string()),
            policy_version_id: consent.policy_version_id.map(|id| id.to_string()),
            changed_at: consent.changed_at.to_string(),
        }
    }
}

impl From<KnownPerson> for SubjectView {
    fn from(person: KnownPerson) -> Self {
        let suppressions = person.suppressions.into_iter().map(|entry| SuppressedFor {
            purpose: purpose_slug(&person.purposes, entry.purpose_id),
            reason: entry.reason.to_string(),
            source: entry.source,
            created_at: entry.created_at.to_string(),
            lifted_at: text(entry.lifted_at),
        });
        let Whereabouts { lists, work } = person.destinations;
        let destinations = lists.into_iter().map(|list| ListStateView::of(&person.purposes, list));
        Self {
            id: person.row.id.to_string(),
            email: person.address.as_ref().map(EmailAddress::as_sent),
            name: person.name.as_ref().map(DisplayName::as_str).map(str::to_owned),
            fields: person.fields,
            restricted: person.row.restricted,
            undeliverable: person.row.undeliverable,
            erased_at: text(person.row.erased_at),
            created_at: person.row.created_at.to_string(),
            address_change: person.change.map(AddressChangeView::from),
            former_addresses: person.former.iter().map(FormerAddressView::of).collect(),
            purposes: person.stances.into_iter().map(StanceView::from).collect(),
            suppressions: suppressions.collect(),
            destinations: destinations.collect(),
            sync: work.map(SyncView::from),
        }
    }
}

/// Find a person by address.
#[utoipa::path(tag = "subjects", operation_id = "search_subject", security(("token" = ["subjects"])), request_body = SearchRequest,
    responses((status = 200, description = "The person, or null", body = SearchView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subjects/search")]
pub async fn search(
    who: For<Subjects>,
    services: Data<Services>,
    body: ApiJson<SearchRequest>,
) -> Result<Json<SearchView>, Problem> {
    let address = EmailAddress::parse(&body.value.email).map_err(|error| Error::field("email", error))?;
    let found = search_person(&services, Asker::controller(who.scope, who.token), address).await?;
    Ok(Json(SearchView { subject: found.map(SubjectView::from) }))
}

/// A person, and where they stand.
#[utoipa::path(tag = "subjects", operation_id = "show_subject", security(("token" = ["subjects"])), params(("id" = String, Path, description = "The person's id")),
    responses((status = 200, description = "The person", body = SubjectView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/subjects/{id}")]
pub async fn show(
    who: For<Subjects>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<SubjectView>, Problem> {
    let id: SubjectId = path_id(&id)?;
    Ok(Json(show_person(&services, Asker::controller(who.scope, who.token), id).await?.into()))
}

/// A stop that came by phone or letter.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopRequest {
    /// Purposes by id or short name; all of them when left out, which is then an objection.
    #[serde(default)]
    #[validate(length(max = 100, message = "at most 100"))]
    pub purposes: Vec<String>,
    /// `withdrawn` (with `purposes`), `objected`, `complained`, `manual`, `legal` or `child`.
    #[serde(default)]
    pub reason: Option<String>,
    /// What was said; kept sealed with the record.
    #[serde(default)]
    pub note: Option<String>,
}

/// What stands after a stop.
#[derive(Serialize, ToSchema)]
pub struct StoppedView {
    /// The person; null when nobody is on record under the address and it went on the list alone.
    pub subject_id: Option<String>,
    /// The purposes it reached.
    pub purposes: Vec<StoppedPurpose>,
}

/// Where a person stands after a stop.
#[derive(Serialize, ToSchema)]
pub struct StoppedPurpose {
    /// The purpose's short name.
    pub purpose: String,
    /// The state.
    pub state: String,
}

impl From<Stopped> for StoppedView {
    fn from(stopped: Stopped) -> Self {
        let purposes = stopped
            .purposes
            .into_iter()
            .map(|(purpose, state)| StoppedPurpose { purpose: purpose.slug.to_string(), state: state.to_string() });
        Self { subject_id: stopped.subject.map(|id| id.to_string()), purposes: purposes.collect() }
    }
}

/// A reason by its name.
pub(super) fn reason(name: &str) -> Result<SuppressionReason, Error> {
    SuppressionReason::from_name(name).ok_or_else(|| Error::field("reason", "there is no such reason"))
}

/// Letters have several lines; other control characters have no place in a note.
fn check_note(note: &str) -> Result<(), Error> {
    let fits = note.chars().count() <= 500 && note.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if fits { Ok(()) } else { Err(Error::field("note", "at most 500 characters, without control characters")) }
}

/// Enter a stop for a person. Asked again, the answer is the same.
#[utoipa::path(tag = "subjects", operation_id = "stop_subject", security(("token" = ["subjects"])), request_body = StopRequest,
    params(("id" = String, Path, description = "The person's id")),
    responses((status = 200, description = "Stopped", body = StoppedView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/subjects/{id}/stop")]
pub async fn stop(
    who: For<Subjects>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<StopRequest>,
) -> Result<Json<StoppedView>, Problem> {
    let id: SubjectId = path_id(&id)?;
    let request = body.value;
    if let Some(note) = &request.note {
        check_note(note)?;
    }
    let order = StopOrder {
        purposes: request.purposes,
        reason: request.reason.as_deref().map(reason).transpose()?,
        note: request.note.filter(|note| !note.trim().is_empty()),
    };
    Ok(Json(stop_subject(&services, Asker::controller(who.scope, who.token), id, order).await?.into()))
}
