//! Calls about a client's suppression list, which stops mail on all its lists.
//!
//! There is no look-up of one address and no date filter: to see what is new, order by date
//! descending and stop at what is known.

use reqwest::Method;
use serde::Serialize;

use super::client::{Account, Call};
use super::error::{CallError, InputError};
use super::lists::paged;
use super::types::{OrderField, Page, PageRequest, SuppressionEntry};
use super::verdict::Verdict;

/// Most addresses of one call. The provider names no limit; this is our own.
const MOST: usize = 100;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SuppressBody<'a> {
    email_addresses: &'a [String],
}

impl Account<'_> {
    /// One page of the suppression list. `since` does not exist here and is not sent; nor is
    /// there an order by name.
    pub async fn suppression_list(
        &self,
        client_id: &str,
        request: PageRequest,
    ) -> Result<Page<SuppressionEntry>, CallError> {
        if request.order == OrderField::Name {
            return Err(InputError::Order.into());
        }
        let call = Call::get(&["clients", client_id, "suppressionlist"]);
        self.send(paged(call, request)?).await?.read()
    }

    /// Suppress 1 to 100 addresses.
    pub async fn suppress(&self, client_id: &str, addresses: &[String]) -> Result<(), CallError> {
        if addresses.is_empty() || addresses.len() > MOST {
            return Err(InputError::Count { given: addresses.len(), limit: MOST }.into());
        }
        let call = Call::new(Method::POST, &["clients", client_id, "suppress"])
            .json(&SuppressBody { email_addresses: addresses });
        self.send(call).await?.empty()
    }

    /// Take an address off the suppression list; one that was not on it is as good. Nothing is
    /// re-activated by this.
    pub async fn unsuppress(&self, client_id: &str, address: &str) -> Result<(), CallError> {
        let call = Call::new(Method::PUT, &["clients", client_id, "unsuppress"]).query("email", address);
        match self.send(call).await?.empty() {
            Err(error) if error.verdict() == Verdict::Done => Ok(()),
            result => result,
        }
    }
}
