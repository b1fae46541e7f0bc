//! Senders: in whose name mail goes out.

use crate::domain::email::EmailAddress;
use crate::domain::ids::{ControllerScope, SenderId};
use crate::domain::throttle::Rate;
use crate::store::sites::Sender;
use crate::store::{ReadTx, WriteTx};

use super::once::{Asker, OnceKey, write_once};
use super::{Error, Services, shape};

/// A sender to be.
#[derive(Clone)]
pub struct NewSender {
    /// The visible name.
    pub name: String,
    /// The from-address.
    pub address: String,
    /// Where answers go, if elsewhere.
    pub reply_to: Option<String>,
    /// The postal line (PE-05).
    pub postal: String,
    /// Mails in its name in an hour, at most.
    pub max_per_hour: Option<u32>,
}

/// Creates a sender.
pub async fn create_sender(
    services: &Services,
    asker: Asker,
    key: Option<OnceKey>,
    new: NewSender,
) -> Result<Sender, Error> {
    let scope = asker.scope.ok_or(Error::UnknownCredential)?;
    let sender = Sender {
        controller_id: scope.controller(),
        id: SenderId::from_uuid(services.ids.row()),
        name: shape::line("name", &new.name, 100)?,
        address: address("address", &new.address)?,
        reply_to: new.reply_to.map(|text| address("reply_to", &text)).transpose()?,
        postal: shape::line("postal", &new.postal, 200)?,
        max_per_hour: new.max_per_hour.map(rate).transpose()?,
        created_at: services.clock.now(),
    };
    let most = services.rules.limits.senders;
    let id = write_once(services, asker, key, scope.controller().uuid(), move |tx: &mut WriteTx<'_>| {
        if tx.senders(scope)?.len() >= most {
            return Err(Error::field("name", format!("a controller has at most {most} senders")));
        }
        tx.insert_sender(&sender)?;
        Ok(sender.id)
    })
    .await?;
    find_sender(services, scope, id).await
}

/// Sets how many mails may go out in a sender's name in an hour. Who a sender is was shown to people and does not change.
/// Mails that wait for their turn keep it.
pub async fn change_sender_rate(
    services: &Services,
    scope: ControllerScope,
    id: SenderId,
    most: Option<u32>,
) -> Result<Sender, Error> {
    let most = most.map(rate).transpose()?;
    let change = move |tx: &mut WriteTx<'_>| {
        tx.set_sender_rate(scope, id, most)?;
        Ok(tx.sender(scope, id)?)
    };
    services.store.write(scope.controller().uuid(), change).await
}

/// An address that every relay takes as a sender: with a name in ASCII before the `@`.
fn address(field: &str, text: &str) -> Result<String, Error> {
    let address = EmailAddress::parse(text).map_err(|error| Error::field(field, error))?;
    if address.needs_smtputf8() {
        return Err(Error::field(field, "a sender's address has only ASCII before the @"));
    }
    Ok(address.as_sent())
}

fn rate(most: u32) -> Result<i32, Error> {
    let fits = Some(most).filter(|most| (Rate::LEAST..=Rate::MOST).contains(most)).and_then(|n| i32::try_from(n).ok());
    fits.ok_or_else(|| Error::field("max_per_hour", format!("a whole number from {} to {}", Rate::LEAST, Rate::MOST)))
}

/// All senders of a controller.
pub async fn list_senders(services: &Services, scope: ControllerScope) -> Result<Vec<Sender>, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.senders(scope)).await?)
}

/// One sender.
pub async fn find_sender(services: &Services, scope: ControllerScope, id: SenderId) -> Result<Sender, Error> {
    Ok(services.store.read(move |tx: &mut ReadTx<'_>| tx.sender(scope, id)).await?)
}
