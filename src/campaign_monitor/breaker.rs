//! A circuit breaker for one account: when the provider is down, stop knocking.
//!
//! Closed, calls go. After a run of failures it opens for a pause; when the pause is over, one
//! probe goes. If the probe succeeds the breaker closes, else it opens for twice as long, up to
//! a cap. Pure: the caller brings the clock (milliseconds that do not run backwards) and tells the
//! outcome with the permit it got. What counts as a failure is
//! [`super::CallError::counts_against_breaker`]. One instance holds per process and account; it is
//! not stored, since a restart may well knock once.

use serde::Deserialize;

/// When to open and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures in a row that open it; zero counts as one.
    pub failures: u32,
    /// The first pause.
    pub first_pause_ms: u64,
    /// The longest pause.
    pub longest_pause_ms: u64,
    /// After this time without an outcome a probe counts as lost and another one may go. Longer
    /// than a call can take.
    pub probe_lease_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self { failures: 5, first_pause_ms: 5_000, longest_pause_ms: 600_000, probe_lease_ms: 180_000 }
    }
}

/// Permission for one call. Hand it back with the outcome.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "report the outcome, or the breaker learns nothing"]
pub struct Permit {
    era: u64,
}

/// The answer to "may I call?".
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Call, and report.
    Go(Permit),
    /// Not before this moment.
    Wait {
        /// When to ask again, on the caller's clock.
        until_ms: u64,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed { failures: u32 },
    Open { until_ms: u64 },
    Probing { lost_at_ms: u64 },
}

/// The breaker of one account.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    pause_ms: u64,
    /// Grows with every change of state: an outcome from an earlier era says nothing about now.
    era: u64,
}

impl Breaker {
    /// Closed.
    pub fn new(settings: BreakerSettings) -> Self {
        let pause_ms = settings.first_pause_ms.min(settings.longest_pause_ms);
        Self { settings, state: State::Closed { failures: 0 }, pause_ms, era: 0 }
    }

    /// Whether a call may go now.
    pub fn admit(&mut self, now_ms: u64) -> Admission {
        match self.state {
            State::Closed { .. } => {}
            State::Open { until_ms } | State::Probing { lost_at_ms: until_ms } if now_ms < until_ms => {
                return Admission::Wait { until_ms };
            }
            State::Open { .. } | State::Probing { .. } => {
                let lost_at_ms = now_ms.saturating_add(self.settings.probe_lease_ms.max(1));
                self.enter(State::Probing { lost_at_ms });
            }
        }
        Admission::Go(Permit { era: self.era })
    }

    /// The call ended well, or in a considered refusal.
    pub fn succeeded(&mut self, permit: Permit) {
        if permit.era != self.era {
            return;
        }
        match &mut self.state {
            State::Closed { failures } => *failures = 0,
            State::Probing { .. } | State::Open { .. } => {
                self.pause_ms = self.settings.first_pause_ms.min(self.settings.longest_pause_ms);
                self.enter(State::Closed { failures: 0 });
            }
        }
    }

    /// The call failed in a way that speaks against the provider.
    pub fn failed(&mut self, permit: Permit, now_ms: u64) {
        if permit.era != self.era {
            return;
        }
        match &mut self.state {
            State::Closed { failures } => {
                *failures = failures.saturating_add(1);
                if *failures >= self.settings.failures {
                    self.open(now_ms);
                }
            }
            State::Probing { .. } | State::Open { .. } => {
                self.pause_ms = self.pause_ms.saturating_mul(2).min(self.settings.longest_pause_ms);
                self.open(now_ms);
            }
        }
    }

