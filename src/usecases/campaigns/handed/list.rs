//! Getting a round's list ready at the provider: the list, the field for the token, our webhook. The list is made by us for
//! this round alone. It confirms nobody by itself, and an unsubscribe there reaches no other list: whoever leaves it says
//! no to this round, and what follows from that is decided here.

use crate::campaign_monitor::{Account, CallError, FieldType, NewField, NewList, UnsubscribeSetting, normalise_key};
use crate::domain::ids::CampaignId;
use crate::store::WriteTx;
use crate::store::campaigns::Campaign;
use crate::store::round_entries::RoundList;

use super::super::super::connection::ensure_webhook;
use super::super::super::{Error, Services};
use super::FIELD;

/// The title is taken there.
const TITLE_TAKEN: u32 = 250;
/// Characters of the round's name that the title repeats.
const NAME: usize = 60;

/// Makes the list, or finds the one that an earlier attempt has made: its title names the round. On a failure the call's own
/// error is given back, to be tried again or looked at.
pub(super) async fn make(account: &Account<'_>, client_id: &str, campaign: &Campaign) -> Result<String, CallError> {
    let title = title(&campaign.name, campaign.id);
    let found = async || {
        let lists = account.client_lists(client_id).await?;
        Ok::<_, CallError>(lists.into_iter().find(|list| list.name.trim() == title).map(|list| list.list_id))
    };
    if let Some(known) = found().await? {
        return Ok(known);
    }
    let new = NewList { title: &title, unsubscribe_setting: UnsubscribeSetting::OnlyThisList, confirmed_opt_in: false };
    match account.create_list(client_id, &new).await {
        // Made a moment ago, and the list of lists is late (campaign-monitor 6.1): it will show.
        Err(error) if error.code() == Some(TITLE_TAKEN) => match found().await? {
            Some(known) => Ok(known),
            None => Err(CallError::LostAnswer),
        },
        made => made,
    }
}

/// Names the round, so that no other list has this title.
fn title(name: &str, id: CampaignId) -> String {
    let name: String = name.chars().take(NAME).collect();
    format!("{} ({id})", name.trim())
}

/// Makes sure of the field and the webhook.
pub(super) async fn equip(account: &Account<'_>, list_id: &str, webhook_url: &str) -> Result<(), Error> {
    let fields = account.custom_fields(list_id).await?;
    if !fields.iter().any(|field| normalise_key(&field.key) == normalise_key(FIELD)) {
        // Not for the preference centre: it is the person's key to their answer, and nothing to edit.
        let field = NewField {
            field_name: FIELD.to_owned(),
            data_type: FieldType::Text,
            options: Vec::new(),
            visible_in_preference_center: false,
        };
        account.create_custom_field(list_id, &field).await?;
    }
    ensure_webhook(account, list_id, webhook_url).await?;
    Ok(())
}

/// Notes which list was made.
pub(super) async fn note(services: &Services, list: RoundList) -> Result<(), Error> {
    let work = move |tx: &mut WriteTx<'_>| Ok::<_, Error>(tx.save_round_list(&list)?);
    services.store.write(uuid::Uuid::nil(), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_short_enough_and_names_the_round() {
        let id = CampaignId::from_uuid(uuid::Uuid::from_u128(7));
        let long = title(&"é".repeat(300), id);
        assert!(long.chars().count() < 110 && long.ends_with("(00000000-0000-0000-0000-000000000007)"), "{long}");
    }
}
