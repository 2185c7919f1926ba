//! Distributes groups of certificates, each with its own range of slots, so that the total load is
//! as level as possible.
//!
//! Whether a level suffices is decided by serving the slots in order, earliest deadline first,
//! which finds a solution if there is one. The lowest sufficient level is found by bisection. The
//! result is then levelled group by group: each is taken out and filled in again over the load of
//! all others, until nothing moves. The sum of squares is convex and falls with each step, so this
//! ends at the flattest distribution, and no step raises the highest slot of its group.

use std::ops::Range;

use super::slots::{Slots, mean};
use crate::math::number::real_len;
use crate::math::waterfill::fill_shares;

/// Levelling stops after this many rounds, …
const MOST_ROUNDS: usize = 50;

/// … or when a round moves less than this share of the total.
const SETTLED: f64 = 1e-6;

/// Bisection steps: 2^-40 of the first sufficient level is far below one certificate.
const HALVINGS: usize = 40;

/// Doublings before a level counts as out of reach: 10^18 times the load.
const DOUBLINGS: usize = 60;

/// Tolerance for rounding, relative to the amount filled in.
const ROUNDING: f64 = 1e-9;

/// Certificates that may draw from the same slots.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The range of slots.
    pub(super) range: Range<usize>,
    /// The number of certificates.
    pub(super) count: f64,
}

/// How many certificates of each group are placed into each slot of its range.
pub(super) type Placed = Vec<Vec<f64>>;

/// The lowest level, in certificates for a slot of normal capacity, at which all groups fit below
/// it and below the ceilings; `None` if none suffices.
pub(super) fn lowest_level(slots: &Slots, groups: &[Group]) -> Option<f64> {
    let count: f64 = groups.iter().map(|group| group.count).sum();
    let suffices = |level: f64| place_first(slots, groups, level).is_some();
    let mut high = mean(&slots.base)
        .max(count / real_len(slots.base.len().max(1)))
        .max(1e-3);
    let mut doublings = 0;
    while !suffices(high) {
        doublings += 1;
        if doublings > DOUBLINGS {
            return None;
        }
        high *= 2.0;
    }
    let mut low = 0.0;
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if suffices(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Places all certificates below `level`, earliest deadline first; `None` if they do not fit.
pub(super) fn place_first(slots: &Slots, groups: &[Group], level: f64) -> Option<Placed> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|group| groups[*group].range.end);
    let mut placed = nothing(groups);
    let mut left: Vec<f64> = groups.iter().map(|group| group.count).collect();
    for slot in 0..slots.base.len() {
        let mut room = room(slots, slot, level);
        for &group in &order {
            let range = &groups[group].range;
            if room > 0.0 && left[group] > 0.0 && range.contains(&slot) {
                let taken = room.min(left[group]);
                placed[group][slot - range.start] = taken;
                left[group] -= taken;
                room -= taken;
            }
        }
    }
    let done = |(left, group): (&f64, &Group)| *left <= ROUNDING * group.count;
    left.iter().zip(groups).all(done).then_some(placed)
}

/// Levels a placement that keeps below the ceilings.
pub(super) fn levelled(slots: &Slots, groups: &[Group], placed: Placed, level: f64) -> Placed {
    let top = |slot: usize| top(slots, slot, level) * (1.0 + ROUNDING);
    settle(slots, groups, placed, &top)
}

/// A level placement without a deadline. Ceilings are kept if there is enough room below them.
pub(super) fn level(slots: &Slots, groups: &[Group]) -> Placed {
    let top = |slot: usize| slots.ceiling[slot];
    settle(slots, groups, nothing(groups), &top)
}

/// Takes out one group after another and fills it in again, until nothing moves.
fn settle(
    slots: &Slots,
    groups: &[Group],
    mut placed: Placed,
    top: &dyn Fn(usize) -> f64,
) -> Placed {
    let mut load = slots.base.clone();
    for (group, placed) in groups.iter().zip(&placed) {
        add(&mut load, group, placed, 1.0);
    }
    let all: f64 = groups.iter().map(|group| group.count).sum();
    for _ in 0..MOST_ROUNDS {
        let mut moved = 0.0;
        for (group, placed) in groups.iter().zip(&mut placed) {
            add(&mut load, group, placed, -1.0);
            let again = poured(slots, group, &load, top);
            moved += again
                .iter()
                .zip(&*placed)
                .map(|(a, b)| (a - b).abs())
                .sum::<f64>();
            *placed = again;
            add(&mut load, group, placed, 1.0);
        }
        if groups.len() == 1 || moved <= SETTLED * all {
            break;
        }
    }
    placed
}

/// Fills a group in over `load`. What does not fit below the top goes above it, also levelled.
fn poured(slots: &Slots, group: &Group, load: &[f64], top: &dyn Fn(usize) -> f64) -> Vec<f64> {
    let base = &load[group.range.clone()];
    let share = &slots.share[group.range.clone()];
    let limit: Vec<f64> = group
        .range
        .clone()
        .zip(base)
        .map(|(n, base)| top(n) - base)
        .collect();
    let mut filled = fill_shares(base, &limit, share, group.count);
    let rest = group.count - filled.iter().sum::<f64>();
    if rest > ROUNDING * group.count {
        let base: Vec<f64> = base.iter().zip(&filled).map(|(a, b)| a + b).collect();
        let over = fill_shares(&base, &vec![f64::INFINITY; base.len()], share, rest);
        for (filled, over) in filled.iter_mut().zip(over) {
            *filled += over;
        }
    }
    filled
}

fn add(load: &mut [f64], group: &Group, placed: &[f64], sign: f64) {
    for (load, placed) in load[group.range.clone()].iter_mut().zip(placed) {
        *load += sign * placed;
    }
}

fn nothing(groups: &[Group]) -> Placed {
    groups
        .iter()
        .map(|group| vec![0.0; group.range.len()])
        .collect()
}

fn top(slots: &Slots, slot: usize, level: f64) -> f64 {
    (slots.share[slot] * level).min(slots.ceiling[slot])
}

fn room(slots: &Slots, slot: usize, level: f64) -> f64 {
    (top(slots, slot, level) - slots.base[slot]).max(0.0)
}
