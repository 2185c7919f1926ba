//! The spacing of new orders, by the generic cell rate algorithm (ITU-T I.371): a leaky bucket that
//! stores a time in place of a level.

use super::moment::{Moment, SECOND};
use crate::math::number::{real, whole};

/// Spaces new orders at a rate c. In any span of one second, at most c of them (rounded up) are
/// forwarded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When the next one would be due at an even pace.
    even: Moment,
}

impl Pace {
    /// When the next one may be forwarded; `None` if none may. `per_second` is the rate c.
    #[must_use]
    pub fn next(&self, per_second: f64) -> Option<Moment> {
        let interval = interval_nanos(per_second)?;
        (interval > 0).then(|| self.even + -EARLY_NANOS)
    }

    /// Records that one is forwarded now.
    pub fn take(&mut self, now: Moment, per_second: f64) {
        let interval = interval_nanos(per_second).unwrap_or_default();
        self.even = self.even.max(now) + interval;
    }

    /// Undoes one that was not forwarded after all.
    pub fn give_back(&mut self, per_second: f64) {
        let interval = interval_nanos(per_second).unwrap_or_default();
        self.even = self.even + -interval;
    }
}

/// How long before its even time one may be forwarded. Timers fire some milliseconds late, and this
/// makes up for the loss.
const EARLY_NANOS: i64 = SECOND / 100;

/// The used share of the rate. In a second, fewer than 1 + (1 s + early) × used × c are forwarded,
/// which is 1 + 1.01 × 0.99 × c, and so never more than c, rounded up.
const USED: f64 = 0.99;

/// `None` for a rate of 0.
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
                    // Each one as early as allowed.
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
