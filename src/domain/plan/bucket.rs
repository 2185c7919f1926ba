//! Token buckets and a sliding window, with exact state and an interface in whole seconds.

use std::collections::VecDeque;

use crate::math::number::{real, real_len};
use crate::time::Timestamp;

/// Buckets count in microseconds, to allow up to 1,000 a second.
const MICROS: i64 = 1_000_000;

/// The refill rule of a token bucket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rule {
    burst: i64,
    refill_micros: i64,
}

/// A token bucket that starts full, by the generic cell rate algorithm (ITU-T I.371). Exact in
/// integers, with one number as its state.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    rule: Rule,
    /// When it will be full again, in microseconds.
    full_at: i64,
}

/// At most this many in any span of this many seconds.
#[derive(Clone, Debug)]
pub(super) struct Sliding {
    most: usize,
    seconds: i64,
    recent: VecDeque<Timestamp>,
}

impl Rule {
    /// A burst of `burst`, and one token back every `seconds`.
    pub(super) fn each_seconds(burst: u32, seconds: i64) -> Self {
        Self {
            burst: i64::from(burst),
            refill_micros: seconds.saturating_mul(MICROS),
        }
    }

    /// A burst of `burst`, and `count` tokens back in a second.
    pub(super) fn per_second(count: u32, burst: u32) -> Self {
        let count = i64::from(count.max(1));
        Self {
            burst: i64::from(burst),
            refill_micros: (MICROS + count - 1) / count,
        }
    }

    /// The most tokens refilled in this many seconds, without the burst.
    pub(super) fn within(self, seconds: i64) -> i64 {
        seconds.saturating_mul(MICROS) / self.refill_micros
    }
}

impl Bucket {
    pub(super) const fn full(rule: Rule) -> Self {
        Self {
            rule,
            full_at: i64::MIN / 2,
        }
    }

    /// The first instant from `at` on with a token.
    pub(super) fn next(&self, at: Timestamp) -> Timestamp {
        // `burst - 1` tokens may be missing when one is taken.
        let owed = (self.rule.burst - 1).saturating_mul(self.rule.refill_micros);
        let earliest = self.full_at.saturating_sub(owed);
        at.max(Timestamp::from_unix(
            earliest.div_euclid(MICROS) + i64::from(earliest.rem_euclid(MICROS) > 0),
        ))
    }

    /// Takes a token. `at` must not be before [`Bucket::next`].
    pub(super) fn take(&mut self, at: Timestamp) {
        let now = at.unix().saturating_mul(MICROS);
        self.full_at = self.full_at.max(now) + self.rule.refill_micros;
    }
}

impl Sliding {
    pub(super) fn new(most: u32, seconds: i64) -> Self {
        Self {
            most: usize::try_from(most.max(1)).unwrap_or(usize::MAX),
            seconds,
            recent: VecDeque::new(),
        }
    }

    /// The first instant from `at` on at which another may start.
    pub(super) fn next(&self, at: Timestamp) -> Timestamp {
        if self.recent.len() < self.most {
            return at;
        }
        self.recent
            .front()
            .map_or(at, |first| at.max(*first + self.seconds))
    }

    /// The long-term rate per second.
    pub(super) fn per_second(&self) -> f64 {
        real_len(self.most) / real(self.seconds.max(1))
    }

    pub(super) fn take(&mut self, at: Timestamp) {
        if self.recent.len() == self.most {
            self.recent.pop_front();
        }
        self.recent.push_back(at);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Compares with a bucket that is refilled step by step.
        #[test]
        fn a_bucket_gives_a_token_at_the_first_second_that_has_one(
            burst in 1_u32..6,
            refill in 1_i64..50,
            pauses in prop::collection::vec(0_i64..80, 1..60),
        ) {
            let mut bucket = Bucket::full(Rule::each_seconds(burst, refill));
            let most = i64::from(burst) * refill;
            let (mut level, mut filled_at) = (most, 0);
            let mut now = 0;
            for pause in pauses {
                now += pause;
                let at = bucket.next(Timestamp::from_unix(now)).unix();
                let level_at = |second: i64| most.min(level + second - filled_at);
                prop_assert!(level_at(at) >= refill, "no token at {at}");
                prop_assert!(at == now || level_at(at - 1) < refill, "one before {at}");
                bucket.take(Timestamp::from_unix(at));
                (level, filled_at, now) = (level_at(at) - refill, at, at);
            }
        }

        #[test]
        fn no_span_has_more_than_its_most(
            most in 1_u32..5,
            seconds in 1_i64..40,
            pauses in prop::collection::vec(0_i64..30, 1..60),
        ) {
            let mut sliding = Sliding::new(most, seconds);
            let mut taken: Vec<i64> = Vec::new();
            for pause in pauses {
                let from = taken.last().copied().unwrap_or(0) + pause;
                let at = sliding.next(Timestamp::from_unix(from));
                sliding.take(at);
                taken.push(at.unix());
                let within = taken.iter().filter(|t| **t > at.unix() - seconds).count();
                prop_assert!(within <= usize::try_from(most).unwrap());
            }
        }
    }

    #[test]
    fn what_comes_within_one_second_is_a_burst() {
        let mut bucket = Bucket::full(Rule::per_second(1_000, 500));
        let mut at = Timestamp::from_unix(0);
        for _ in 0..5_000 {
            at = bucket.next(at);
            bucket.take(at);
        }
        assert_eq!(at.unix(), 9);
    }
}
