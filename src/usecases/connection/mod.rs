//! A destination's connection: what the account behind a key has, whether all that is needed is there, and bringing about
//! what is missing. Everything here is asked for by a person who waits for the answer; nothing is repeated by itself, and
//! all of it may be asked for again.

mod check;
mod key;
mod prepare;
mod webhooks;

use std::time::Duration;

use crate::campaign_monitor::{
    CallError, Client, ClientEntry, Credentials, ListEntry, Reason, Secret, Verdict, Zone, label_zone,
};
use crate::domain::ids::{ControllerScope, DestinationId};
use crate::store::ReadTx;
use crate::store::destinations::{Destination, DestinationList};

use super::line::{NewCredential, line_of};
use super::{Error, Services, oauth, shape, sync};

pub use check::{Finding, Matter, Standing, check};
pub use key::replace_key;
pub use prepare::{ListToPrepare, Prepared, Reach, prepare_list};
pub use webhooks::Hook;
pub(super) use webhooks::{Heard, drop_former, ensure_webhook, heard_by};

/// Clients and lists that are shown; who has more names them by their ids.
const SHOWN: usize = 1000;

/// Time for one call: somebody waits for several of them.
const CALL: Duration = Duration::from_secs(15);

/// What the account behind a key has.
#[derive(Debug, Clone)]
pub struct Account {
    /// What its clock says, in its own zone.
    pub clock: String,
    /// The clients that the key may see; none when it may not ask.
    pub clients: Vec<ClientEntry>,
    /// The client that was asked about.
    pub client: Option<ClientAccount>,
}

/// What a client has.
#[derive(Debug, Clone)]
pub struct ClientAccount {
    /// Its id.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// How the provider calls its zone. The offset in it is the winter's and says nothing about daylight saving.
    pub zone_label: String,
    /// The zone of the IANA list that is most likely meant, to be confirmed by a person.
    pub time_zone: Option<&'static str>,
    /// Its lists.
    pub lists: Vec<ListEntry>,
}

/// What to look with, before a destination is made.
pub struct Look {
    /// Where its API is, if not at the provider's usual place.
    pub base_url: Option<String>,
    /// What to look with.
    pub credential: NewCredential,
    /// The client whose lists are wanted.
    pub client_id: Option<String>,
}

/// An account that can be called.
struct Line {
    client: Client,
    credentials: Credentials,
}

impl Line {
    fn open(base_url: &str, credentials: Credentials) -> Result<Self, Error> {
        Ok(Self { client: sync::client_at(base_url, CALL, CALL)?, credentials })
    }

    async fn of(services: &Services, destination: &Destination) -> Result<Self, Error> {
        Self::open(&destination.base_url, sync::credentials(services, destination).await?)
    }

    fn account(&self) -> crate::campaign_monitor::Account<'_> {
        self.client.account(&self.credentials)
    }
}

/// Looks at an account with a key that is not stored, or by a connection that no destination uses yet.
pub async fn look(services: &Services, scope: ControllerScope, look: Look) -> Result<Account, Error> {
    let new = line_of(services, scope, look.base_url.as_deref(), &look.credential).await?;
    let client_id = look.client_id.map(|id| shape::provider_id("client_id", &id)).transpose()?;
    let (field, refused) = match new.connection {
        Some(_) => ("connection_id", "the provider does not take this connection: connect again"),
        None => ("api_key", "the provider does not take this key"),
    };
    let seen = async {
        let credentials = match (new.connection, new.api_key) {
            (Some(id), _) => oauth::credentials(services, scope, id).await?,
            (None, key) => {
                Credentials::ApiKey(Secret::new(key.map_or_else(String::new, |key| key.expose().to_owned())))
            }
        };
        let line = Line::open(&new.base_url, credentials)?;
        seen(&line, client_id.as_deref()).await
    };
    seen.await.map_err(|error| match error {
        Error::Provider(call) => match call.verdict() {
            Verdict::NeedsPerson(Reason::Credential | Reason::CredentialExpired) => Error::field(field, refused),
            Verdict::NeedsPerson(Reason::ForeignId | Reason::NotFound) if client_id.is_some() => {
                Error::field("client_id", "the account has no such client")
            }
            _ => Error::Provider(call),
        },
        other => other,
    })
}

/// Looks at the account of a destination.
pub async fn look_at(services: &Services, scope: ControllerScope, id: DestinationId) -> Result<Account, Error> {
    let (destination, _) = read(services, scope, id).await?;
    let line = Line::of(services, &destination).await?;
    seen(&line, Some(&destination.client_id)).await
}

async fn seen(line: &Line, client_id: Option<&str>) -> Result<Account, Error> {
    let account = line.account();
    // The harmless call first: it says whether the key is any good.
    let clock = account.system_date().await?;
    let mut clients = match account.clients().await {
        Ok(clients) => clients,
        // The key of one client may not have to be told of others.
        Err(error) if is_forbidden(&error) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    clients.truncate(SHOWN);
    let client = match client_id {
        Some(client_id) => {
            let details = account.client_details(client_id).await?;
            let mut lists = account.client_lists(client_id).await?;
            lists.truncate(SHOWN);
            Some(ClientAccount {
                client_id: client_id.to_owned(),
                name: details.company_name,
                time_zone: label_zone(&details.time_zone),
                zone_label: details.time_zone,
                lists,
            })
        }
        None => None,
    };
    Ok(Account { clock, clients, client })
}

fn is_forbidden(error: &CallError) -> bool {
    matches!(error.verdict(), Verdict::NeedsPerson(Reason::Permission | Reason::ForeignId | Reason::NotFound))
}

/// A destination and the lists that purposes are kept on there.
async fn read(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
) -> Result<(Destination, Vec<DestinationList>), Error> {
    let read = move |tx: &mut ReadTx<'_>| {
        let lists = tx.destination_lists(scope)?;
        let of_it = lists.into_iter().filter(|list| list.destination_id == id).collect();
        Ok::<_, Error>((tx.destination(scope, id)?, of_it))
    };
    services.store.read(read).await
}

/// Whether the clocks of two zones agree through the coming year, month by month: so zones with and without daylight
/// saving are told apart.
fn same_clock(one: &str, other: &str, now: crate::domain::time::Timestamp) -> bool {
    let (Ok(one), Ok(other)) = (Zone::named(one), Zone::named(other)) else { return false };
    let month = Duration::from_secs(30 * 86_400);
    (0..12).all(|n| one.offset_at(now.plus(month * n).micros()) == other.offset_at(now.plus(month * n).micros()))
}
