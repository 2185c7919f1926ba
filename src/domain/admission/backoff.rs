//! When orders that failed repeatedly may be tried again.

use super::promises::{LATEST_SECONDS, SOONEST_SECONDS};
use crate::certificate::hash::{mixed, upper_unit};
use crate::math::number::{real, whole};

/// After this many consecutive failures an order is served last. Two may be a mistake that is being
/// corrected.
const AGAIN: u32 = 3;

/// Whether this many consecutive failures make an order one that keeps failing.
pub(super) const fn is_failing(failures: u32) -> bool {
    failures >= AGAIN
}

/// Seconds until an order may be tried again: full jitter (Brooker, "Exponential Backoff And
/// Jitter", AWS 2015). Uniform up to a minute, doubled with each failure, at most a day. `order` is
/// a keyed hash, so that clients cannot choose the result.
pub(super) fn backoff_seconds(order: u64, failures: u32) -> i64 {
    if !is_failing(failures) {
        return SOONEST_SECONDS;
    }
    // 2^11 minutes are longer than a day.
    let most = (SOONEST_SECONDS << failures.min(11)).min(LATEST_SECONDS);
    let unit = upper_unit(mixed(u128::from(order) << 64, i64::from(failures)));
    whole(unit * real(most)).max(SOONEST_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::number::real_len;
    use crate::time::DAY;

    #[test]
    fn it_is_drawn_from_0_to_twice_as_much_each_time_a_day_at_most() {
        for failures in [3_u32, 5, 9, 12, 200] {
            let orders = (0..2_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let drawn: Vec<i64> = orders
                .map(|order| backoff_seconds(order, failures))
                .collect();
            let most = (60_i64 << failures.min(20)).min(DAY);
            assert!(drawn.iter().all(|seconds| (60..=most).contains(seconds)));
            let mean = real(drawn.iter().sum()) / real_len(drawn.len());
            assert!(
                (mean / real(most) - 0.5).abs() < 0.05,
                "{failures}: {mean} of {most}"
            );
        }
        assert_eq!(backoff_seconds(1, 2), 60);
    }
}
