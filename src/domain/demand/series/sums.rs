//! Failures and latencies of one day, by slot, from the best source that knows them, outside monitors
//! included.

use std::collections::BTreeSet;
use std::ops::Range;

use super::minutes::{DAY_MINUTES, Minutes, index};
use super::reading::{Reader, events, median};
use super::track::{Day, LATENCY_MINUTES, LatencyBin};
use crate::demand::observation::{Kind, Source};
use crate::math::number::real_len;
use crate::time::{DAY, MINUTE};

/// All sources, best first; outside monitors come last.
const SOURCES: [Source; 7] = [
    Source::Ca,
    Source::Log,
    Source::Metrics,
    Source::Registrations,
    Source::Ct,
    Source::Import,
    Source::Observer,
];

/// The fewest vantages that can outvote one of them.
const LEAST_VOICES: usize = 3;

/// The sums of one slot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotSums {
    /// Attempts; if these are not reported, certificates issued plus failures.
    pub(crate) tried: f64,
    /// Attempts that failed.
    pub(crate) failed: f64,
    /// Median latency × weight in milliseconds, and the weight.
    pub(crate) latency: (f64, f64),
    /// The same for the 95th percentile.
    pub(crate) latency_p95: (f64, f64),
}

impl Reader<'_> {
    /// The sources that have ever reported a failure. With the others, no failures reported does not
    /// mean success.
    pub(crate) fn sources_of_failures(&self) -> BTreeSet<Source> {
        SOURCES
            .into_iter()
            .filter(|source| {
                self.tracks(*source)
                    .any(|track| track.days.values().any(|day| day.reports(Kind::Failed)))
            })
            .collect()
    }

    /// The sums of each slot of a day.
    pub(crate) fn sums(
        &self,
        number: i64,
        sources_of_failures: &BTreeSet<Source>,
    ) -> Vec<SlotSums> {
        let usable = self.usable(number);
        let mut slots = vec![SlotSums::default(); index(DAY / self.slot_seconds)];
        for source in SOURCES {
            let days: Vec<&Day> = self
                .tracks(source)
                .filter_map(|track| track.days.get(&number))
                .collect();
            let reports_failures = sources_of_failures.contains(&source);
            let reports_latency = days.iter().any(|day| self.reports_latency(day));
            if !reports_failures && !reports_latency {
                continue;
            }
            for (number, sums) in slots.iter_mut().enumerate() {
                let minutes = index(self.slot_seconds / MINUTE);
                let slot = number * minutes..(number + 1) * minutes;
                if sums.tried <= 0.0 && reports_failures {
                    let reported = days
                        .iter()
                        .map(|day| self.failures(day, slot.clone(), &usable));
                    (sums.failed, sums.tried) = together(reported.collect());
                }
                if sums.latency.1 <= 0.0 && sums.latency_p95.1 <= 0.0 {
                    let reported = days
                        .iter()
                        .map(|day| self.latencies(day, slot.clone(), &usable));
                    let (median, p95) = reported.map(|[median, p95]| (median, p95)).unzip();
                    (sums.latency, sums.latency_p95) = (together(median), together(p95));
                }
            }
        }
        slots
    }

    fn reports_latency(&self, day: &Day) -> bool {
        day.fit_for(self.slot_seconds)
            .any(|fine| fine.latency().is_some())
    }

    /// Failures and attempts in a slot, as one vantage reports them.
    fn failures(&self, day: &Day, slot: Range<usize>, usable: &Minutes) -> (f64, f64) {
        let knows_attempts = day.reports(Kind::Attempt);
        let (mut failed, mut tried) = (0.0, 0.0);
        for fine in day.fit_for(self.slot_seconds) {
            for minute in slot.clone().filter(|minute| usable.contains(*minute)) {
                let of = |kind| events(fine.units(kind, minute).into());
                failed += of(Kind::Failed);
                tried += if knows_attempts {
                    of(Kind::Attempt)
                } else {
                    of(Kind::Issued) + of(Kind::Failed)
                };
            }
        }
        (failed, tried)
    }

    /// The median latency and the 95th percentile in a slot, as one vantage reports them; each
    /// multiplied by its weight, and the weight.
    fn latencies(&self, day: &Day, slot: Range<usize>, usable: &Minutes) -> [(f64, f64); 2] {
        let mut sums = [(0.0, 0.0); 2];
        for bins in day.fit_for(self.slot_seconds).filter_map(|f| f.latency()) {
            for minute in slot.clone().step_by(LATENCY_MINUTES) {
                if minute < DAY_MINUTES && usable.contains(minute) {
                    let LatencyBin { median, p95 } = bins[minute / LATENCY_MINUTES];
                    for (sum, bin) in sums.iter_mut().zip([median, p95]) {
                        // Stored in microseconds, reported in milliseconds. The unit of the weight, a
                        // sixtieth of an event, cancels out in the mean.
                        sum.0 += events(bin.0) / 1_000.0;
                        sum.1 += events(bin.1);
                    }
                }
            }
        }
        sums
    }
}

/// One figure from several vantages of a source: sums of the figure times its weight, and of the
/// weight. With three or more, the median figure and the median weight of each, so that no vantage
/// moves it far by a large weight; with two, both count.
fn together(reported: Vec<(f64, f64)>) -> (f64, f64) {
    let reported: Vec<(f64, f64)> = reported
        .into_iter()
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    if reported.len() < LEAST_VOICES {
        return reported
            .iter()
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
    }
    let figure = median(reported.iter().map(|(sum, weight)| sum / weight).collect());
    let weight =
        real_len(reported.len()) * median(reported.iter().map(|(_, weight)| *weight).collect());
    (figure * weight, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_vantage_of_three_neither_hides_nor_makes_failures() {
        let reported = |liar| together(vec![(1.0, 120.0), (2.0, 120.0), liar]);
        for liar in [(1e9, 1e9), (0.0, 1e9), (0.0, 0.0)] {
            let (failed, tried) = reported(liar);
            assert!((1.0..=2.1).contains(&(failed / tried * 120.0)), "{liar:?}");
            assert!(tried <= 360.0);
        }
        assert_eq!(together(vec![(1.0, 10.0), (3.0, 30.0)]), (4.0, 40.0));
        assert_eq!(together(Vec::new()), (0.0, 0.0));
    }
}