    /// Whether calls go without restraint.
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed { .. })
    }

    fn open(&mut self, now_ms: u64) {
        self.enter(State::Open { until_ms: now_ms.saturating_add(self.pause_ms) });
    }

    fn enter(&mut self, state: State) {
        self.state = state;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SMALL: BreakerSettings =
        BreakerSettings { failures: 3, first_pause_ms: 100, longest_pause_ms: 500, probe_lease_ms: 1_000 };

    fn go(breaker: &mut Breaker, now: u64) -> Permit {
        match breaker.admit(now) {
            Admission::Go(permit) => permit,
            Admission::Wait { until_ms } => panic!("at {now} it waits until {until_ms}"),
        }
    }

    fn opened_at(now: u64) -> Breaker {
        let mut breaker = Breaker::new(SMALL);
        for _ in 0..3 {
            let permit = go(&mut breaker, now);
            breaker.failed(permit, now);
        }
        breaker
    }

    #[test]
    fn a_run_of_failures_opens_and_a_success_breaks_the_run() {
        let mut breaker = Breaker::new(SMALL);
        for outcome in [false, false, true, false, false] {
            let permit = go(&mut breaker, 0);
            if outcome { breaker.succeeded(permit) } else { breaker.failed(permit, 0) }
        }
        assert!(breaker.is_closed());
        let permit = go(&mut breaker, 0);
        breaker.failed(permit, 0);
        assert_eq!(breaker.admit(99), Admission::Wait { until_ms: 100 });
    }

    #[test]
    fn one_probe_and_pauses_that_grow_to_the_cap() {
        let mut breaker = opened_at(0);
        let mut now = 100;
        for pause in [200, 400, 500, 500] {
            let probe = go(&mut breaker, now);
            assert_eq!(breaker.admit(now), Admission::Wait { until_ms: now + 1_000 });
            breaker.failed(probe, now);
            assert_eq!(breaker.admit(now), Admission::Wait { until_ms: now + pause });
            now += pause;
        }
        let probe = go(&mut breaker, now);
        breaker.succeeded(probe);
        assert!(breaker.is_closed());
        // The next trouble starts with the short pause again.
        for _ in 0..3 {
            let permit = go(&mut breaker, now);
            breaker.failed(permit, now);
        }
        assert_eq!(breaker.admit(now), Admission::Wait { until_ms: now + 100 });
    }

    #[test]
    fn outcomes_of_an_earlier_era_say_nothing() {
        let mut breaker = Breaker::new(SMALL);
        let (late_good, late_bad) = (go(&mut breaker, 0), go(&mut breaker, 0));
        for _ in 0..3 {
            let permit = go(&mut breaker, 0);
            breaker.failed(permit, 0);
        }
        breaker.succeeded(late_good);
        breaker.failed(late_bad, 50);
        assert_eq!(breaker.admit(60), Admission::Wait { until_ms: 100 });
    }

    #[test]
    fn a_lost_probe_does_not_block_for_ever() {
        let mut breaker = opened_at(0);
        let lost = go(&mut breaker, 100);
        assert_eq!(breaker.admit(1_099), Admission::Wait { until_ms: 1_100 });
        let second = go(&mut breaker, 1_100);
        breaker.failed(lost, 1_200);
        breaker.succeeded(second);
        assert!(breaker.is_closed());
    }

    proptest! {
        /// Whatever happens: a wait never exceeds the longest pause or a lease, at most one probe is
        /// under way, and a healthy provider closes it again.
        #[test]
        fn it_is_bounded_and_recovers(
            steps in prop::collection::vec((0u64..400, any::<bool>(), any::<bool>()), 0..200),
            failures in 0u32..5, first in 0u64..1_000, longest in 0u64..800,
        ) {
            let settings = BreakerSettings {
                failures, first_pause_ms: first, longest_pause_ms: longest, probe_lease_ms: 1_000,
            };
            let mut breaker = Breaker::new(settings);
            let mut now = 0;
            for (step, good, reported) in steps {
                now += step;
                match breaker.admit(now) {
                    Admission::Wait { until_ms } => {
                        prop_assert!(until_ms > now);
                        prop_assert!(until_ms - now <= longest.max(1_000));
                    }
                    Admission::Go(permit) => {
                        if !breaker.is_closed() {
                            let second = matches!(breaker.admit(now), Admission::Go(_));
                            prop_assert!(!second, "two probes at once");
                        }
                        match (reported, good) {
                            (false, _) => {}
                            (true, true) => {
                                breaker.succeeded(permit);
                                prop_assert!(breaker.is_closed());
                            }
                            (true, false) => breaker.failed(permit, now),
                        }
                    }
                }
            }
            now += longest.max(1_000);
            let permit = go(&mut breaker, now);
            breaker.succeeded(permit);
            prop_assert!(breaker.is_closed());
        }
    }
}
