//! Throttles: how many mails may go out in an hour, for a controller, for a sender, for a recipient domain. Each
//! has a bucket whose tokens appear evenly over time; a mail takes one of each bucket that concerns it, all of the same
//! minute.
//!
//! A bucket is kept as a calendar: how many tokens of each minute are taken, from the present to a day ahead. A mail that
//! comes when none is free takes the first minute in which every one of its buckets has a token, and waits until then;
//! nobody else can take its place, so that it waits once. A mail for a slow domain leaves the minutes before it to others.
//!
//! What is promised: in no hour do more mails go than the rate says, in any bucket. Mails go a little after their token's
//! time, by up to a minute in the calendar and up to [`GRACE`] by chance; so the tokens of an hour appear over 62
//! minutes.

use std::time::Duration;

use super::coded::coded;
use super::time::Timestamp;

/// How late a mail may be for its place; then it has to take another.
pub const GRACE: Duration = Duration::from_secs(60);

/// How far ahead places are given.
pub const HORIZON: Duration = Duration::from_secs(86_400);

const MINUTE: i64 = 60_000_000;
const MINUTES_AHEAD: i64 = 24 * 60;
/// An hour, a minute for the calendar and a minute of grace.
const MINUTES_PER_RATE: i64 = 62;

coded! {
    /// What a bucket is for.
    BucketKind {
        /// All mails of a controller.
        Controller = 1 "controller",
        /// The mails in one sender's name.
        Sender = 2 "sender",
        /// A controller's mails to one recipient domain.
        RecipientDomain = 3 "recipient_domain",
    }
}

/// Mails in an hour, at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(i64);

impl Rate {
    /// The slowest rate: one a minute. A slower one would keep a lone mail waiting for a token of an idle bucket.
    pub const LEAST: u32 = 60;
    /// The fastest rate; its tokens of a minute can still be counted in two bytes.
    pub const MOST: u32 = 1_000_000;

    /// So many in an hour, held within the bounds.
    pub fn per_hour(mails: u32) -> Self {
        Self(i64::from(mails.clamp(Self::LEAST, Self::MOST)))
    }

    /// The number of the first token of a minute; tokens are numbered since 1970.
    const fn first(self, minute: i64) -> i64 {
        -(-minute * self.0).div_euclid(MINUTES_PER_RATE)
    }

    /// Tokens of a minute.
    const fn quota(self, minute: i64) -> i64 {
        self.first(minute + 1) - self.first(minute)
    }

    /// When a token appears; within the minute whose token it is.
    fn moment(self, token: i64) -> Timestamp {
        let micros = i128::from(token) * i128::from(MINUTES_PER_RATE * MINUTE);
        Timestamp::from_micros(i64::try_from(micros.div_euclid(i128::from(self.0))).unwrap_or(i64::MAX))
    }
}

/// The tokens that are taken of one bucket, minute by minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// The first minute that is kept; those before are over.
    from: i64,
    taken: Vec<u16>,
    /// All minutes before this one are known to be full, or over.
    full_before: i64,
}

const fn minute_of(at: Timestamp) -> i64 {
    at.micros().div_euclid(MINUTE)
}

impl Calendar {
    /// Reads what [`Self::bytes`] wrote, and drops what is over; no bytes are an empty calendar. The minute before the
    /// present one still counts, so that a mail that comes to an idle bucket finds a token.
    pub fn read(from: i64, bytes: &[u8], now: Timestamp) -> Self {
        let taken: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
        let (from, earliest) = (if taken.is_empty() { i64::MIN } else { from }, minute_of(now) - 1);
        let over = usize::try_from(earliest.saturating_sub(from).max(0)).unwrap_or(usize::MAX).min(taken.len());
        // A clock that was set back does not make tokens anew.
        let from = from.max(earliest);
        Self { from, taken: taken[over..].to_vec(), full_before: from }
    }

