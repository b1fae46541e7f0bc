//! The arithmetic of the throttles, over tables and over chance.

use proptest::prelude::*;

use super::*;

const HOUR: i64 = 60 * MINUTE;

fn at(minutes: f64) -> Timestamp {
    // Some minute of 2026.
    Timestamp::from_micros(29_876_543 * MINUTE + (minutes * MINUTE as f64) as i64)
}

fn empty(now: Timestamp) -> Calendar {
    Calendar::read(0, &[], now)
}

/// Asks for a place, searching from the start.
fn ask(buckets: &mut [(&mut Calendar, Rate)], now: Timestamp, last: Option<Timestamp>) -> Place {
    let mut from = i64::MIN;
    place(buckets, now, last, &mut from)
}

/// The most that go within any hour, given when they went.
fn most_in_an_hour(mut went: Vec<i64>) -> usize {
    went.sort_unstable();
    went.iter().enumerate().map(|(n, start)| went[n..].partition_point(|t| t - start < HOUR)).max().unwrap_or(0)
}

#[test]
fn the_tokens_of_62_minutes_are_those_of_a_rate_and_each_lies_in_its_minute() {
    for mails in [60, 61, 100, 999, 3600, 1_000_000] {
        let rate = Rate::per_hour(mails);
        for minute in [0, 1, 17, 29_876_543, 29_876_604] {
            let tokens: i64 = (minute..minute + MINUTES_PER_RATE).map(|m| rate.quota(m)).sum();
            assert_eq!(tokens, i64::from(mails), "{mails} from {minute}");
            let range = rate.first(minute)..rate.first(minute + 1);
            assert!(
                range.clone().chain([range.end - 1]).all(|t| t < range.start || minute_of(rate.moment(t)) == minute)
            );
            assert!(rate.quota(minute) <= i64::from(u16::MAX));
        }
    }
}

#[test]
fn a_rate_is_held_within_its_bounds() {
    assert_eq!(Rate::per_hour(0), Rate::per_hour(Rate::LEAST));
    assert_eq!(Rate::per_hour(u32::MAX), Rate::per_hour(Rate::MOST));
}

#[test]
fn a_lone_mail_finds_a_token_at_an_idle_bucket_within_seconds() {
    for second in 0..600 {
        let now = at(f64::from(second) / 60.0);
        let place = ask(&mut [(&mut empty(now), Rate::per_hour(Rate::LEAST))], now, None);
        let Place::At(due, 0) = place else { panic!("{place:?}") };
        assert!(due.since(now) < Duration::from_secs(3), "at second {second} it waits for {:?}", due.since(now));
    }
}

#[test]
fn a_mail_for_a_full_domain_leaves_the_minutes_before_it_to_others() {
    let now = at(0.0);
    let (mut house, mut slow) = (empty(now), empty(now));
    let (fast, few) = (Rate::per_hour(6000), Rate::per_hour(60));
    for _ in 0..100 {
        ask(&mut [(&mut house, fast), (&mut slow, few)], now, None);
    }
    let last = ask(&mut [(&mut house, fast), (&mut slow, few)], now, None);
    assert!(matches!(last, Place::At(due, 1) if due > at(95.0)), "the domain holds it back: {last:?}");
    let other = ask(&mut [(&mut house, fast)], now, None);
    assert!(matches!(other, Place::At(due, 0) if due <= now), "{other:?}");
}

#[test]
fn nothing_is_taken_when_there_is_no_room_up_to_the_last_minute() {
    let now = at(0.0);
    let (mut house, mut slow) = (empty(now), empty(now));
    let rate = Rate::per_hour(60);
    while let Place::At(..) = ask(&mut [(&mut slow, rate)], now, Some(at(30.0))) {}
    let before = house.clone();
    let told = ask(&mut [(&mut house, rate), (&mut slow, rate)], now, Some(at(30.0)));
    assert_eq!((told, house.taken), (Place::Full(1), before.taken));
    while let Place::At(due, _) = ask(&mut [(&mut slow, rate)], now, None) {
        assert!(due.since(now) <= HORIZON + Duration::from_secs(60));
    }
    assert!(slow.bytes().len() <= 2 * (24 * 60 + 2), "a calendar has a bound");
}

#[test]
fn a_calendar_is_read_as_it_was_written_and_forgets_what_is_over() {
    let (now, rate) = (at(0.0), Rate::per_hour(600));
    let mut calendar = empty(now);
    for _ in 0..100 {
        ask(&mut [(&mut calendar, rate)], now, None);
    }
    let read = |at| Calendar::read(calendar.from(), &calendar.bytes(), at);
    assert_eq!((read(now).from, read(now).taken), (calendar.from, calendar.taken.clone()));
    assert_eq!(read(at(5.0)).taken, calendar.taken[5..]);
    assert_eq!(read(at(-600.0)).from, calendar.from, "a clock that was set back makes no tokens");
    assert!(read(calendar.idle_from()).taken.is_empty());
    let just_before = Timestamp::from_micros(calendar.idle_from().micros() - 1);
    assert!(!read(just_before).taken.is_empty());
}

#[test]
fn who_goes_at_once_makes_those_behind_wait() {
    let (now, rate) = (at(0.0), Rate::per_hour(600));
    let (mut calendar, mut from) = (empty(now), i64::MIN);
    let mut next = |calendar: &mut Calendar| match place(&mut [(calendar, rate)], now, None, &mut from) {
        Place::At(due, _) => due,
        Place::Full(_) => panic!("there is room"),
    };
    for _ in 0..30 {
        next(&mut calendar);
    }
    let before = next(&mut calendar);
    for _ in 0..10 {
        take_ahead(&mut calendar, rate, now);
    }
    assert!(next(&mut calendar).since(before) >= Duration::from_secs(60));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Mails with any buckets, coming whenever, going up to [`GRACE`] late: no bucket sees more than its rate in an hour,
    /// no mail is sent before its place, and the calendars survive being written down at any time.
    #[test]
    fn no_bucket_ever_exceeds_its_rate(
        rates in prop::collection::vec(60_u32..400, 3),
        mails in prop::collection::vec((0_i64..20 * MINUTE / 100, 1_usize..8, 0_i64..MINUTE), 1..500),
    ) {
        let rates: Vec<Rate> = rates.into_iter().map(Rate::per_hour).collect();
        let mut now = at(0.3).micros();
        let mut stored: Vec<(i64, Vec<u8>)> = vec![(0, Vec::new()); 3];
        let mut went: Vec<Vec<i64>> = vec![Vec::new(); 3];
        for (pause, which, late) in mails {
            now += pause;
            let moment = Timestamp::from_micros(now);
            let mut read: Vec<Calendar> = stored.iter().map(|(from, b)| Calendar::read(*from, b, moment)).collect();
            let mut wanted: Vec<(&mut Calendar, Rate)> =
                read.iter_mut().zip(&rates).enumerate().filter(|(n, _)| which & (1 << n) != 0).map(|(_, (c, r))| (c, *r)).collect();
            let told = ask(&mut wanted, moment, None);
            let Place::At(due, _) = told else { return Err(TestCaseError::fail("the day is not full")) };
            let goes = if due <= moment { now } else { due.micros() + late };
            for n in (0..3).filter(|n| which & (1 << n) != 0) {
                went[n].push(goes);
            }
            stored = read.iter().map(|calendar| (calendar.from(), calendar.bytes())).collect();
        }
        for (went, rate) in went.into_iter().zip(rates) {
            let most = most_in_an_hour(went);
            prop_assert!(i64::try_from(most).unwrap() <= rate.0, "{most} of {rate:?}");
        }
    }
}
