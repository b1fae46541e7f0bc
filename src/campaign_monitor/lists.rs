//! Calls about a list: its settings, its custom fields, and its people by state.

use reqwest::Method;

use super::client::{Account, Call};
use super::error::{CallError, InputError};
use super::layout::{CustomField, ListDetails, NewField, NewList};
use super::types::{Direction, ListState, OrderField, Page, PageRequest, Subscriber};
use super::verdict::Verdict;

impl Account<'_> {
    /// Create a list; answers its id. Not repeatable: the title is taken then (250), also when only the answer was lost.
    pub async fn create_list(&self, client_id: &str, list: &NewList<'_>) -> Result<String, CallError> {
        self.send(Call::new(Method::POST, &["lists", client_id]).json(list)).await?.read()
    }

    /// A list's settings.
    pub async fn list_details(&self, list_id: &str) -> Result<ListDetails, CallError> {
        self.send(Call::get(&["lists", list_id])).await?.read()
    }

    /// A list's custom fields.
    pub async fn custom_fields(&self, list_id: &str) -> Result<Vec<CustomField>, CallError> {
        self.send(Call::get(&["lists", list_id, "customfields"])).await?.read()
    }

    /// Make sure that a field exists: the new key, or `None` when a field of this name was
    /// there before (its type is then for the caller to compare).
    pub async fn create_custom_field(&self, list_id: &str, field: &NewField) -> Result<Option<String>, CallError> {
        let call = Call::new(Method::POST, &["lists", list_id, "customfields"]).json(field);
        match self.send(call).await?.read() {
            Ok(key) => Ok(Some(key)),
            Err(error) if error.verdict() == Verdict::Done => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// One page of the people in this state, with their tracking consent.
    pub async fn page(
        &self,
        list_id: &str,
        state: ListState,
        request: PageRequest,
    ) -> Result<Page<Subscriber>, CallError> {
        let date = request.since.map_or_else(String::new, |day| day.to_string());
        let call =
            Call::get(&["lists", list_id, state.path()]).query("date", date).query("includetrackingpreference", "true");
        self.send(paged(call, request)?).await?.read()
    }
}

/// Add what every paged listing takes.
pub(super) fn paged(call: Call<'_>, request: PageRequest) -> Result<Call<'_>, InputError> {
    if request.page == 0 {
        return Err(InputError::PageNumber);
    }
    if !(10..=1000).contains(&request.page_size) {
        return Err(InputError::PageSize(request.page_size));
    }
    let order = match request.order {
        OrderField::Email => "email",
        OrderField::Name => "name",
        OrderField::Date => "date",
    };
    let direction = match request.direction {
        Direction::Ascending => "asc",
        Direction::Descending => "desc",
    };
    Ok(call
        .query("page", request.page.to_string())
        .query("pagesize", request.page_size.to_string())
        .query("orderfield", order)
        .query("orderdirection", direction))
}
