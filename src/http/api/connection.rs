//! A destination's connection: what the account has, what is missing, and getting a list ready.

use actix_web::web::{Data, Json, Path};
use actix_web::{get, post};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use validator::Validate;

use crate::domain::ids::DestinationId;
use crate::http::api::destinations::{DestinationView, credential_in};
use crate::http::auth::{For, Settings};
use crate::http::extract::{ApiJson, path_id};
use crate::http::problem::{Problem, ProblemBody};
use crate::usecases::connection::{
    Account, Finding, ListToPrepare, Look, Prepared, Reach, check as check_connection, look as look_with, look_at,
    prepare_list,
};
use crate::usecases::error::FieldFault;
use crate::usecases::{Error, Services};

/// What to look at an account with; a key is not kept.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookRequest {
    /// Where its API is; the provider's usual place unless said otherwise.
    #[serde(default)]
    pub base_url: Option<String>,
    /// An API key of the account or of a client.
    #[serde(default)]
    pub api_key: Option<String>,
    /// In place of an API key: a connection by OAuth that somebody has allowed.
    #[serde(default)]
    pub connection_id: Option<String>,
    /// The client whose lists and zone are wanted.
    #[serde(default)]
    pub client_id: Option<String>,
}

/// An id and a name.
#[derive(Serialize, ToSchema)]
pub struct NamedView {
    /// The provider's id.
    pub id: String,
    /// The name there.
    pub name: String,
}

/// What a client has.
#[derive(Serialize, ToSchema)]
pub struct ClientView {
    /// The provider's id.
    pub id: String,
    /// The name there.
    pub name: String,
    /// What the provider calls its zone; the offset in it is the winter's.
    pub time_zone_label: String,
    /// The zone of the IANA list that is most likely meant; confirm it.
    pub time_zone: Option<String>,
    /// Its lists, 1,000 at most.
    pub lists: Vec<NamedView>,
}

/// What an account has.
#[derive(Serialize, ToSchema)]
pub struct AccountView {
    /// What the provider's clock says, in the account's zone.
    pub clock: String,
    /// The clients that the key may see, 1,000 at most.
    pub clients: Vec<NamedView>,
    /// The client that was asked about.
    pub client: Option<ClientView>,
}

impl From<Account> for AccountView {
    fn from(account: Account) -> Self {
        let clients = account.clients.into_iter().map(|one| NamedView { id: one.client_id, name: one.name });
        let client = account.client.map(|client| ClientView {
            id: client.client_id,
            name: client.name,
            time_zone_label: client.zone_label,
            time_zone: client.time_zone.map(str::to_owned),
            lists: client.lists.into_iter().map(|one| NamedView { id: one.list_id, name: one.name }).collect(),
        });
        Self { clock: account.clock, clients: clients.collect(), client }
    }
}

/// A thing that sync needs.
#[derive(Serialize, ToSchema)]
pub struct FindingView {
    /// What: `credential`, `client`, `time_zone`, `lists`, `list`, `confirmation`, `unsubscribe`, `field` or `webhook`.
    pub matter: String,
    /// The list, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list_id: Option<String>,
    /// `good`, `note` (fine, and worth knowing), `missing` (preparing the list brings it about), `wrong` (a person has to
    /// put it right) or `unknown` (the provider could not be asked).
    pub standing: String,
    /// In words.
    pub text: String,
}

impl From<Finding> for FindingView {
    fn from(finding: Finding) -> Self {
        Self {
            matter: finding.matter.name().to_owned(),
            list_id: finding.list_id,
            standing: finding.standing.name().to_owned(),
            text: finding.text,
        }
    }
}

/// How a connection stands.
#[derive(Serialize, ToSchema)]
pub struct CheckView {
    /// Nothing is missing, wrong or unknown.
    pub ready: bool,
    /// Everything that was looked at.
    pub findings: Vec<FindingView>,
}

/// How far an unsubscribe on a list reaches.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReachRequest {
    /// All lists of the client, and its suppression list.
    AllLists,
    /// This list alone: consent by purpose. The client's suppression list does not protect such a list.
    ThisList,
}

/// A list to get ready: one that is there by `list_id`, or a new one by `title` and `unsubscribe`.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PrepareRequest {
    /// The purpose to be kept there, by short name or id.
    #[validate(length(min = 1, max = 63, message = "1 to 63 characters"))]
    pub purpose: String,
    /// A list that is there.
    #[serde(default)]
    pub list_id: Option<String>,
    /// The title of a new one.
    #[serde(default)]
    pub title: Option<String>,
    /// How far an unsubscribe on a new one reaches.
    #[serde(default)]
    pub unsubscribe: Option<ReachRequest>,
    /// The purpose stays on the other lists of this destination that it is kept on; without this it moves from them.
    #[serde(default)]
    pub also: bool,
}

