//! How close new orders may follow each other: the generic cell rate algorithm (ITU-T I.371), which is
//! a leaky bucket that keeps one instant in place of a level.

use super::moment::{Moment, SECOND};
use crate::domain::number::{real, whole};

/// Lets new orders go at a rate. In any second, wherever it begins, at most c of them go (rounded up),
/// or 1.05 c where that is more.
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
        Some(self.even + -ahead(per_second).saturating_mul(interval))
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

/// Rounded up, so that the rate is not exceeded. `None` at a rate of 0.
fn interval_nanos(per_second: f64) -> Option<i64> {
    (per_second > 0.0).then(|| whole((real(SECOND) / per_second).ceil()))
}

/// How many may go before their even time, so that a late timer or two at once cost no throughput: in a
/// second c + k go, rounded up, which is below 1.05 c for k = 0.05 c − 1.
fn ahead(per_second: f64) -> i64 {
    whole(0.05 * per_second - 1.0).max(0)
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
                for _ in 0..burst / 20 + 1 {
                    // As early as it may go, over and over.
                    now = now.max(pace.next(per_second).unwrap());
                    pace.take(now, per_second);
                    went.push(now);
                }
            }
            let most = per_second.ceil().max(1.05 * per_second);
            for (n, first) in went.iter().enumerate() {
                let within = went[n..].partition_point(|at| *at - *first < SECOND);
                prop_assert!(crate::domain::number::real_len(within) <= most, "{within} > {most}");
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
        assert_eq!(pace.next(2.0), Some(now + SECOND / 2));
        pace.give_back(2.0);
        assert_eq!(pace.next(2.0), Some(now));
    }
}
