//! Comparing a destination with the record: what a difference is, and which of them are stops. Pure: what stands there and
//! what stands here come in, a difference or nothing comes out.

use super::coded::coded;
use super::time::Timestamp;

coded! {
    /// Why both sides are compared.
    ReconcileCause {
        /// Somebody asked.
        Asked = 1 "asked",
        /// It was time.
        Schedule = 2 "schedule",
        /// A webhook was off or gone: stops may have been missed.
        Webhook = 3 "webhook",
    }
}

coded! {
    /// Where a comparison stands.
    ReconcileStatus {
        /// The provider's pages are being read.
        Reading = 1 "reading",
        /// The plan is complete; what is left in it waits for a person.
        Planned = 2 "planned",
        /// What was allowed is being put right.
        Applying = 3 "applying",
        /// Nothing is left to do.
        Done = 4 "done",
        /// A person put the rest aside.
        Dismissed = 5 "dismissed",
        /// It could not be read to the end; a person has to look.
        Failed = 6 "failed",
    }
}

impl ReconcileStatus {
    /// Whether work goes on, or a person is waited for.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Reading | Self::Planned | Self::Applying)
    }
}

coded! {
    /// Where a difference stands.
    FindingStatus {
        /// To be put right once that is allowed.
        Open = 1 "open",
        /// Put right, or handed to those who bring people in step.
        Applied = 2 "applied",
        /// No longer so when it was its turn.
        Gone = 3 "gone",
        /// Only told: nothing here puts it right.
        Told = 4 "told",
    }
}

coded! {
    /// How an address stands at the destination (campaign-monitor 15.1).
    There {
        /// Gets campaigns.
        Active = 1 "active",
        /// Has not followed the provider's own confirmation link.
        Unconfirmed = 2 "unconfirmed",
        /// Left.
        Unsubscribed = 3 "unsubscribed",
        /// The mailbox is dead, in the provider's view.
        Bounced = 4 "bounced",
        /// Removed by the list's owner: no word about the person's wish.
        Deleted = 5 "deleted",
        /// On the client's suppression list.
        Suppressed = 6 "suppressed",
        /// On no page of the list.
        Missing = 7 "missing",
    }
}

coded! {
    /// A way in which both sides differ.
    Difference {
        /// Active there, without a record here of a consent to it.
        UnknownThere = 1 "unknown_there",
        /// Stopped here, active there.
        StoppedHere = 2 "stopped_here",
        /// Stopped there, confirmed here or still to be asked.
        StoppedThere = 3 "stopped_there",
        /// Confirmed here, not on the list there.
        MissingThere = 4 "missing_there",
        /// Active on both sides, with other details there.
        FieldsDiffer = 5 "fields_differ",
        /// On the suppression list there, confirmed here or still to be asked.
        SuppressedThere = 6 "suppressed_there",
        /// Confirmed here, and waiting there for the provider's own confirmation.
        UnconfirmedThere = 7 "unconfirmed_there",
    }
}

impl Difference {
    /// Its place in a set of differences.
    pub const fn bit(self) -> i16 {
        1 << self.code()
    }

    /// Whether to put it right can only stop somebody's mail: that is always safe, and needs no leave.
    pub const fn is_stop(self) -> bool {
        matches!(self, Self::StoppedHere | Self::StoppedThere | Self::SuppressedThere)
    }

    /// Whether anything here can put it right.
    pub const fn can_be_applied(self) -> bool {
        !matches!(self, Self::UnconfirmedThere)
    }

    /// What it means and what putting it right does, in words for who decides.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::UnknownThere => "active there without a consent on record here; applying takes them off the list",
            Self::StoppedHere => "stopped here, yet active there; applying takes them off the list",
            Self::StoppedThere => "stopped there, yet not here; applying records the stop here",
            Self::MissingThere => {
                "confirmed here, yet not on the list; applying brings them there, or records a stop that stands in the way"
            }
            Self::FieldsDiffer => "confirmed on both sides, with other details there; applying writes ours",
            Self::SuppressedThere => {
                "on the client's suppression list, yet not stopped here; applying records the stop here"
            }
            Self::UnconfirmedThere => {
                "confirmed here, and asked there to confirm once more; switch the list's own confirmation off there"
            }
        }
    }
}

/// A set of differences, as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Differences(i16);

impl Differences {
    /// Those that can only stop somebody's mail.
    pub const STOPS: Self =
        Self(Difference::StoppedHere.bit() | Difference::StoppedThere.bit() | Difference::SuppressedThere.bit());

    /// As stored.
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// From what is stored; what it does not know is left out.
    pub fn from_bits(bits: i16) -> Self {
        Difference::ALL.iter().copied().filter(|one| bits & one.bit() != 0).collect()
    }

    /// Whether one is among them.
    pub const fn contains(self, one: Difference) -> bool {
        self.0 & one.bit() != 0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Its members, in their order.
    pub fn iter(self) -> impl Iterator<Item = Difference> {
        Difference::ALL.iter().copied().filter(move |one| self.contains(*one))
    }
}

impl FromIterator<Difference> for Differences {
    fn from_iter<T: IntoIterator<Item = Difference>>(all: T) -> Self {
        Self(all.into_iter().fold(0, |bits, one| bits | one.bit()))
    }
}

/// A moment that is told to the minute, or not told: it lies somewhere between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Between {
    /// Not before.
    pub earliest: Timestamp,
    /// Not after.
    pub latest: Timestamp,
}

