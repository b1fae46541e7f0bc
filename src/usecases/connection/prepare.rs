//! Getting a list ready in one call: the list itself, unless there is one, the custom fields that carry proof, our webhook,
//! and the purpose that is kept there from then on, alone or beside others. Each step looks first, so that the call can be made again after it was
//! cut short; only a list is never made twice, as its title is taken then.

use crate::campaign_monitor::{Account, FieldType, NewField, NewList, UnsubscribeSetting, normalise_key};
use crate::domain::ids::{ControllerScope, DestinationId};
use crate::store::ReadTx;

use super::super::destination_fields::wanted_fields;
use super::super::destinations::{DestinationWithLists, ListChoice, keep_on_list, webhook_url};
use super::super::{Error, Services, shape};
use super::webhooks::{Hook, ensure_webhook};
use super::{Line, read};

/// The title is taken there.
const TITLE_TAKEN: u32 = 250;

/// How far an unsubscribe on a list reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// All lists of the client, and its suppression list.
    AllLists,
    /// This list alone, as consent by purpose has it; the suppression list does not protect it then.
    ThisList,
}

/// A list that is wanted.
#[derive(Debug, Clone)]
pub enum ListToPrepare {
    /// One that is there.
    Existing(String),
    /// One to be made.
    New {
        /// What people there call it.
        title: String,
        /// How far an unsubscribe reaches.
        reach: Reach,
    },
}

/// A list that is ready.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The list.
    pub list_id: String,
    /// Whether it was made.
    pub made: bool,
    /// The fields that were made.
    pub fields: Vec<String>,
    /// The webhook.
    pub hook: Hook,
    /// The destination as it is now.
    pub destination: DestinationWithLists,
}

/// Gets a list ready and keeps a purpose on it: also, or instead of the other lists of the destination.
pub async fn prepare_list(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    purpose: &str,
    wanted: ListToPrepare,
    also: bool,
) -> Result<Prepared, Error> {
    let (destination, _) = read(services, scope, id).await?;
    check_choice(services, scope, id, purpose, &wanted).await?;
    let line = Line::of(services, &destination).await?;
    let account = line.account();
    let (list_id, made) = match wanted {
        ListToPrepare::New { title, reach } => {
            (make(&account, &destination.client_id, &shape::line("title", &title, 100)?, reach).await?, true)
        }
        ListToPrepare::Existing(list_id) => {
            let list_id = shape::provider_id("list_id", &list_id)?;
            let of_client = account.client_lists(&destination.client_id).await?;
            // In the provider's spelling, so that one list is never taken for two.
            let found = of_client.into_iter().find(|list| list.list_id.eq_ignore_ascii_case(&list_id));
            (found.ok_or_else(|| Error::field("list_id", "the client has no such list"))?.list_id, false)
        }
    };
    let fields = ensure_fields(&account, &list_id, wanted_fields(&destination)?).await?;
    let keys = services.keys.of(scope).await?;
    let hook = ensure_webhook(&account, &list_id, &webhook_url(services, &keys, &destination)?).await?;
    let choice = ListChoice { purpose: purpose.to_owned(), list_id: list_id.clone() };
    let destination = keep_on_list(services, scope, id, choice, also, !fields.is_empty()).await?;
    Ok(Prepared { list_id, made, fields, hook, destination })
}

/// What we know to be impossible is refused before the provider is asked for anything.
async fn check_choice(
    services: &Services,
    scope: ControllerScope,
    id: DestinationId,
    purpose: &str,
    wanted: &ListToPrepare,
) -> Result<(), Error> {
    let (purpose, wanted) = (purpose.to_owned(), wanted.clone());
    let look = move |tx: &mut ReadTx<'_>| {
        let purpose = shape::purpose_named(&tx.purposes(scope)?, &purpose).map(|purpose| purpose.id);
        let purpose = purpose.ok_or_else(|| Error::field("purpose", "there is no such purpose"))?;
        let ListToPrepare::Existing(list_id) = &wanted else { return Ok(()) };
        if tx.round_of_list(scope, list_id)?.is_some() {
            return Err(Error::field("list_id", "this list was made for a round"));
        }
        let taken = tx.destination_lists(scope)?.into_iter();
        let taken = taken.filter(|list| list.destination_id != id && list.purpose_id != purpose);
        if taken.into_iter().any(|list| list.list_id == *list_id) {
            return Err(Error::field("list_id", "another destination keeps another purpose on this list"));
        }
        Ok(())
    };
    services.store.read(look).await
}

/// Makes a list. It confirms nobody by itself: whoever comes there is confirmed here.
async fn make(account: &Account<'_>, client_id: &str, title: &str, reach: Reach) -> Result<String, Error> {
    let unsubscribe_setting = match reach {
        Reach::AllLists => UnsubscribeSetting::AllClientLists,
        Reach::ThisList => UnsubscribeSetting::OnlyThisList,
    };
    match account.create_list(client_id, &NewList { title, unsubscribe_setting, confirmed_opt_in: false }).await {
        Err(error) if error.code() == Some(TITLE_TAKEN) => {
            // Perhaps it was made by a call like this one whose answer was lost: a person decides.
            let lists = account.client_lists(client_id).await?;
            let same = lists.iter().find(|list| list.name.trim().eq_ignore_ascii_case(title));
            let hint = same.map_or_else(String::new, |list| format!("; to use it, say list_id {}", list.list_id));
            Err(Error::field("title", format!("the client has a list with this title{hint}")))
        }
        made => Ok(made?),
    }
}

/// Makes the fields that are missing; says which.
async fn ensure_fields(
    account: &Account<'_>,
    list_id: &str,
    wanted: Vec<(String, FieldType)>,
) -> Result<Vec<String>, Error> {
    let there = account.custom_fields(list_id).await?;
    let mut made = Vec::new();
    for (name, kind) in wanted {
        if there.iter().any(|field| normalise_key(&field.key) == normalise_key(&name)) {
            continue;
        }
        // Not for the preference centre: nobody edits the proof of a consent.
        let field = NewField {
            field_name: name.clone(),
            data_type: kind,
            options: Vec::new(),
            visible_in_preference_center: false,
        };
        if account.create_custom_field(list_id, &field).await?.is_some() {
            made.push(name);
        }
    }
    Ok(made)
}
