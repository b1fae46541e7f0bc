//! What the provider says, in our words: a person as a row, the moments that a date may mean, why somebody is suppressed.

use crate::campaign_monitor::{Subscriber, Zone, normalise_key};
use crate::domain::list::Told;
use crate::domain::suppression::SuppressionReason;
use crate::domain::time::{InvalidTimestamp, Timestamp};
use crate::usecases::sync::FIELDS;

/// The earliest and the latest moment that a date there may mean.
pub(super) fn window(date: &str, zone: &Zone) -> Option<(Timestamp, Timestamp)> {
    let window = zone.window(date).ok()?;
    Some((Timestamp::from_micros(window.earliest), Timestamp::from_micros(window.latest)))
}

/// A person as a row. The old permission is as old as the first joining: a later date of the state may be the
/// owner's doing. Of the moments that a date may mean the earliest counts, which ends a permission no later.
pub(super) fn person<'a>(one: &'a Subscriber, zone: &Zone) -> Told<'a> {
    let date = [&one.list_joined_date, &one.date].into_iter().find(|date| !date.trim().is_empty());
    let read = |date: &String| window(date, zone).map(|(earliest, _)| earliest).ok_or(InvalidTimestamp);
    let ours = |key: &str| FIELDS.iter().any(|(name, _)| normalise_key(name) == normalise_key(key));
    // What sync has written there is proof and link of our own, and no field of the person's.
    let fields = one.custom_fields.iter().filter(|field| !ours(&field.key));
    Told {
        email: &one.email_address,
        name: &one.name,
        collected_at: date.map(read),
        fields: fields.map(|field| (field.key.as_str(), field.value.as_str())).collect(),
    }
}

/// Not every reason's spelling is published (campaign-monitor 9): what is not known counts as a stop of the person's.
pub(super) fn why(text: &str) -> SuppressionReason {
    let text = text.to_ascii_lowercase();
    match () {
        () if text.contains("bounce") => SuppressionReason::HardBounce,
        () if text.contains("spam") || text.contains("complain") => SuppressionReason::Complained,
        () if text.contains("unsubscribe") => SuppressionReason::Withdrawn,
        () => SuppressionReason::Manual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_whatever_their_spelling() {
        use SuppressionReason as R;
        for (text, reason) in [
            ("Bounced", R::HardBounce),
            ("Unsubscribed", R::Withdrawn),
            ("SpamComplaint", R::Complained),
            ("Marked as spam", R::Complained),
            ("Complaint", R::Complained),
            ("Reason Unavailable", R::Manual),
            ("", R::Manual),
        ] {
            assert_eq!(why(text), reason, "{text}");
        }
    }
}
