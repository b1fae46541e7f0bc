//! `/v1`: JSON for sites and marketers. One file per noun; each handler names the right it needs in its arguments.

pub mod addresses;
pub mod campaign_links;
pub mod campaign_results;
pub mod campaigns;
pub mod confirmed;
pub mod connection;
pub mod consents;
pub mod controllers;
pub mod destinations;
pub mod forms;
pub mod history;
mod import_form;
pub mod imports;
pub mod links;
pub mod notices;
pub mod oauth;
pub mod open;
pub mod outbox;
pub mod past;
pub mod policies;
pub mod policy_upload;
pub mod purposes;
pub mod reconciles;
pub mod senders;
pub mod subjects;
pub mod suppressions;
pub mod tokens;
pub mod upkeep;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::usecases::{Error, Rules};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Give this as `cursor` to get the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A list that is whole.
    pub const fn whole(items: Vec<T>) -> Self {
        Self { items, next: None }
    }

    /// Cuts a list that was asked for with one item too many; the cursor names the last item kept.
    pub fn cut(mut items: Vec<T>, limit: usize, cursor: impl FnOnce(&T) -> String) -> Self {
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(cursor) } else { None };
        Self { items, next }
    }
}

/// How a list is asked for.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// `next` of the page before.
    pub cursor: Option<String>,
    /// Items on a page.
    pub limit: Option<u32>,
}

impl PageQuery {
    /// How many items are to be on the page.
    pub fn items(&self, rules: &Rules) -> Result<i64, Error> {
        let limit = self.limit.unwrap_or(rules.page_size);
        if (1..=rules.page_size_max).contains(&limit) {
            Ok(i64::from(limit))
        } else {
            Err(Error::field("limit", format!("expected 1 to {}", rules.page_size_max)))
        }
    }

    /// Where the page begins: after the item that the cursor names.
    pub fn after<T: std::str::FromStr>(&self) -> Result<Option<T>, Error> {
        let parsed = self.cursor.as_deref().map(str::parse).transpose();
        parsed.map_err(|_| Error::field("cursor", "expected `next` of the page before"))
    }
}
