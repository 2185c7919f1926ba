//! The slots that an incident fills: their present load and their capacity.

use super::closing::RETURN_SECONDS;
use super::context::PlanningContext;
use super::rule::{Order, Rule, SLOT_SECONDS, begin};
use crate::math::number::{length, real, real_len, signed};
use crate::policy::capacity::{CapacityRule, SlotCapacity, over_slots};
use crate::time::{HOUR, Span};

/// Slots one after the other.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    /// The number of the first.
    pub(super) first: i64,
    /// Certificates that are expected in a slot, or in the next where those are more: a window may
    /// run into that one, and what is placed so fits into both. Infinite where the slot is closed, or fails day by
    /// day.
    pub(super) base: Vec<f64>,
    /// The share of normal that the CA takes.
    pub(super) share: Vec<f64>,
    /// Certificates that it takes at most, what is expected among them.
    pub(super) ceiling: Vec<f64>,
}

impl Slots {
    /// The slots from `first` up to `end`; what is expected is asked for those in `ranges` alone.
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

/// Which slots are used: those that are open and do not fail day by day. Where a range has none of these, those of
/// it that are open: whoever has to come by then comes in an hour that fails.
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

/// Clients that an outage failed and that come back by themselves when it is over: the load that
/// was expected in it, beside the windows that are moved, spread over the hour after.
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

/// The capacity where the CA takes less than usual. Where it takes nothing is [`Rule::is_open`]'s:
/// a slot that is closed in part is not used at all.
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

/// Slots in an hour, between what a slot holds and what an hour does.
pub(super) fn slots_per_hour() -> f64 {
    real(HOUR) / real(SLOT_SECONDS)
}

pub(super) fn span(slot: i64) -> Span {
    Span {
        from: begin(slot),
        to: begin(slot + 1),
    }
}

/// The mean of the slots that are open.
pub(super) fn mean(values: &[f64]) -> f64 {
    let known: Vec<f64> = values
        .iter()
        .copied()
        .filter(|value| value.is_finite())
        .collect();
    known.iter().sum::<f64>() / real_len(known.len().max(1))
}
