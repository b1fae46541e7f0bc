//! When to try again: full jitter over a doubling delay, up to a cap. Pure.

use std::time::Duration;

/// The delay before the next attempt. `attempts` counts those made; `chance` is 64 random bits. The delay is spread
/// evenly between half of the doubled delay and the whole of it, so that many failures do not come back at once and
/// none comes back at once.
pub fn delay(attempts: u32, first: Duration, cap: Duration, chance: u64) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1).min(31))).min(cap);
    let half = doubled / 2;
    let spread = u64::try_from((doubled - half).as_micros()).unwrap_or(u64::MAX);
    half + Duration::from_micros(if spread == 0 { 0 } else { chance % (spread + 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_to_a_cap_and_stay_within_their_spread() {
        let (first, cap) = (Duration::from_secs(5), Duration::from_secs(3600));
        for (attempts, whole) in [(1, 5), (2, 10), (3, 20), (4, 40), (10, 2560), (11, 3600), (40, 3600)] {
            let whole = Duration::from_secs(whole);
            for chance in [0, 1, u64::MAX, 0x5eed_5eed_5eed_5eed] {
                let delay = delay(attempts, first, cap, chance);
                assert!(delay >= whole / 2 && delay <= whole, "{attempts}: {delay:?}");
            }
        }
        assert_eq!(delay(1, Duration::ZERO, cap, 7), Duration::ZERO);
    }
}
