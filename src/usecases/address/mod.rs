//! A change of address (DR-05): asked for by staff or a site, and in force from the moment at which the new mailbox says
//! yes. What a person said belongs to the person and moves along; a stop under either address counts for both.
//!
//! ```text
//! ask ──> one mail to the new mailbox ──> page ──> decide
//!         nothing else goes there                  yes: the new address, what must follow in one commit
//!         all else goes to the old one             no, too late, taken meanwhile: nothing has changed
//! ```

mod ask;
mod decide;
mod page;
mod relocate;

pub use ask::{Asked, NewAddress, ask};
pub use decide::{Decided, decide};
pub use page::{MoveQuestion, MoveStanding, show};

use crate::domain::email::EmailAddress;
use crate::store::addresses::{AddressChange, FormerAddress};
use crate::store::destinations::DestinationState;

use super::Error;
use super::record::{Person, route_of_key};

fn read(bytes: &[u8]) -> Result<EmailAddress, Error> {
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Internal("a stored address is not UTF-8".into()))?;
    EmailAddress::parse(text).map_err(|_| Error::Internal("a stored address does not read".into()))
}

/// The new address of a change that is not settled.
pub(super) fn new_address(person: &Person, change: &AddressChange) -> Result<EmailAddress, Error> {
    read(&person.key.open("address_changes", "email", change.id.uuid(), &change.email)?)
}

/// An address that the person has left.
pub(super) fn left_address(person: &Person, former: &FormerAddress) -> Result<EmailAddress, Error> {
    read(&person.key.open("former_addresses", "email", route_of_key(&former.email_key), &former.email)?)
}

/// Bound to the list: what is noted of one says nothing of another.
fn column(list_id: &str) -> String {
    format!("stands_as of {list_id}")
}

/// The other addresses under which a person may stand on a list, the oldest first.
pub(super) fn stands_as(person: &Person, state: &DestinationState) -> Result<Vec<String>, Error> {
    let Some(sealed) = &state.stands_as else { return Ok(Vec::new()) };
    let plain = person.key.open("destination_states", &column(&state.list_id), person.row.id.uuid(), sealed)?;
    Ok(serde_json::from_slice(&plain)?)
}

fn seal_stands_as(person: &Person, list_id: &str, addresses: &[String]) -> Result<Vec<u8>, Error> {
    let plain = serde_json::to_vec(addresses)?;
    Ok(person.key.seal("destination_states", &column(list_id), person.row.id.uuid(), &plain))
}
