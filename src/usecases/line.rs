//! Where and with what the provider is to be spoken to, as a person names it: an API key, or a connection by OAuth that
//! somebody has allowed.

use crate::crypto::secret::SecretText;
use crate::domain::ids::{ConnectionId, ControllerScope};
use crate::store::ReadTx;

use super::destinations::{ApiKey, reachable};
use super::{Error, Services, oauth, shape};

/// What the provider is to be spoken to with.
#[derive(Debug, Clone)]
pub enum NewCredential {
    /// An API key of the account or of the client.
    ApiKey(SecretText),
    /// A connection by OAuth that somebody has allowed.
    Connection(ConnectionId),
}

/// Where and with what the provider is to be spoken to, checked.
pub(super) struct NewLine {
    /// Where its API is.
    pub base_url: String,
    /// With this API key,
    pub api_key: Option<SecretText>,
    /// or by this connection.
    pub connection: Option<ConnectionId>,
}

/// Reads where and with what the provider is to be spoken to. Tokens go nowhere but to where they come from.
pub(super) async fn line_of(
    services: &Services,
    scope: ControllerScope,
    base_url: Option<&str>,
    credential: &NewCredential,
) -> Result<NewLine, Error> {
    let usual = services.rules.provider_base_url.as_str();
    match credential {
        NewCredential::ApiKey(key) => {
            let base_url = shape::api_root("base_url", base_url.unwrap_or(usual))?;
            reachable(services, &base_url)?;
            let key = SecretText::new(api_key_from(key)?.to_owned());
            Ok(NewLine { base_url, api_key: Some(key), connection: None })
        }
        NewCredential::Connection(id) => {
            let id = *id;
            let row = services.store.read(move |tx: &mut ReadTx<'_>| oauth::usable(tx, scope, id)).await?;
            let given = base_url.map(|base_url| shape::api_root("base_url", base_url)).transpose()?;
            if given.is_some_and(|given| given != row.base_url) {
                return Err(Error::field("base_url", format!("expected {}, where the connection is", row.base_url)));
            }
            reachable(services, &row.base_url)?;
            Ok(NewLine { base_url: row.base_url, api_key: None, connection: Some(id) })
        }
    }
}

/// What a person has pasted as an API key.
pub(super) fn api_key_from(given: &ApiKey) -> Result<&str, Error> {
    let key = given.expose().trim();
    if !(1..=200).contains(&key.len()) || !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(Error::field("api_key", "expected 1 to 200 visible ASCII characters"));
    }
    Ok(key)
}
