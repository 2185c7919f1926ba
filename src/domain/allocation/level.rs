//! Levels: the common height of the load when slots are filled by water-filling.

use super::band::SHORTEST_WINDOW_SECONDS;
use super::window;
use crate::allocation::slots::SlotRange;
use crate::math::number::{real, signed};
use crate::math::waterfill;
use crate::policy::ca::CaPolicy;
use crate::policy::capacity::{SlotCapacity, closed_within, over_slots};
use crate::time::{HOUR, Span};

/// How long after the end of a band ticks are still used, and windows may run, in seconds.
pub(crate) const AFTER_BAND_SECONDS: i64 = 4 * HOUR;

/// How much each slot takes until its load is at `level`, in certificates.
pub(crate) fn headroom(base: &[f64], capacity: &[SlotCapacity], level: f64) -> Vec<f64> {
    base.iter()
        .zip(capacity)
        .map(|(base, slot)| {
            let top = slot.ceiling.map_or(slot.share * level, |ceiling| {
                (slot.share * level).min(ceiling)
            });
            (top - base).max(0.0)
        })
        .collect()
}

/// The amounts that bring each slot up to `level`, if the share `spill` of each slot's amount falls
/// into the next slot, because windows run over the slot's end.
pub(crate) fn assigned(
    base: &[f64],
    capacity: &[SlotCapacity],
    level: f64,
    spill: f64,
) -> Vec<f64> {
    let mut before = 0.0;
    headroom(base, capacity, level)
        .into_iter()
        .map(|headroom| {
            before = ((headroom - spill * before) / (1.0 - spill)).max(0.0);
            before
        })
        .collect()
}

/// The level after `amount` more certificates, each slot filled at most to its capacity. If the
/// ceilings leave less room than that, the lowest level at which all slots are at their ceilings.
pub(crate) fn level(base: &[f64], capacity: &[SlotCapacity], amount: f64) -> f64 {
    let limits: Vec<f64> = base
        .iter()
        .zip(capacity)
        .map(|(base, slot)| slot.ceiling.map_or(f64::INFINITY, |ceiling| ceiling - base))
        .collect();
    waterfill::level(base, &limits, &shares(capacity), amount)
}

pub(crate) fn sum(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(a, b)| a + b).collect()
}

pub(crate) fn shares(capacity: &[SlotCapacity]) -> Vec<f64> {
    capacity.iter().map(|slot| slot.share).collect()
}

pub(crate) fn scaled(amounts: &[f64], to: f64) -> Vec<f64> {
    let total: f64 = amounts.iter().sum();
    let factor = if total > 0.0 { to / total } else { 0.0 };
    amounts.iter().map(|amount| amount * factor).collect()
}

/// The range itself if one of its slots is open. Otherwise the range with the earlier slots to which it
/// may widen, or with the later ones. If none of these is open either, the range as it is, and `true`:
/// it counts as open.
pub(crate) fn open_range(range: SlotRange, policy: &CaPolicy) -> (SlotRange, bool) {
    let earlier = SlotRange {
        first: range.widest_first,
        ..range
    };
    let later = SlotRange {
        end: range.latest_end,
        ..range
    };
    [range, earlier, later]
        .into_iter()
        .find(|candidate| {
            let (capacity, _) = open_slots(*candidate, policy);
            capacity.iter().any(|slot| slot.share > 0.0)
        })
        .map_or((range, true), |open| (open, false))
}

/// The capacity of a range's slots, with share 0 where no window could start, and the closed spans.
pub(crate) fn open_slots(range: SlotRange, policy: &CaPolicy) -> (Vec<SlotCapacity>, Vec<Span>) {
    if policy.capacity.is_empty() {
        return (all_open(range.len()), Vec::new());
    }
    let mut capacity = over_slots(
        &policy.capacity,
        range.from(),
        range.slot_seconds,
        range.len(),
    );
    let reach = Span {
        from: range.from(),
        to: range.to() + AFTER_BAND_SECONDS,
    };
    let closed = closed_within(&policy.capacity, reach);
    for (n, slot) in capacity.iter_mut().enumerate() {
        if window::open_starts(slot_span(range, n), &closed).is_empty() {
            slot.share = 0.0;
        }
    }
    (capacity, closed)
}

pub(crate) fn all_open(count: usize) -> Vec<SlotCapacity> {
    vec![
        SlotCapacity {
            share: 1.0,
            ceiling: None,
            bound_by: None,
        };
        count
    ]
}

pub(crate) fn slot_span(range: SlotRange, index: usize) -> Span {
    let from = range.from() + signed(index) * range.slot_seconds;
    Span {
        from,
        to: from + range.slot_seconds,
    }
}

/// The slots of a range, in order.
pub(super) fn spans(range: SlotRange) -> impl Iterator<Item = Span> {
    (0..range.len()).map(move |n| slot_span(range, n))
}

/// The share of a slot's load that falls into the next slot. Starts are uniform over the slot, so half
/// a window's length runs over its end.
pub(super) fn spill(slot_seconds: i64) -> f64 {
    let window = (slot_seconds / 4).max(SHORTEST_WINDOW_SECONDS);
    (real(window) / real(2 * slot_seconds)).min(0.5)
}
