//! The history of arrivals, as a server can observe it.

use crate::math::number::{real_len, whole};
use crate::time::{HOUR, Timestamp};

/// The data K is learned from, hour by hour (UTC). All lists have the same length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// The start of the first hour: the first full hour that the registry knows.
    pub from: Timestamp,
    /// Certificates issued in each hour, of all lifetimes. `None` if nothing counted them, or if
    /// the hour is to be ignored, such as during an incident.
    pub issued: Vec<Option<f64>>,
    /// The expected number of them that the assigned windows had promised.
    pub promised: Vec<f64>,
    /// One entry for each life class.
    pub classes: Vec<ClassHistory>,
}

/// Issuance of one life class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassHistory {
    /// The mean lifetime in seconds.
    pub life_seconds: i64,
    /// Certificates issued in each hour, steered or not.
    pub issued: Vec<f64>,
    /// The expected number of them that are unsteered: Σ (1 − f).
    pub unsteered: Vec<f64>,
}

/// The usual load of an hour of the day is taken from this many days on each side.
const USUAL_DAYS: usize = 3;
/// A burst is at least this many times the usual load. Weekends differ by a factor of two, holidays
/// by three.
const BURST: f64 = 4.0;
/// A burst below this fraction of the median load is ignored.
const BURST_MATTERS: f64 = 0.5;

impl History {
    /// The number of hours; 0 if the lists differ in length.
    pub(super) fn hours(&self) -> usize {
        let hours = self.issued.len();
        let fits = self.promised.len() == hours
            && self
                .classes
                .iter()
                .all(|class| class.issued.len() == hours && class.unsteered.len() == hours);
        if fits { hours } else { 0 }
    }

    /// The first hour from which certificates are known.
    pub(super) fn begins(&self) -> Option<usize> {
        (0..self.hours()).find(|&hour| self.classes.iter().any(|class| class.unsteered[hour] > 0.0))
    }

    /// The median hour's load.
    pub(super) fn usual_load(&self) -> f64 {
        median(self.issued.iter().copied().flatten().collect())
    }
}

/// The hours with far more arrivals than the same hour on the days around.
pub(super) fn bursts(amounts: &[Option<f64>], usual_load: f64) -> Vec<usize> {
    (0..amounts.len())
        .filter(|&hour| {
            let Some(amount) = amounts[hour] else {
                return false;
            };
            if amount <= BURST_MATTERS * usual_load {
                return false;
            }
            let first = (hour % 24).max(hour.saturating_sub(24 * USUAL_DAYS));
            let last = (hour + 24 * USUAL_DAYS).min(amounts.len() - 1);
            let around = (first..=last).step_by(24).filter_map(|at| amounts[at]);
            let usual = median(around.collect());
            amount > BURST * usual && amount - usual > BURST_MATTERS * usual_load
        })
        .collect()
}

/// The median; 0 of an empty list.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return 0.0;
    }
    *numbers.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Seconds in hours, rounded to the nearest.
pub(super) fn nearest_hours(seconds: i64) -> i64 {
    (seconds + HOUR / 2).div_euclid(HOUR)
}

/// Hours rounded down, as an index.
pub(super) fn whole_hours(hours: f64) -> usize {
    usize::try_from(whole(hours.floor())).unwrap_or(0)
}

/// The mean; 0 of an empty list.
pub(super) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / real_len(numbers.len().max(1))
}
