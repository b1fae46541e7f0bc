//! What the provider tells and takes about people, as far as we use it; how an account is laid out
//! stands in [`super::layout`].
//!
//! Reading is lenient: missing and null fields become empty, unknown words are kept as text.
//! Dates stay text here, in the client's zone; [`super::zone`] turns them into instants.
//! Types that hold personal data name no person in `Debug`.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize};

/// One form for comparing addresses: the provider may answer in another case than we asked in.
pub fn normalise_address(address: &str) -> String {
    address.trim().to_lowercase()
}

/// Null counts as missing.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// Whether opens and clicks of a person may be attributed. It holds per address and client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum ConsentToTrack {
    /// Attribute.
    Yes,
    /// Do not attribute.
    No,
    /// Keep what is stored. For an address new to the client this means *tracked*, so send it
    /// only for addresses the provider already knows.
    Unchanged,
}

/// A state of a list that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListState {
    /// Gets campaigns.
    Active,
    /// Has not followed the provider's own confirmation link.
    Unconfirmed,
    /// Left.
    Unsubscribed,
    /// Hard bounce.
    Bounced,
    /// Removed by the list's owner.
    Deleted,
}

impl ListState {
    /// Every state; a reconciliation walks all of them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Unconfirmed, Self::Unsubscribed, Self::Bounced, Self::Deleted];

    /// The word in the path of its page.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unconfirmed => "unconfirmed",
            Self::Unsubscribed => "unsubscribed",
            Self::Bounced => "bounced",
            Self::Deleted => "deleted",
        }
    }

    /// The state of this name; `None` for words we do not know, such as `Suppressed`.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.path().eq_ignore_ascii_case(word.trim()))
    }
}

/// A custom field's value as it is read. A multiple choice comes as several entries of one key.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct StoredField {
    /// The key, with or without brackets; compare with [`super::normalise_key`].
    #[serde(deserialize_with = "lenient")]
    pub key: String,
    /// The value.
    #[serde(deserialize_with = "lenient")]
    pub value: String,
}

impl fmt::Debug for StoredField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoredField({}, ***)", self.key)
    }
}

/// A person on a list, as details and pages tell it.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Subscriber {
    /// The address, in whatever case the provider keeps.
    #[serde(deserialize_with = "lenient")]
    pub email_address: String,
    /// The full name, possibly empty.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// Moment of the **last change of state**, in the client's zone.
    #[serde(deserialize_with = "lenient")]
    pub date: String,
    /// Moment of first joining, in the client's zone.
    #[serde(deserialize_with = "lenient")]
    pub list_joined_date: String,
    /// Word for the state; see [`Subscriber::list_state`].
    #[serde(deserialize_with = "lenient")]
    pub state: String,
    /// Custom fields in no promised order.
    #[serde(deserialize_with = "lenient")]
    pub custom_fields: Vec<StoredField>,
    /// `Yes`, `No` or empty; see [`Subscriber::tracking`].
    #[serde(deserialize_with = "lenient")]
    pub consent_to_track: String,
}

impl Subscriber {
    /// The state, if it is one we know.
    pub fn list_state(&self) -> Option<ListState> {
        ListState::parse(&self.state)
    }

    /// The stored tracking consent; `None` when the provider does not know.
    pub fn tracking(&self) -> Option<bool> {
        match self.consent_to_track.trim() {
            word if word.eq_ignore_ascii_case("yes") => Some(true),
            word if word.eq_ignore_ascii_case("no") => Some(false),
            _ => None,
        }
    }
}

impl fmt::Debug for Subscriber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Subscriber(***, {}, {})", self.state, self.date)
    }
}

/// An address on a client's suppression list.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SuppressionEntry {
    /// The address.
    #[serde(deserialize_with = "lenient")]
    pub email_address: String,
    /// Free text: not every reason's spelling is published.
    #[serde(deserialize_with = "lenient")]
    pub suppression_reason: String,
    /// When it was put there, in the client's zone.
    #[serde(deserialize_with = "lenient")]
    pub date: String,
    /// Always `Suppressed` so far.
    #[serde(deserialize_with = "lenient")]
    pub state: String,
}

impl fmt::Debug for SuppressionEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SuppressionEntry(***, {}, {})", self.suppression_reason, self.date)
    }
}

/// One page of a listing.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Page<T> {
    /// The entries. Rows shift between pages while people change state: expect overlap.
    pub results: Vec<T>,
    /// Which page this is, from 1.
    pub page_number: u32,
    /// How many pages there are now.
    pub number_of_pages: u32,
    /// How many entries there are now.
    pub total_number_of_records: u64,
}

impl<T> Page<T> {
    /// Whether another page follows. An empty page ends the walk whatever the totals say.
    pub fn has_next(&self) -> bool {
        !self.results.is_empty() && self.page_number < self.number_of_pages
    }
}

/// What a listing is ordered by. Always sent: the provider's default is not settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderField {
    /// By address.
    Email,
    /// By name; not for the suppression list.
    Name,
    /// By date of the last change.
    Date,
}

/// Which end of the order comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest or first letter first.
    Ascending,
    /// Newest or last letter first.
    Descending,
}

/// Which part of a listing is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Only changes since this day of the client's calendar; `None` for all. Whether the day
    /// itself is included is not settled: go back one more.
    pub since: Option<Date>,
    /// Page number from 1.
    pub page: u32,
    /// 10 to 1000 entries.
    pub page_size: u16,
    /// Order.
    pub order: OrderField,
    /// Direction of the order.
    pub direction: Direction,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_reads_leniently_and_prints_no_person() {
        let read: Subscriber = serde_json::from_str(
            r#"{"EmailAddress":"Anna@example.com","Name":null,"State":"unsubscribed",
                "Date":"2026-03-02 09:15:00","ConsentToTrack":"","CustomFields":null,"New":1}"#,
        )
        .unwrap();
        assert_eq!(read.list_state(), Some(ListState::Unsubscribed));
        assert_eq!(read.tracking(), None);
        assert!(!format!("{read:?}").to_lowercase().contains("anna"));
    }

    #[test]
    fn states_are_known_by_their_words() {
        assert_eq!(ListState::parse("Suppressed"), None);
        assert_eq!(ListState::parse(" Deleted "), Some(ListState::Deleted));
    }

    #[test]
    fn the_walk_over_pages_ends() {
        let page = |results: Vec<u8>, page_number| Page {
            results,
            page_number,
            number_of_pages: 3,
            total_number_of_records: 30,
        };
        assert!(page(vec![1], 2).has_next());
        assert!(!page(vec![1], 3).has_next());
        assert!(!page(vec![], 1).has_next());
    }
}
