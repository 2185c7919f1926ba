//! How the busiest slot of the day has moved.

use super::grid::Grid;
use crate::demand::series::minutes::day_span;
use crate::demand::series::reading::median;
use crate::math::number::real;
use crate::time::Timestamp;

/// The peak of a day is found from the medians over this many days: two whole weeks, the profile's
/// half-life.
const WINDOW_DAYS: i64 = 14;
/// The fewest days in the window from which a slot is compared, as elsewhere in the profile.
const LEAST_DAYS: usize = 5;
/// A peak has moved if the new one has led for a week; a lead of a few days is chance.
const HELD_DAYS: i64 = 7;
/// The new peak must exceed the old one by this factor. With less, two busy slots would change places
/// every other day.
const LEAD: f64 = 1.05;
/// The most changes that are reported, the latest: one a month for a year.
const MOST_CHANGES: usize = 12;

/// A move of the busiest slot of the day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PeakChange {
    /// The first day on which the new slot led.
    pub at: Timestamp,
    /// The second of the UTC day at which the slot begins that was busiest before.
    pub from: i64,
    /// The second of the UTC day at which the slot begins that has been busiest since.
    pub to: i64,
}

/// All moves, oldest first. The peak of a day is the slot with the highest median, over the two weeks
/// that end with that day, of its load relative to the mean of its day.
pub(super) fn changes(grid: &Grid, slot_seconds: i64) -> Vec<PeakChange> {
    let relative: Vec<(i64, Vec<Option<f64>>)> = grid
        .days
        .iter()
        .map(|day| (day.number, relative_load(&day.slots)))
        .collect();
    let mut changes = Vec::new();
    let mut peak: Option<usize> = None;
    let mut challenger: Option<(usize, i64)> = None;
    for (end, (number, _)) in relative.iter().enumerate() {
        let begin = relative.partition_point(|(day, _)| *day <= number - WINDOW_DAYS);
        let medians = medians(&relative[begin..=end], grid.slots);
        let Some((leader, load)) = highest(&medians) else {
            continue;
        };
        let Some(old) = peak else {
            peak = Some(leader);
            continue;
        };
        if leader == old || medians[old].is_some_and(|old| load < LEAD * old) {
            challenger = None;
            continue;
        }
        let (slot, since) = challenger
            .filter(|(slot, _)| *slot == leader)
            .unwrap_or((leader, *number));
        challenger = Some((slot, since));
        if number - since + 1 >= HELD_DAYS {
            changes.push(PeakChange {
                at: day_span(since).from,
                from: begins(old, slot_seconds),
                to: begins(slot, slot_seconds),
            });
            peak = Some(slot);
            challenger = None;
        }
    }
    changes.split_off(changes.len().saturating_sub(MOST_CHANGES))
}

/// The load of a day's known slots relative to their mean; nothing if less than half of the day is
/// known, because the mean would be unreliable.
fn relative_load(slots: &[super::grid::GridSlot]) -> Vec<Option<f64>> {
    let rate =
        |slot: &super::grid::GridSlot| slot.is_known().then(|| slot.unsteered / slot.coverage);
    let known: Vec<f64> = slots.iter().filter_map(rate).collect();
    let mean = known.iter().sum::<f64>() / real(i64::try_from(known.len()).unwrap_or(1).max(1));
    if 2 * known.len() < slots.len() || mean <= 0.0 {
        return vec![None; slots.len()];
    }
    slots
        .iter()
        .map(|slot| rate(slot).map(|rate| rate / mean))
        .collect()
}

fn medians(days: &[(i64, Vec<Option<f64>>)], slots: usize) -> Vec<Option<f64>> {
    (0..slots)
        .map(|slot| {
            let seen: Vec<f64> = days.iter().filter_map(|(_, loads)| loads[slot]).collect();
            (seen.len() >= LEAST_DAYS).then(|| median(seen))
        })
        .collect()
}

/// The highest of some medians, and the earlier of two that are equal.
fn highest(medians: &[Option<f64>]) -> Option<(usize, f64)> {
    let known = medians.iter().enumerate();
    known
        .filter_map(|(slot, load)| Some((slot, (*load)?)))
        .reduce(|best, one| if one.1 > best.1 { one } else { best })
}

fn begins(slot: usize, slot_seconds: i64) -> i64 {
    i64::try_from(slot).unwrap_or(0) * slot_seconds
}
