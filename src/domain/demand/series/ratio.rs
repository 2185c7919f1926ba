//! Attempts per certificate by hour of the week, to estimate demand where only certificates are known.

use super::minutes::index;
use crate::math::number::real_len;
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// Hours in a day.
pub(super) const HOURS: usize = 24;
/// Hours in a week.
pub(super) const WEEK_HOURS: usize = 168;

/// With fewer certificates, no ratio is computed: its error by chance is ±20 %.
const LEAST_ISSUED: f64 = 100.0;
/// The ratio of an hour of the week is pulled towards that of all hours with the weight of this many
/// certificates. A ratio of 100 certificates has an error of ±10 % by chance, which is about how much
/// hours differ.
const PRIOR_ISSUED: f64 = 100.0;

/// The smallest ratio: every certificate was requested.
const LEAST_RATIO: f64 = 1.0;
/// The largest ratio: nine of ten attempts fail. The worst published figure is from Let's Encrypt,
/// where half of the requests failed in 2024.
const MOST_RATIO: f64 = 10.0;

/// Attempts per certificate, by hour of the week from Monday 00:00 UTC.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ratios(Vec<f64>);

impl Ratios {
    /// The ratios of the hours of a day.
    pub(super) fn of_day(&self, day: i64) -> &[f64] {
        let monday = Timestamp::from_unix(day * DAY).second_of_week() / DAY;
        let first = index(monday) * HOURS;
        &self.0[first..first + HOURS]
    }

    /// The ratio of each hour, from sums of attempts and certificates by hour of the week, pulled
    /// towards the ratio of all hours. `None` with too few certificates.
    pub(super) fn of(sums: &[(f64, f64)]) -> Option<Self> {
        let (attempts, issued) = sums
            .iter()
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let overall = attempts / issued.max(1.0);
        let of_hour = |(attempts, issued): &(f64, f64)| {
            let pulled = (attempts + PRIOR_ISSUED * overall) / (issued + PRIOR_ISSUED);
            pulled.clamp(LEAST_RATIO, MOST_RATIO)
        };
        (issued >= LEAST_ISSUED).then(|| Self(sums.iter().map(of_hour).collect()))
    }
}

/// The mean over the hours of a day.
pub(super) fn mean(of_day: &[f64]) -> f64 {
    of_day.iter().sum::<f64>() / real_len(of_day.len().max(1))
}

/// The hour of the day that contains a minute of the day.
pub(super) fn hour_of(minute: usize) -> usize {
    minute / index(HOUR / MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_bounded_whatever_is_reported() {
        let sums = |attempts| vec![(attempts, 1_000.0); WEEK_HOURS];
        for (attempts, want) in [(0.0, 1.0), (1e9, 10.0), (2_500.0, 2.5)] {
            let got = Ratios::of(&sums(attempts)).unwrap().of_day(3)[5];
            assert!((got - want).abs() < 1e-9, "{got} {want}");
        }
    }
}
