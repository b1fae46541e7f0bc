//! The shapes of answers about people, and paging (reference sections 5.4, 6.4, 9).

use super::call::Call;
use super::clock;
use super::error::ApiError;
use super::model::{List, State, Subscriber, World};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// What the reader asked to see besides the usual.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) tracking: bool,
    pub(super) sms: bool,
    pub(super) joined: bool,
}

impl Shown {
    pub(super) fn on_pages(call: &Call) -> Self {
        Self {
            tracking: call.flag("includetrackingpreference"),
            sms: call.flag("includesmspreference"),
            joined: call.version == 33,
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
                let key = if shown.joined { format!("[{key}]") } else { key.clone() };
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
        if shown.joined {
            answer["ListJoinedDate"] = json!(date(subscriber.joined_at));
        }
        if shown.tracking {
            answer["ConsentToTrack"] = json!(self.tracking_text(list, subscriber));
        }
        if let Some(mobile) = &subscriber.mobile {
            answer["MobileNumber"] = json!(mobile);
            if shown.sms {
                answer["ConsentToSendSms"] = json!(yes_no(Some(subscriber.sms_consent)));
            }
        }
        answer
    }

    /// `Yes`, `No`, or empty when nothing is known.
    pub(super) fn tracking_text(&self, list: &List, subscriber: &Subscriber) -> &'static str {
        let known =
            self.clients.get(&list.client_id).and_then(|client| client.tracking.get(&subscriber.email.to_lowercase()));
        yes_no(known.copied())
    }

    /// One page of one state of a list.
    pub(super) fn state_page(&self, list: &List, state: State, call: &Call) -> Result<Value, ApiError> {
        let zone = self.zone_of_list(&list.id);
        let since = match call.query("date") {
            None | Some("") => None,
            Some(text) => Some(clock::parse(text, zone).ok_or_else(|| ApiError::input(5))?),
        };
        let paging = Paging::of(call, &["email", "name", "date"], "date")?;
        let rows: Vec<&Subscriber> = list
            .subscribers
            .values()
            .filter(|subscriber| subscriber.state == state)
            .filter(|subscriber| since.is_none_or(|since| subscriber.changed_at >= since))
            .collect();
        let shown = Shown::on_pages(call);
        let order = |a: &&Subscriber, b: &&Subscriber| {
            let first = match paging.field {
                "name" => a.name.cmp(&b.name),
                "date" => a.changed_at.cmp(&b.changed_at),
                _ => Ordering::Equal,
            };
            first.then_with(|| a.email.to_lowercase().cmp(&b.email.to_lowercase()))
        };
        Ok(paging.envelope(rows, order, |row| self.subscriber_json(list, row, shown)))
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
    pub(super) field: &'static str,
    descending: bool,
}

impl Paging {
    /// Codes 800 to 803, in the order of their numbers.
    pub(super) fn of(call: &Call, fields: &[&'static str], default: &'static str) -> Result<Self, ApiError> {
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
        let field = match call.query("orderfield") {
            None | Some("") => default,
            Some(text) => {
                fields.iter().find(|field| field.eq_ignore_ascii_case(text)).ok_or_else(|| ApiError::input(802))?
            }
        };
        let descending = match call.query("orderdirection") {
            None | Some("") => false,
            Some(text) if text.eq_ignore_ascii_case("asc") => false,
            Some(text) if text.eq_ignore_ascii_case("desc") => true,
            Some(_) => return Err(ApiError::input(803)),
        };
        Ok(Self { page, size, field, descending })
    }

    /// Picks the page out of all rows and wraps it.
    pub(super) fn envelope<T>(
        &self,
        mut rows: Vec<T>,
        order: impl Fn(&T, &T) -> Ordering,
        show: impl Fn(&T) -> Value,
    ) -> Value {
        let order = |a: &T, b: &T| {
            if self.descending { order(b, a) } else { order(a, b) }
        };
        let total = rows.len();
        let start = (self.page - 1).saturating_mul(self.size).min(total);
        let end = start.saturating_add(self.size).min(total);
        // Only the page itself is sorted: with a million rows a full sort per page would be felt.
        if start > 0 && start < total {
            rows.select_nth_unstable_by(start, &order);
        }
        let tail = &mut rows[start..];
        let length = end - start;
        if length < tail.len() && length > 0 {
            tail.select_nth_unstable_by(length, &order);
        }
        let page = &mut tail[..length];
        page.sort_by(&order);
        let results: Vec<_> = page.iter().map(show).collect();
        json!({
            "Results": results,
            "ResultsOrderedBy": self.field,
            "OrderDirection": if self.descending { "desc" } else { "asc" },
            "PageNumber": self.page,
            "PageSize": self.size,
            "RecordsOnThisPage": length,
            "TotalNumberOfRecords": total,
            "NumberOfPages": total.div_ceil(self.size),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn pages_put_together_are_everything_in_order() {
        let rows: Vec<u32> = (0..95).map(|n| n * 37 % 95).collect();
        for descending in [false, true] {
            let mut seen = Vec::new();
            for page in 1..=11 {
                let paging = Paging { page, size: 10, field: "email", descending };
                let answer = paging.envelope(rows.clone(), Ord::cmp, |n| json!(n));
                assert_eq!(answer["NumberOfPages"], 10);
                assert_eq!(answer["TotalNumberOfRecords"], 95);
                let results = answer["Results"].as_array().unwrap();
                assert_eq!(answer["RecordsOnThisPage"], results.len());
                seen.extend(results.iter().filter_map(Value::as_u64));
            }
            let mut expected: Vec<u64> = (0..95).collect();
            if descending {
                expected.reverse();
            }
            assert_eq!(seen, expected);
        }
    }
}