impl PrepareRequest {
    fn wanted(self) -> Result<(String, ListToPrepare), Error> {
        let reach = self.unsubscribe.map(|reach| match reach {
            ReachRequest::AllLists => Reach::AllLists,
            ReachRequest::ThisList => Reach::ThisList,
        });
        let wanted = match (self.list_id, self.title, reach) {
            (Some(list_id), None, None) => ListToPrepare::Existing(list_id),
            (None, Some(title), Some(reach)) => ListToPrepare::New { title, reach },
            (None, Some(_), None) => {
                return Err(Error::field(
                    "unsubscribe",
                    "expected all_lists or this_list: how far an unsubscribe reaches",
                ));
            }
            _ => {
                let text = "expected either list_id, or title and unsubscribe";
                return Err(Error::Invalid(vec![FieldFault::new("list_id", text), FieldFault::new("title", text)]));
            }
        };
        Ok((self.purpose, wanted))
    }
}

/// A list that is ready.
#[derive(Serialize, ToSchema)]
pub struct PreparedView {
    /// The provider's list.
    pub list_id: String,
    /// Whether it was made now.
    pub list_made: bool,
    /// The custom fields that were made now. Whoever is on the list already is written anew by and by.
    pub fields_made: Vec<String>,
    /// `made`, `activated` or `kept`.
    pub webhook: String,
    /// The destination as it is now.
    pub destination: DestinationView,
}

impl TryFrom<Prepared> for PreparedView {
    type Error = Error;

    fn try_from(prepared: Prepared) -> Result<Self, Error> {
        Ok(Self {
            list_id: prepared.list_id,
            list_made: prepared.made,
            fields_made: prepared.fields,
            webhook: prepared.hook.name().to_owned(),
            destination: prepared.destination.try_into()?,
        })
    }
}

/// Look at an account before a destination is made: its clients, and the lists and zone of one. Nothing is stored.
#[utoipa::path(tag = "destinations", operation_id = "look_at_account", security(("token" = ["settings"])), request_body = LookRequest,
    responses((status = 200, description = "What is there", body = AccountView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/look")]
pub async fn look(
    who: For<Settings>,
    services: Data<Services>,
    body: ApiJson<LookRequest>,
) -> Result<Json<AccountView>, Problem> {
    let LookRequest { base_url, api_key, connection_id, client_id } = body.value;
    let wanted = Look { base_url, credential: credential_in(api_key, connection_id)?, client_id };
    Ok(Json(look_with(&services, who.scope, wanted).await?.into()))
}

/// What the account of a destination has.
#[utoipa::path(tag = "destinations", operation_id = "show_destination_account", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "What is there", body = AccountView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations/{id}/account")]
pub async fn show_account(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
) -> Result<Json<AccountView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    Ok(Json(look_at(&services, who.scope, id).await?.into()))
}

/// Check whether everything is there that keeping a destination in step needs.
#[utoipa::path(tag = "destinations", operation_id = "check_destination", security(("token" = ["settings"])), params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "Each thing, and how it stands", body = CheckView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[get("/destinations/{id}/check")]
pub async fn check(who: For<Settings>, services: Data<Services>, id: Path<String>) -> Result<Json<CheckView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let found = check_connection(&services, who.scope, id).await?;
    let ready = found.iter().all(|finding| finding.standing.is_fine());
    Ok(Json(CheckView { ready, findings: found.into_iter().map(FindingView::from).collect() }))
}

/// Get a list ready and keep a purpose on it, where others may be kept too: the list, its custom fields and our webhook, in one call. What is there stays;
/// the call may be made again.
#[utoipa::path(tag = "destinations", operation_id = "prepare_list", security(("token" = ["settings"])), request_body = PrepareRequest, params(("id" = String, Path, description = "The destination's id")),
    responses((status = 200, description = "The list is ready", body = PreparedView), (status = "default", description = "A problem", body = ProblemBody, content_type = "application/problem+json")))]
#[post("/destinations/{id}/lists")]
pub async fn prepare(
    who: For<Settings>,
    services: Data<Services>,
    id: Path<String>,
    body: ApiJson<PrepareRequest>,
) -> Result<Json<PreparedView>, Problem> {
    let id: DestinationId = path_id(&id)?;
    let also = body.value.also;
    let (purpose, wanted) = body.value.wanted()?;
    Ok(Json(prepare_list(&services, who.scope, id, &purpose, wanted, also).await?.try_into()?))
}
