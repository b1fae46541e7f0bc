//! The shapes of answers about people, and paging (reference sections 5.4, 6.4, 9).

use super::call::Call;
use super::clock;
use super::error::ApiError;
use super::model::{List, State, Subscriber, World};
use super::orders::{OrderBy, Window};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What the reader asked to see besides the usual.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) tracking: bool,
    pub(super) sms: bool,
    /// The date of joining and the mobile number.
    pub(super) joined_and_mobile: bool,
}

impl Shown {
    pub(super) fn on_pages(call: &Call) -> Self {
        Self {
            tracking: call.flag("includetrackingpreference") && call.version.knows_tracking(),
            sms: call.flag("includesmspreference"),
            joined_and_mobile: call.version.knows_joining_and_mobile(),
        }
    }
}

impl World {
    pub(super) fn subscriber_json(&self, list: &List, subscriber: &Subscriber, shown: Shown) -> Value {
        let zone = self.zone_of_list(&list.id);
        let date = |at: Timestamp| {
            let at = if self.whole_minutes { clock::minute(at) } else { at };
            clock::seconds(at, zone)
        };
        // v3.3 is documented with bracketed keys, the older fixtures have bare ones; clients must
        // take both (section 4.4), so each version shows its own.
        let fields: Vec<_> = subscriber
            .fields
            .iter()
            .map(|(key, value)| {
                let key = if shown.joined_and_mobile { format!("[{key}]") } else { key.to_string() };
                json!({"Key": key, "Value": value})
            })
            .collect();
        let mut answer = json!({
            "EmailAddress": subscriber.email,
            "Name": subscriber.name,
            "Date": date(subscriber.changed_at),
            "State": subscriber.state.name(),
            "CustomFields": fields,
            "ReadsEmailWith": "",
        });
        if shown.joined_and_mobile {
            answer["ListJoinedDate"] = json!(date(subscriber.joined_at));
        }
        if shown.tracking {
            answer["ConsentToTrack"] = json!(self.tracking_text(list, subscriber));
        }
        if let Some(mobile) = subscriber.mobile.as_ref().filter(|_| shown.joined_and_mobile) {
            answer["MobileNumber"] = json!(mobile);
            if shown.sms {
                answer["ConsentToSendSms"] = json!(yes_no(Some(subscriber.sms_consent)));
            }
        }
        answer
    }

    /// `Yes`, `No`, or empty when nothing is known.
    pub(super) fn tracking_text(&self, list: &List, subscriber: &Subscriber) -> &'static str {
        let known = self
            .clients
            .get(&list.client_id)
            .and_then(|client| client.tracking.get(subscriber.email.to_lowercase().as_str()));
        yes_no(known.copied())
    }

    /// One page of one state of a list.
    pub(super) fn state_page(&mut self, list_id: &str, state: State, call: &Call) -> Result<Value, ApiError> {
        let zone = self.zone_of_list(list_id);
        let since = match call.query("date") {
            None | Some("") => None,
            Some(text) => Some(clock::parse(text, zone).ok_or_else(|| ApiError::input(5))?),
        };
        let paging = Paging::of(call, &[OrderBy::Email, OrderBy::Name, OrderBy::Date], OrderBy::Date)?;
        let shown = Shown::on_pages(call);
        // The order is made with the list in hand, the rows are shown with the client in sight too.
        let (keys, total) = self.list(list_id)?.subscribers.page(state, since, paging.window());
        let list = self.lists.get(list_id).ok_or_else(ApiError::unknown_list)?;
        let rows: Vec<_> = keys.iter().filter_map(|key| list.subscribers.get(key)).collect();
        Ok(paging.envelope(&rows, total, |row| self.subscriber_json(list, row, shown)))
    }
}

fn yes_no(known: Option<bool>) -> &'static str {
    match known {
        Some(true) => "Yes",
        Some(false) => "No",
        None => "",
    }
}

/// The checked paging parameters of a call.
pub(super) struct Paging {
    page: usize,
    size: usize,
    by: OrderBy,
    descending: bool,
}

impl Paging {
    /// Codes 800 to 803, in the order of their numbers.
    pub(super) fn of(call: &Call, fields: &[OrderBy], default: OrderBy) -> Result<Self, ApiError> {
        let number = |name, otherwise: usize, code| match call.query(name) {
            None | Some("") => Ok(otherwise),
            Some(text) => text.parse().map_err(|_| ApiError::input(code)),
        };
        let page = number("page", 1, 800)?;
        if page < 1 {
            return Err(ApiError::input(800));
        }
        let size = number("pagesize", 1000, 801)?;
        if !(10..=1000).contains(&size) {
            return Err(ApiError::input(801));
        }
        let by = match call.query("orderfield") {
            None | Some("") => default,
            Some(text) => *fields
                .iter()
                .find(|field| field.name().eq_ignore_ascii_case(text))
                .ok_or_else(|| ApiError::input(802))?,
        };
        let descending = match call.query("orderdirection") {
            None | Some("") => false,
            Some(text) if text.eq_ignore_ascii_case("asc") => false,
            Some(text) if text.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(ApiError::input(803)),
        };
        Ok(Self { page, size, by, descending })
    }

    pub(super) fn window(&self) -> Window {
        let start = (self.page - 1).saturating_mul(self.size);
        Window { by: self.by, descending: self.descending, start, length: self.size }
    }

    /// Wraps the rows of the page.
    pub(super) fn envelope<T>(&self, rows: &[T], total: usize, show: impl Fn(&T) -> Value) -> Value {
        json!({
            "Results": rows.iter().map(show).collect::<Vec<_>>(),
            "ResultsOrderedBy": self.by.name(),
            "OrderDirection": if self.descending { "desc" } else { "asc" },
            "PageNumber": self.page,
            "PageSize": self.size,
            "RecordsOnThisPage": rows.len(),
            "TotalNumberOfRecords": total,
            "NumberOfPages": total.div_ceil(self.size),
        })
    }
}
