//! The slots that an incident fills: their expected load and capacity.

use super::closing::RETURN_SECONDS;
use super::context::PlanningContext;
use super::rule::{Order, Rule, SLOT_SECONDS, begin};
use crate::math::number::{length, real, real_len, signed};
use crate::policy::capacity::{CapacityRule, SlotCapacity, over_slots};
use crate::time::{HOUR, Span};

/// Consecutive slots.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    /// The first slot.
    pub(super) first: i64,
    /// The load expected in the slot, or in the next one if that is higher, because a window may
    /// run into it. In certificates. Infinite if the slot is closed, or fails day by day.
    pub(super) base: Vec<f64>,
    /// The share of normal capacity.
    pub(super) share: Vec<f64>,
    /// The most certificates it may hold, including the expected load.
    pub(super) ceiling: Vec<f64>,
}

impl Slots {
    /// The slots from `first` to `end`. The expected load is computed only for those in `ranges`.
    pub(super) fn new(rule: &Rule, context: &PlanningContext<'_>, ranges: &[(i64, i64)]) -> Self {
        let first = ranges.iter().map(|range| range.0).min().unwrap_or(0);
        let end = ranges.iter().map(|range| range.1).max().unwrap_or(first);
        let count = length(end - first);
        let mut wanted = vec![false; count + 1];
        for (from, to) in ranges {
            wanted[length(from - first)..=length(to - first)].fill(true);
        }
        let returning = Returning::of(rule, context);
        let expected: Vec<f64> = wanted
            .iter()
            .enumerate()
            .map(|(n, wanted)| {
                let slot = span(first + signed(n));
                if *wanted {
                    (context.expected)(slot).max(0.0) + returning.within(slot)
                } else {
                    0.0
                }
            })
            .collect();
        let capacity = reduced(context, first, count + 1);
        let used = used(rule, ranges, first, count);
        let base = (0..count)
            .map(|n| {
                if used[n] {
                    expected[n].max(expected[n + 1])
                } else {
                    f64::INFINITY
                }
            })
            .collect();
        let ceiling = |slot: &SlotCapacity| slot.ceiling.unwrap_or(f64::INFINITY);
        let both = || capacity.windows(2);
        Self {
            first,
            base,
            share: both()
                .map(|pair| pair[0].share.min(pair[1].share))
                .collect(),
            ceiling: both()
                .map(|pair| ceiling(&pair[0]).min(ceiling(&pair[1])))
                .collect(),
        }
    }
}

/// Which slots are used: those that are open and do not fail day by day. If a range has none of
/// these, its open slots are used, because certificates with a deadline must renew even in a
/// failing hour.
fn used(rule: &Rule, ranges: &[(i64, i64)], first: i64, count: usize) -> Vec<bool> {
    let numbers = || (0..count).map(|n| first + signed(n));
    let open: Vec<bool> = numbers().map(|slot| rule.is_open(slot)).collect();
    let fails: Vec<bool> = numbers().map(|slot| rule.fails(slot)).collect();
    let mut used: Vec<bool> = open
        .iter()
        .zip(&fails)
        .map(|(open, fails)| *open && !fails)
        .collect();
    for (from, to) in ranges {
        let range = length(from - first)..length(to - first).min(count);
        let has_one = |n: usize| open[n] && !fails[n];
        if !range.clone().any(has_one) {
            used[range.clone()].copy_from_slice(&open[range]);
        }
    }
    used
}

/// Clients that failed in an outage and return by themselves when it is over: the load expected
/// during the outage, apart from the moved windows, spread over the hour after it.
pub(super) struct Returning {
    after: Span,
    certificates: f64,
}

impl Returning {
    pub(super) fn of(rule: &Rule, context: &PlanningContext<'_>) -> Self {
        let Order::Outage(outage) = rule.order else {
            return Self {
                after: span(0),
                certificates: 0.0,
            };
        };
        let after = Span {
            from: outage.to,
            to: outage.to + RETURN_SECONDS,
        };
        Self {
            after,
            certificates: (context.expected)(outage).max(0.0),
        }
    }

    pub(super) fn within(&self, span: Span) -> f64 {
        self.certificates * real(self.after.overlap_seconds(span)) / real(RETURN_SECONDS)
    }
}

/// Where the CA has reduced capacity. Closed slots are handled by [`Rule::is_open`], because a
/// partly closed slot is not used at all.
pub(super) fn reduced(
    context: &PlanningContext<'_>,
    first: i64,
    count: usize,
) -> Vec<SlotCapacity> {
    let rules: Vec<CapacityRule> = context
        .policy
        .capacity
        .iter()
        .filter(|rule| rule.share > 0.0)
        .cloned()
        .collect();
    over_slots(&rules, begin(first), SLOT_SECONDS, count)
}

/// Slots in an hour, to convert between the two.
pub(super) fn slots_per_hour() -> f64 {
    real(HOUR) / real(SLOT_SECONDS)
}

pub(super) fn span(slot: i64) -> Span {
    Span {
        from: begin(slot),
        to: begin(slot + 1),
    }
}

/// The mean over the open slots.
pub(super) fn mean(values: &[f64]) -> f64 {
    let known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    known.iter().sum::<f64>() / real_len(known.len().max(1))
}