/// How somebody stands here with regard to one list there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Here {
    /// Nobody of this address is on record; it may be on the "never mail" list all the same.
    Nobody {
        /// On that list for what is kept there.
        suppressed: bool,
    },
    /// Consent to what is kept there holds: they are to be active.
    Wanted {
        /// When they last said yes.
        given_at: Option<Timestamp>,
        /// When we last took them off there ourselves.
        taken_off_at: Option<Timestamp>,
    },
    /// Known, and no longer to be mailed for what is kept there.
    Stopped,
    /// Known, without a consent to what is kept there, and nothing that forbids to ask.
    Unasked,
}

/// What the two make together. `same` says whether the details there are ours; it counts for who is active on both sides.
pub fn compare(there: There, since: Option<Between>, here: Here, same: bool) -> Option<Difference> {
    use Difference::{
        FieldsDiffer, MissingThere, StoppedHere, StoppedThere, SuppressedThere, UnconfirmedThere, UnknownThere,
    };
    match (there, here) {
        (There::Active, Here::Nobody { suppressed: true } | Here::Stopped) => Some(StoppedHere),
        (There::Active, Here::Nobody { suppressed: false } | Here::Unasked) => Some(UnknownThere),
        (There::Active, Here::Wanted { .. }) => (!same).then_some(FieldsDiffer),
        (There::Unconfirmed, Here::Wanted { .. }) => Some(UnconfirmedThere),
        (There::Deleted | There::Missing, Here::Wanted { .. }) => Some(MissingThere),
        (There::Unsubscribed | There::Bounced, Here::Wanted { .. }) if answered(since, here) => Some(MissingThere),
        (There::Unsubscribed | There::Bounced, Here::Wanted { .. } | Here::Unasked) => Some(StoppedThere),
        // Where a newer yes stands, their row on the list says what is to be done.
        (There::Suppressed, Here::Wanted { .. }) if answered(since, here) => None,
        (There::Suppressed, Here::Wanted { .. } | Here::Unasked) => Some(SuppressedThere),
        (There::Unconfirmed | There::Deleted | There::Missing, Here::Nobody { .. } | Here::Stopped | Here::Unasked)
        | (There::Unsubscribed | There::Bounced | There::Suppressed, Here::Nobody { .. } | Here::Stopped) => None,
    }
}

/// Whether a stop there is older than the yes here. Without a date to compare with, the stop stands (section 18).
fn answered(since: Option<Between>, here: Here) -> bool {
    let Here::Wanted { given_at: Some(given_at), taken_off_at } = here else { return false };
    match (since, taken_off_at) {
        // It was our own doing, and nothing happened there since: our clock decides.
        (Some(since), Some(ours)) if since.earliest <= ours => given_at > ours,
        (Some(since), _) => given_at > since.latest,
        (None, _) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn minute(from: i64) -> Option<Between> {
        Some(Between { earliest: at(from), latest: at(from + 59) })
    }

    fn wanted(given: i64) -> Here {
        Here::Wanted { given_at: Some(at(given)), taken_off_at: None }
    }

    #[test]
    fn every_pair_has_its_answer() {
        use Difference::*;
        let nobody = Here::Nobody { suppressed: false };
        let forbidden = Here::Nobody { suppressed: true };
        // Here: nobody, nobody but suppressed, wanted (an older yes), stopped, unasked.
        let table = [
            (There::Active, [Some(UnknownThere), Some(StoppedHere), None, Some(StoppedHere), Some(UnknownThere)]),
            (There::Unconfirmed, [None, None, Some(UnconfirmedThere), None, None]),
            (There::Unsubscribed, [None, None, Some(StoppedThere), None, Some(StoppedThere)]),
            (There::Bounced, [None, None, Some(StoppedThere), None, Some(StoppedThere)]),
            (There::Deleted, [None, None, Some(MissingThere), None, None]),
            (There::Suppressed, [None, None, Some(SuppressedThere), None, Some(SuppressedThere)]),
            (There::Missing, [None, None, Some(MissingThere), None, None]),
        ];
        assert_eq!(table.len(), There::ALL.len());
        for (there, expected) in table {
            let here = [nobody, forbidden, wanted(10), Here::Stopped, Here::Unasked];
            let found = here.map(|here| compare(there, minute(60), here, true));
            assert_eq!(found, expected, "{there:?}");
        }
        assert_eq!(compare(There::Active, minute(60), wanted(10), false), Some(FieldsDiffer));
    }

    #[test]
    fn a_stop_yields_only_to_a_yes_that_is_newer_for_certain() {
        use Difference::{MissingThere, StoppedThere};
        for (given, expected) in [(59, StoppedThere), (61, StoppedThere), (119, StoppedThere), (120, MissingThere)] {
            assert_eq!(compare(There::Unsubscribed, minute(60), wanted(given), true), Some(expected), "{given}");
        }
        assert_eq!(compare(There::Unsubscribed, None, wanted(500), true), Some(StoppedThere), "no date, no doubt");
        // Within the minute in which we took them off, our own clock is the finer one.
        let again = |given| Here::Wanted { given_at: Some(at(given)), taken_off_at: Some(at(70)) };
        assert_eq!(compare(There::Unsubscribed, minute(60), again(75), true), Some(MissingThere));
        assert_eq!(compare(There::Unsubscribed, minute(60), again(65), true), Some(StoppedThere));
        assert_eq!(compare(There::Suppressed, minute(60), wanted(120), true), None);
    }

    #[test]
    fn stops_need_no_leave_and_nothing_else_goes_without() {
        let stops: Vec<Difference> = Differences::STOPS.iter().collect();
        assert_eq!(stops, Difference::ALL.iter().copied().filter(|one| one.is_stop()).collect::<Vec<_>>());
        assert_eq!(Differences::from_bits(i16::MAX).iter().count(), Difference::ALL.len());
        assert_eq!(Differences::from_bits(Differences::STOPS.bits()), Differences::STOPS);
    }
}
