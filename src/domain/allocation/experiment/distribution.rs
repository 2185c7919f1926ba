//! When the windows of a group of certificates start: counts per slot, not a list.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::certificate::Validity;
use crate::certificate::own_rule_seconds;
use crate::math::number::{length, real};
use crate::time::{HOUR, Span, Timestamp};

/// The most slots that are counted. A slot takes about 40 bytes, and five years of hours fit. Windows
/// in later slots are counted in the totals only.
const MOST_SLOTS: usize = 44_000;

/// When windows start, and how early they are.
#[derive(Clone, Debug, Default)]
pub struct Distribution {
    count: u64,
    hours: [u64; 24],
    /// By the number of the slot.
    slots: BTreeMap<i64, u64>,
    /// The sum of the seconds by which windows start before the clients' own rule.
    earliness_seconds: i64,
}

/// One slot of a published distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SlotCount {
    /// When the slot begins.
    pub start: Timestamp,
    /// Windows that start in it.
    pub windows: u64,
}

/// A distribution as published.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DistributionReport {
    /// How many certificates were counted.
    pub certificates: u64,
    /// Windows that start in each hour of the day, UTC.
    pub by_hour_of_day: [u64; 24],
    /// The slots in which windows start, in order.
    pub by_slot: Vec<SlotCount>,
    /// The mean of the seconds by which windows start before 2/3 of the life, or half of a life under
    /// ten days.
    pub mean_earliness_seconds: f64,
    /// The load of the fullest hour of the day, relative to the mean.
    pub peak_hour_to_mean: f64,
}

impl Distribution {
    /// Counts a certificate.
    pub fn add(&mut self, window: Span, validity: Validity, slot_seconds: i64) {
        self.count += 1;
        self.hours[length(window.from.second_of_day() / HOUR)] += 1;
        let slot = window.from.slot(slot_seconds);
        if self.slots.len() < MOST_SLOTS || self.slots.contains_key(&slot) {
            *self.slots.entry(slot).or_default() += 1;
        }
        let own = validity.not_before + own_rule_seconds(validity.life_seconds());
        self.earliness_seconds += own - window.from;
    }

    /// How many certificates were counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The numbers of the slots in which windows start, in order.
    pub fn starts(&self) -> impl Iterator<Item = i64> {
        self.slots.keys().copied()
    }

    /// As published.
    #[must_use]
    pub fn report(&self, slot_seconds: i64) -> DistributionReport {
        let fullest = self.hours.iter().copied().max().unwrap_or(0);
        let certificates = counted(self.count).max(1.0);
        DistributionReport {
            certificates: self.count,
            by_hour_of_day: self.hours,
            by_slot: self
                .slots
                .iter()
                .map(|(slot, windows)| SlotCount {
                    start: Timestamp::from_unix(slot * slot_seconds),
                    windows: *windows,
                })
                .collect(),
            mean_earliness_seconds: real(self.earliness_seconds) / certificates,
            peak_hour_to_mean: counted(fullest) * 24.0 / certificates,
        }
    }
}

fn counted(n: u64) -> f64 {
    real(i64::try_from(n).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::DAY;

    #[test]
    fn windows_are_counted_where_they_start() {
        let midnight = Timestamp::from_unix(1_795_219_200);
        let validity = Validity {
            not_before: midnight,
            not_after: midnight + (90 * DAY - 1),
        };
        let mut distribution = Distribution::default();
        for at in [59 * DAY + 30, 59 * DAY + HOUR, 59 * DAY + 2 * HOUR - 1] {
            let from = midnight + at;
            let to = from + 900;
            distribution.add(Span { from, to }, validity, HOUR);
        }
        let report = distribution.report(HOUR);
        assert_eq!(report.certificates, 3);
        assert_eq!(report.by_hour_of_day[..3], [1, 2, 0]);
        let slots: Vec<_> = report
            .by_slot
            .iter()
            .map(|s| (s.start, s.windows))
            .collect();
        let first = midnight + 59 * DAY;
        assert_eq!(slots, [(first, 1), (first + HOUR, 2)]);
        let mean = real(3 * DAY - 30 - HOUR - 2 * HOUR + 1) / 3.0;
        assert!((report.mean_earliness_seconds - mean).abs() < 1e-9);
        assert!((report.peak_hour_to_mean - 16.0).abs() < 1e-9);
    }
}
