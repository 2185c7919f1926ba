//! Hours in which the CA takes less: what they do not take is spread over the days before them.

use std::iter::successors;

use super::band::Arrival;
use super::level::{all_open, level, spans, sum};
use super::opening::capacity;
use super::rates::{Arrivals, Forecast};
use crate::allocation::slots::SlotRange;
use crate::math::number::real_len;
use crate::policy::capacity::SlotCapacity;
use crate::time::DAY;

/// A band widens where closed hours raise its level by more than this factor, until it stands above
/// the lowest of the wider ones by no more than that. Four closed hours raise a day by a tenth, and
/// ten closed minutes by less than a hundredth.
const CLOSINGS_ABOVE: f64 = 1.01;

/// The narrowest band in which closed hours raise the level about as little as in the wider ones.
///
/// Closed hours come of the configuration. So this asks for no week of the registry to compare with.
pub(super) fn around_closings(
    arrival: Arrival,
    range: SlotRange,
    arrivals: &Arrivals,
    forecast: &Forecast<'_>,
) -> SlotRange {
    if arrival != Arrival::Fresh || forecast.policy.capacity.is_empty() {
        return range;
    }
    // What is still to come for its slots: each is in fewer bands than the one after it.
    let to_come = arrivals.steered * (real_len(range.len()) + 1.0) / 2.0;
    let own = Ahead::of(range, arrivals.steered, forecast);
    let if_open = own.evenly(range.len(), &all_open(range.len()));
    if own.level(range.len(), to_come) <= CLOSINGS_ABOVE * if_open {
        return range;
    }
    // By whole days, so that hours that are closed each day weigh the same in each.
    let day = DAY / range.slot_seconds;
    let longer = |band: &SlotRange| {
        let first = band.first - day;
        (first >= band.widest_first).then_some(SlotRange { first, ..*band })
    };
    let bands: Vec<SlotRange> = successors(Some(range), longer).collect();
    let widest = bands.last().copied().unwrap_or(range);
    let ahead = Ahead::of(widest, arrivals.steered, forecast);
    let levels = bands.iter().map(|band| ahead.level(band.len(), to_come));
    let levels: Vec<f64> = levels.collect();
    let lowest = levels.iter().copied().fold(f64::INFINITY, f64::min);
    let is_low = |level: &f64| *level <= CLOSINGS_ABOVE * lowest;
    let low = levels.iter().position(is_low);
    low.map_or(range, |low| bands[low])
}

/// What is known of a band's slots.
struct Ahead {
    capacity: Vec<SlotCapacity>,
    unsteered: Vec<f64>,
    /// U + G.
    filled: Vec<f64>,
    /// v.
    steered: f64,
}

impl Ahead {
    fn of(range: SlotRange, steered: f64, forecast: &Forecast<'_>) -> Self {
        let (capacity, _) = capacity(range, false, forecast.policy, forecast.profile);
        let unsteered = forecast.unsteered(range);
        let promised: Vec<f64> = spans(range)
            .map(|span| forecast.ledger.promised(span))
            .collect();
        Self {
            capacity,
            filled: sum(&unsteered, &promised),
            unsteered,
            steered,
        }
    }

    /// The level of the last `count` slots if all that is steered in them were spread over them, with
    /// such a capacity.
    fn evenly(&self, count: usize, capacity: &[SlotCapacity]) -> f64 {
        let slots = &self.unsteered[self.unsteered.len() - count..];
        level(slots, capacity, self.steered * real_len(count))
    }

    /// The level to which the last `count` slots will be filled. It is higher than that where the
    /// earlier of them are full already.
    fn level(&self, count: usize, to_come: f64) -> f64 {
        let first = self.filled.len() - count;
        let capacity = &self.capacity[first..];
        self.evenly(count, capacity)
            .max(level(&self.filled[first..], capacity, to_come))
    }
}
