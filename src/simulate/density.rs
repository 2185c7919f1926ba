//! Densities over time, in grains of five minutes, as shares of a cohort.

use crate::domain::math::number::{length, real, signed};
use crate::domain::time::timeline::GRAIN_SECONDS;
use crate::domain::time::{Span, Timestamp};

/// The shares of a cohort by grain, from a first grain on. They sum to 1, or to 0 if there are none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Density {
    /// The number of the first grain, counted from 1970.
    pub(super) first: i64,
    /// The shares.
    pub(super) shares: Vec<f64>,
}

/// The number of the grain that contains an instant.
pub(super) const fn grain_of(at: Timestamp) -> i64 {
    at.slot(GRAIN_SECONDS)
}

impl Density {
    /// Everything in one grain.
    pub(super) fn at(at: Timestamp) -> Self {
        Self {
            first: grain_of(at),
            shares: vec![1.0],
        }
    }

    /// The share of each span, spread evenly over it.
    pub(super) fn of(spans: impl Iterator<Item = (Span, f64)> + Clone) -> Self {
        let first = spans.clone().map(|(span, _)| span.from).min();
        let last = spans
            .clone()
            .map(|(span, _)| span.to.max(span.from + 1))
            .max();
        let (Some(first), Some(last)) = (first, last) else {
            return Self::default();
        };
        let first = grain_of(first);
        let mut shares = vec![0.0; length(grain_of(last - 1) - first + 1)];
        for (span, share) in spans {
            let to = span.to.max(span.from + 1);
            let seconds = real(to - span.from);
            let mut from = span.from;
            while from < to {
                let grain = grain_of(from);
                let end = Timestamp::from_unix((grain + 1) * GRAIN_SECONDS).min(to);
                shares[length(grain - first)] += share * real(end - from) / seconds;
                from = end;
            }
        }
        Self { first, shares }
    }

    /// The same density, this many grains earlier.
    pub(super) fn earlier(&self, grains: i64) -> Self {
        Self {
            first: self.first - grains,
            shares: self.shares.clone(),
        }
    }

    /// The beginning of the first grain.
    pub(super) fn from(&self) -> Timestamp {
        Timestamp::from_unix(self.first * GRAIN_SECONDS)
    }

    /// The number of the grain after the last.
    pub(super) fn end(&self) -> i64 {
        self.first + signed(self.shares.len())
    }

    /// Each grain's number and share.
    pub(super) fn grains(&self) -> impl Iterator<Item = (i64, f64)> {
        (self.first..).zip(self.shares.iter().copied())
    }

    /// The cumulative shares.
    pub(super) fn up_to(&self) -> UpTo {
        let mut sum = 0.0;
        let sums = self.shares.iter().map(|share| {
            sum += share;
            sum
        });
        UpTo {
            first: self.first,
            sums: sums.collect(),
        }
    }

    /// A mixture: `share` of this density, and the rest of the other.
    pub(super) fn mixed(&self, share: f64, other: &Self) -> Self {
        if share >= 1.0 || other.shares.is_empty() {
            return self.clone();
        }
        if share <= 0.0 || self.shares.is_empty() {
            return other.clone();
        }
        let first = self.first.min(other.first);
        let mut shares = vec![0.0; length(self.end().max(other.end()) - first)];
        for (density, share) in [(self, share), (other, 1.0 - share)] {
            for (grain, part) in density.grains() {
                shares[length(grain - first)] += share * part;
            }
        }
        Self { first, shares }
    }
}

/// The cumulative shares of a density.
pub(super) struct UpTo {
    first: i64,
    sums: Vec<f64>,
}

impl UpTo {
    /// The share up to and including a grain, which may be outside the density.
    pub(super) fn grain(&self, grain: i64) -> f64 {
        if grain < self.first {
            return 0.0;
        }
        let at = length(grain - self.first).min(self.sums.len().saturating_sub(1));
        self.sums.get(at).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::time::MINUTE;

    const NOON: Timestamp = Timestamp::from_unix(1_795_262_400);

    fn span(from: i64, minutes: i64) -> Span {
        Span {
            from: NOON + from * MINUTE,
            to: NOON + (from + minutes) * MINUTE,
        }
    }

    #[test]
    fn spans_fall_into_their_grains() {
        let density = Density::of([(span(-5, 10), 0.5), (span(10, 5), 0.5)].into_iter());
        assert_eq!(density.from(), NOON - 5 * MINUTE);
        assert_eq!(density.shares, vec![0.25, 0.25, 0.0, 0.5]);
        let up_to = density.up_to();
        let sums = [-1, 0, 1, 2, 3, 9].map(|n| up_to.grain(density.first + n));
        assert_eq!(sums.to_vec(), vec![0.0, 0.25, 0.5, 0.5, 1.0, 1.0]);
        assert_eq!(Density::of(std::iter::empty()), Density::default());
    }

    #[test]
    fn a_mixture_has_its_parts() {
        let one = Density::at(NOON);
        let mixed = one.mixed(0.25, &one.earlier(2));
        assert_eq!(mixed.first, one.first - 2);
        assert_eq!(mixed.shares, vec![0.75, 0.0, 0.25]);
        assert_eq!(one.mixed(1.0, &mixed), one);
        assert_eq!(one.mixed(0.0, &mixed), mixed);
    }

    proptest! {
        #[test]
        fn whatever_the_spans_and_the_mixture_all_of_it_is_there_and_nothing_outside(
            spans in prop::collection::vec((0_i64..100_000, 0_i64..50_000, 0.0..1.0), 1..8),
            share in 0.0..=1.0,
            earlier in 0_i64..500,
        ) {
            let spans: Vec<(Span, f64)> = spans
                .into_iter()
                .map(|(from, long, part)| {
                    let from = NOON + from;
                    (Span { from, to: from + long }, part)
                })
                .collect();
            let density = Density::of(spans.iter().copied());
            let all: f64 = spans.iter().map(|(_, part)| part).sum();
            let sum = |density: &Density| density.shares.iter().sum::<f64>();
            prop_assert!((sum(&density) - all).abs() < 1e-9);
            for (grain, part) in density.grains().filter(|(_, part)| *part > 0.0) {
                let begins = Timestamp::from_unix(grain * GRAIN_SECONDS);
                let within = |span: &Span| {
                    span.from < begins + GRAIN_SECONDS && span.to.max(span.from + 1) > begins
                };
                prop_assert!(spans.iter().any(|(span, _)| within(span)), "{begins}: {part}");
            }
            let mixed = density.mixed(share, &density.earlier(earlier));
            prop_assert!((sum(&mixed) - all).abs() < 1e-9);
            let last = density.up_to().grain(density.end());
            prop_assert!((last - all).abs() < 1e-9);
        }
    }
}
