//! The history of arrivals, as far as a server can see it.

use crate::math::number::{real_len, whole};
use crate::time::{HOUR, Timestamp};

/// What K is learned from, hour by hour (UTC). All lists have one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// When the first hour begins, a full hour: the first that the registry knows.
    pub from: Timestamp,
    /// Certificates issued in each hour, all lives together; `None` where nothing was there to
    /// count them, and for hours that shall teach nothing, such as an incident's.
    pub issued: Vec<Option<f64>>,
    /// How many of them the windows given had promised, in expectation.
    pub promised: Vec<f64>,
    /// One for each life class.
    pub classes: Vec<ClassHistory>,
}

/// What was issued of one life class.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassHistory {
    /// The mean life in seconds.
    pub life_seconds: i64,
    /// What was issued in each hour, steered or not, in certificates.
    pub issued: Vec<f64>,
    /// What of it is not steered: Σ (1 − f), in certificates.
    pub unsteered: Vec<f64>,
}

/// Days around an hour that tell what is usual at that hour of the day, to each side.
const USUAL_DAYS: usize = 3;
/// So many times what is usual is a burst: weekends differ by two, holidays by three.
const BURST: f64 = 4.0;
/// A burst below this part of the whole load does not matter.
const BURST_MATTERS: f64 = 0.5;

impl History {
    /// Hours in it; 0 where the lists do not fit together.
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

    /// The load that is usual: the median hour's.
    pub(super) fn usual_load(&self) -> f64 {
        median(self.issued.iter().copied().flatten().collect())
    }
}

/// The hours in which far more came than at the same hour of the days around it.
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

/// The middle of so many numbers; 0 where there is none.
pub(super) fn median(mut numbers: Vec<f64>) -> f64 {
    let middle = numbers.len() / 2;
    if numbers.is_empty() {
        return 0.0;
    }
    *numbers.select_nth_unstable_by(middle, f64::total_cmp).1
}

/// Seconds as hours, to the nearest.
pub(super) fn nearest_hours(seconds: i64) -> i64 {
    (seconds + HOUR / 2).div_euclid(HOUR)
}

/// The greatest whole number of hours that is not above `hours`, as an index.
pub(super) fn whole_hours(hours: f64) -> usize {
    usize::try_from(whole(hours.floor())).unwrap_or(0)
}

/// The mean; 0 of nothing.
pub(super) fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / real_len(numbers.len().max(1))
}