    /// The minute with which [`Self::bytes`] begin.
    pub const fn from(&self) -> i64 {
        self.from
    }

    /// Two bytes a minute.
    pub fn bytes(&self) -> Vec<u8> {
        self.taken.iter().flat_map(|count| count.to_le_bytes()).collect()
    }

    /// From when on all of it is over, so that it says no more than an empty one.
    pub fn idle_from(&self) -> Timestamp {
        let minutes = i64::try_from(self.taken.len()).unwrap_or(i64::MAX).saturating_add(self.from).saturating_add(1);
        Timestamp::from_micros(minutes.saturating_mul(MINUTE))
    }

    fn taken_in(&self, minute: i64) -> i64 {
        let place = minute.checked_sub(self.from).and_then(|n| usize::try_from(n).ok());
        place.and_then(|n| self.taken.get(n)).copied().map_or(0, i64::from)
    }

    fn has_room(&self, minute: i64, rate: Rate) -> bool {
        minute >= self.from && self.taken_in(minute) < rate.quota(minute)
    }

    /// The first minute from `from` to `until` with a token left.
    fn first_free(&mut self, rate: Rate, from: i64, until: i64) -> Option<i64> {
        while self.full_before <= until && !self.has_room(self.full_before, rate) {
            self.full_before += 1;
        }
        (self.full_before.max(from)..=until).find(|minute| self.has_room(*minute, rate))
    }

    /// Takes the next token of a minute that has one; says when it appears.
    fn take(&mut self, minute: i64, rate: Rate) -> Timestamp {
        let at = rate.moment(rate.first(minute) + self.taken_in(minute));
        let place = usize::try_from(minute - self.from).unwrap_or(0);
        if self.taken.len() <= place {
            self.taken.resize(place + 1, 0);
        }
        self.taken[place] = self.taken[place].saturating_add(1);
        at
    }
}

/// What a mail is told that asks for its tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// From then on it may go; all tokens are its own. The bucket, by its place among those given, is the one that
    /// has a token last.
    At(Timestamp, usize),
    /// No minute up to the last one asked for has a token in every bucket; none was taken. The bucket is one that is
    /// full, or all of them together.
    Full(usize),
}

/// Takes a token of each bucket, in the first minute that has one in all of them. None is looked for behind `last`, nor
/// more than a day ahead. `from` is where the search may begin: it is moved on, for the next mail with the same buckets.
pub fn place(buckets: &mut [(&mut Calendar, Rate)], now: Timestamp, last: Option<Timestamp>, from: &mut i64) -> Place {
    let present = minute_of(now);
    let until = last.map_or(i64::MAX, minute_of).min(present + MINUTES_AHEAD);
    let mut minute = (*from).max(present - 1);
    let mut slowest = (i64::MIN, 0);
    for (n, (calendar, rate)) in buckets.iter_mut().enumerate() {
        let Some(free) = calendar.first_free(*rate, present - 1, until) else { return Place::Full(n) };
        if free > slowest.0 {
            slowest = (free, n);
        }
        minute = minute.max(free);
    }
    while minute <= until && !buckets.iter().all(|(calendar, rate)| calendar.has_room(minute, *rate)) {
        minute += 1;
    }
    *from = minute;
    if minute > until {
        return Place::Full(slowest.1);
    }
    let times = buckets.iter_mut().map(|(calendar, rate)| calendar.take(minute, *rate));
    Place::At(times.max().unwrap_or(now), slowest.1)
}

/// Takes a token without waiting for it, for a mail that goes whatever the bucket says: the next one that is free, so
/// that others wait for longer.
pub fn take_ahead(calendar: &mut Calendar, rate: Rate, now: Timestamp) {
    let present = minute_of(now);
    if let Some(minute) = calendar.first_free(rate, present - 1, present + MINUTES_AHEAD) {
        calendar.take(minute, rate);
    }
}

#[cfg(test)]
mod tests;
