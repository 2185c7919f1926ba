//! Failures and latencies of one day, by slot: from the best source that knows them, outside
//! monitors included.

use std::collections::BTreeSet;

use super::minutes::{DAY_MINUTES, Minutes, index};
use super::reading::{Reader, events};
use super::track::{Day, LATENCY_MINUTES, LatencyBin};
use crate::demand::observation::{Kind, Source};
use crate::time::{DAY, MINUTE};

/// All sources, best first: an outside monitor is asked last.
const SOURCES: [Source; 7] = [
    Source::Ca,
    Source::Log,
    Source::Metrics,
    Source::Registrations,
    Source::Ct,
    Source::Import,
    Source::Observer,
];

/// One slot's sums.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SlotSums {
    /// Attempts, or what was issued or failed where attempts are not told.
    pub(crate) tried: f64,
    /// Attempts that failed.
    pub(crate) failed: f64,
    /// Median latency × weight in milliseconds, and the weight.
    pub(crate) latency: (f64, f64),
    /// The same of the 95th percentile.
    pub(crate) latency_p95: (f64, f64),
}

impl Reader<'_> {
    /// The sources that have ever told a failure: of the others, silence does not mean success.
    pub(crate) fn sources_of_failures(&self) -> BTreeSet<Source> {
        SOURCES
            .into_iter()
            .filter(|source| {
                self.tracks(*source)
                    .any(|track| track.days.values().any(|day| day.tells(Kind::Failed)))
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
            let tells_failures = sources_of_failures.contains(&source);
            let tells_latency = days.iter().any(|day| self.tells_latency(day));
            if !tells_failures && !tells_latency {
                continue;
            }
            for (number, sums) in slots.iter_mut().enumerate() {
                let minutes = index(self.slot_seconds / MINUTE);
                let slot = number * minutes..(number + 1) * minutes;
                if sums.tried <= 0.0 && tells_failures {
                    for day in &days {
                        self.add_failures(day, slot.clone(), &usable, sums);
                    }
                }
                if sums.latency.1 <= 0.0 && sums.latency_p95.1 <= 0.0 {
                    for day in &days {
                        self.add_latencies(day, slot.clone(), &usable, sums);
                    }
                }
            }
        }
        slots
    }

    fn tells_latency(&self, day: &Day) -> bool {
        day.fit_for(self.slot_seconds)
            .any(|fine| fine.latency().is_some())
    }

    fn add_failures(
        &self,
        day: &Day,
        slot: std::ops::Range<usize>,
        usable: &Minutes,
        sums: &mut SlotSums,
    ) {
        let knows_attempts = day.tells(Kind::Attempt);
        for fine in day.fit_for(self.slot_seconds) {
            for minute in slot.clone().filter(|minute| usable.contains(*minute)) {
                let of = |kind| events(fine.units(kind, minute).into());
                sums.failed += of(Kind::Failed);
                sums.tried += if knows_attempts {
                    of(Kind::Attempt)
                } else {
                    of(Kind::Issued) + of(Kind::Failed)
                };
            }
        }
    }

    fn add_latencies(
        &self,
        day: &Day,
        slot: std::ops::Range<usize>,
        usable: &Minutes,
        sums: &mut SlotSums,
    ) {
        for bins in day.fit_for(self.slot_seconds).filter_map(|f| f.latency()) {
            for minute in slot.clone().step_by(LATENCY_MINUTES) {
                if minute < DAY_MINUTES && usable.contains(minute) {
                    let LatencyBin { median, p95 } = bins[minute / LATENCY_MINUTES];
                    for (sum, bin) in [(&mut sums.latency, median), (&mut sums.latency_p95, p95)] {
                        // Held in microseconds, told in milliseconds. The weight's unit, a
                        // sixtieth of an event, falls out of the mean.
                        sum.0 += events(bin.0) / 1_000.0;
                        sum.1 += events(bin.1);
                    }
                }
            }
        }
    }
}
