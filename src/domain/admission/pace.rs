//! How closely new orders may follow each other: the generic cell rate algorithm (ITU-T I.371), a
//! leaky bucket that stores a time instead of a level.

use super::moment::{Moment, SECOND};
use crate::math::number::{real, whole};

/// Lets new orders go at a rate. In any second, wherever it begins, at most c of them go (rounded up).
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When the next would go if all went evenly.
    even: Moment,
}

impl Pace {
    /// When the next may go; `None` while nothing may. `per_second` is the rate c.
    #[must_use]
    pub fn next(&self, per_second: f64) -> Option<Moment> {
        let interval = interval_nanos(per_second)?;
        (interval > 0).then(|| self.even + -EARLY_NANOS)
    }

    /// One goes now.
    pub fn take(&mut self, now: Moment, per_second: f64) {
        let interval = interval_nanos(per_second).unwrap_or_default();
        self.even = self.even.max(now) + interval;
    }

    /// One that was let go did not go after all.
    pub fn give_back(&mut self, per_second: f64) {
        let interval = interval_nanos(per_second).unwrap_or_default();
        self.even = self.even + -interval;
    }
}

/// How long before its even time one may go: timers ring up to some milliseconds late, and what that costs
/// is caught up.
const EARLY_NANOS: i64 = SECOND / 100;

/// The share of the rate that is used. In a second go fewer than 1 + (1 s + early) × used × c, which is
/// 1 + 1.01 × 0.99 × c: so never more than c, rounded up.
const USED: f64 = 0.99;

/// `None` at a rate of 0.
fn interval_nanos(per_second: f64) -> Option<i64> {
    (per_second > 0.0).then(|| whole((real(SECOND) / (USED * per_second)).ceil()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_second_has_more_than_the_rate(
            per_second in 0.2..300.0_f64,
            pauses in prop::collection::vec(0_i64..2_000_000_000, 1..20),
            burst in 1..400_usize,
        ) {
            let mut pace = Pace::default();
            let mut now = Moment::from_second(1_795_262_400);
            let mut went = Vec::new();
            for pause in pauses {
                now = now + pause;
                for _ in 0..=burst / 20 {
                    // As early as it may go, over and over.
                    now = now.max(pace.next(per_second).unwrap());
                    pace.take(now, per_second);
                    went.push(now);
                }
            }
            let most = per_second.ceil();
            for (n, first) in went.iter().enumerate() {
                let within = went[n..].partition_point(|at| *at - *first < SECOND);
                prop_assert!(crate::math::number::real_len(within) <= most, "{within} > {most}");
            }
        }

        #[test]
        fn whoever_comes_slowly_never_waits(per_second in 1.0..1_000.0_f64, n in 1..100_usize) {
            let mut pace = Pace::default();
            let mut now = Moment::from_second(1);
            for _ in 0..n {
                prop_assert!(pace.next(per_second).unwrap() <= now);
                pace.take(now, per_second);
                now = now + interval_nanos(per_second).unwrap();
            }
        }
    }

    #[test]
    fn nothing_goes_while_the_rate_is_0_and_what_did_not_go_is_given_back() {
        let mut pace = Pace::default();
        let now = Moment::from_second(5);
        assert_eq!(pace.next(0.0), None);
        pace.take(now, 2.0);
        let interval = interval_nanos(2.0).unwrap();
        assert_eq!(pace.next(2.0), Some(now + (interval - EARLY_NANOS)));
        pace.give_back(2.0);
        assert!(pace.next(2.0).unwrap() <= now);
    }
}
