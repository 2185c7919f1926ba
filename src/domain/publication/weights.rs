//! The weights in the public file: how readers should spread over the slots of the day so that
//! their load makes the day level.

use crate::math::waterfill::fill_shares;

/// Weights are whole millionths, so that they sum to exactly 1.
pub const MILLION: u32 = 1_000_000;

/// The least weight of an open slot, as a multiple of 1/n. No measurement is so reliable that a
/// slot should get nothing.
const FLOOR: f64 = 0.1;
/// The greatest weight of a slot, as a multiple of 1/n, so that there is never a single best hour.
const CEILING: f64 = 3.0;

/// The least steerable share. Even if readers can move nothing, they ask for times; they count as
/// one in a hundred.
const LEAST_SHARE: f64 = 0.01;

/// The known load of the slots of the day.
#[derive(Clone, Copy, Debug)]
pub enum Load<'a> {
    /// Relative to the mean, which is 1.
    Relative(&'a [f64]),
    /// Unknown, for this many slots. Open slots get equal weights, in proportion to their capacity.
    Unknown(usize),
}

/// Weights in millionths, one for each slot of the day. Water-filling of the load that readers
/// bring (`steerable_share` of the mean, 0 to 1) over `load`, towards a level proportional to each
/// slot's `capacity`. A capacity of 1 is normal and 0 is closed; `capacity` has the same number of
/// parts for every slot, in time order, so that a slot may be closed in part.
///
/// With n slots, each open one gets 0.1/n to 3/n, the latter scaled by its open part. If fewer than
/// a third are open, these share evenly. A closed slot gets 0, unless all are closed: then none
/// counts as closed. Millionths are rounded by largest remainder.
#[must_use]
pub fn weights(load: Load<'_>, capacity: &[f64], steerable_share: f64) -> Vec<u32> {
    let brought = brought(load, steerable_share);
    pour(&slots(load, capacity), MILLION, brought)
}

/// As [`weights`], divided among the parts of longer slots with the weights `whole`. The parts of a
/// slot sum exactly to its weight, and are as level among themselves as possible.
#[must_use]
pub fn weights_within(
    whole: &[u32],
    load: Load<'_>,
    capacity: &[f64],
    steerable_share: f64,
) -> Vec<u32> {
    let parts = load.slots() / whole.len().max(1);
    let brought = brought(load, steerable_share);
    slots(load, capacity)
        .chunks(parts.max(1))
        .zip(whole)
        .flat_map(|(slots, whole)| pour(slots, *whole, brought))
        .collect()
}

/// Which of `slots` slots of the day are closed in all their parts. If all are, none counts as
/// closed.
#[must_use]
pub fn closed(capacity: &[f64], slots: usize) -> Vec<bool> {
    let all = capacity.iter().all(|share| *share <= 0.0);
    capacity
        .chunks((capacity.len() / slots.max(1)).max(1))
        .map(|parts| parts.iter().all(|share| *share <= 0.0) && !all)
        .collect()
}

/// Whole numbers that sum to `total`, as close to `exact` as possible. Each is rounded down, and
/// those with the largest remainders get one more. None is below its `least` or above its `most`.
#[must_use]
pub fn largest_remainder(exact: &[f64], least: &[u32], most: &[u32], total: u32) -> Vec<u32> {
    let mut rounded: Vec<u32> = exact
        .iter()
        .zip(least.iter().zip(most))
        .map(|(exact, (least, most))| whole(exact.floor()).max(*least).min(*most))
        .collect();
    let owed = |i: usize| exact[i] - f64::from(rounded[i]);
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|a, b| owed(*b).total_cmp(&owed(*a)).then(a.cmp(b)));
    let mut sum: u32 = rounded.iter().sum();
    while sum < total {
        let before = sum;
        for i in &order {
            if sum < total && rounded[*i] < most[*i] {
                rounded[*i] += 1;
                sum += 1;
            }
        }
        if sum == before {
            break;
        }
    }
    while sum > total {
        let before = sum;
        for i in order.iter().rev() {
            if sum > total && rounded[*i] > least[*i] {
                rounded[*i] -= 1;
                sum -= 1;
            }
        }
        if sum == before {
            break;
        }
    }
    rounded
}

/// One slot of the day.
#[derive(Clone, Copy, Debug)]
struct Slot {
    coefficient: f64,
    /// Its capacity, the mean of its parts.
    share: f64,
    /// The least weight; 0 if it is closed.
    floor: f64,
    /// The greatest weight; 0 if it is closed.
    ceiling: f64,
}

impl Load<'_> {
    const fn slots(self) -> usize {
        match self {
            Self::Relative(coefficients) => coefficients.len(),
            Self::Unknown(slots) => slots,
        }
    }
}

fn slots(load: Load<'_>, capacity: &[f64]) -> Vec<Slot> {
    let n = load.slots();
    let all_closed = capacity.iter().all(|share| *share <= 0.0);
    let is_open = |share: &&f64| **share > 0.0 || all_closed;
    let open = capacity.iter().filter(is_open).count();
    // Scaled by the open parts, so that shorter slots can hold the weight of a longer one.
    let ceiling = (CEILING / count(capacity.len())).max(1.0 / count(open));
    capacity
        .chunks((capacity.len() / n.max(1)).max(1))
        .enumerate()
        .map(|(slot, parts)| {
            let open = parts.iter().filter(is_open).count();
            let mean = parts.iter().sum::<f64>() / count(parts.len());
            let (coefficient, share) = match load {
                Load::Relative(coefficients) if all_closed => (coefficients[slot], 1.0),
                Load::Relative(coefficients) => (coefficients[slot], mean),
                Load::Unknown(_) => (1.0, 1.0),
            };
            Slot {
                coefficient,
                share,
                floor: if open > 0 { FLOOR / count(n) } else { 0.0 },
                ceiling: ceiling * count(open),
            }
        })
        .collect()
}

/// The load that readers bring, in mean slots; a weight w brings `brought × w`.
fn brought(load: Load<'_>, steerable_share: f64) -> f64 {
    steerable_share.max(LEAST_SHARE) * count(load.slots())
}

/// Divides `total` millionths among some slots.
fn pour(slots: &[Slot], total: u32, brought: f64) -> Vec<u32> {
    let of = |f: &dyn Fn(&Slot) -> f64| slots.iter().map(f).collect::<Vec<f64>>();
    let floors: f64 = slots.iter().map(|slot| slot.floor).sum();
    let weight = f64::from(total) / f64::from(MILLION);
    let filled = fill_shares(
        &of(&|slot| slot.coefficient + slot.floor * brought),
        &of(&|slot| (slot.ceiling - slot.floor) * brought),
        &of(&|slot| slot.share),
        brought * (weight - floors),
    );
    let exact: Vec<f64> = slots
        .iter()
        .zip(filled)
        .map(|(slot, added)| (slot.floor + added / brought) * f64::from(MILLION))
        .collect();
    let bounds = |least: fn(f64) -> f64, most: fn(f64) -> f64| {
        let of = |bound: f64, whole_of: fn(f64) -> f64| whole(whole_of(bound * f64::from(MILLION)));
        slots
            .iter()
            .map(|slot| (of(slot.floor, least), of(slot.ceiling, most)))
            .unzip::<u32, u32, Vec<u32>, Vec<u32>>()
    };
    let (mut least, mut most) = bounds(f64::ceil, f64::floor);
    // If rounding the bounds to millionths leaves no solution, widen each bound to the next
    // millionth.
    if least.iter().sum::<u32>() > total || most.iter().sum::<u32>() < total {
        (least, most) = bounds(f64::floor, f64::ceil);
    }
    largest_remainder(&exact, &least, &most, total)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to some millions"
)]
fn whole(number: f64) -> u32 {
    number as u32
}

fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_peak_gets_the_floor_and_no_hour_gets_all() {
        let mut coefficients = [1.0; 24];
        coefficients[1] = 2.37;
        coefficients[20] = 0.1;
        let weights = weights(Load::Relative(&coefficients), &[1.0; 24], 0.5);
        assert_eq!(weights[1], 4_167);
        assert!(weights[20] <= 125_000 && weights[20] > weights[19]);
        assert_eq!(weights.iter().sum::<u32>(), MILLION);
    }

    #[test]
    fn readers_who_follow_make_the_day_level() {
        let coefficients: Vec<f64> = (0..24).map(|h| 0.6 + 0.8 * f64::from(h) / 23.0).collect();
        let weights = weights(Load::Relative(&coefficients), &[1.0; 24], 0.5);
        let after: Vec<f64> = coefficients
            .iter()
            .zip(&weights)
            .map(|(c, w)| c + 12.0 * f64::from(*w) / 1e6)
            .collect();
        let highest = after.iter().copied().fold(0.0, f64::max);
        assert!(highest <= 1.53, "{highest}");
    }

    #[test]
    fn closed_slots_get_nothing_unless_all_are() {
        let mut capacity = [1.0; 24];
        capacity[3] = 0.0;
        let some = weights(Load::Relative(&[1.0; 24]), &capacity, 0.5);
        assert_eq!(some[3], 0);
        assert_eq!(some.iter().sum::<u32>(), MILLION);
        let none = weights(Load::Relative(&[1.0; 24]), &[0.0; 24], 0.5);
        assert_eq!(none.iter().sum::<u32>(), MILLION);
        assert!(none.iter().all(|w| (41_666..=41_667).contains(w)));
    }

    #[test]
    fn half_the_capacity_is_filled_half_as_high() {
        let mut capacity = [1.0; 24];
        capacity[3] = 0.5;
        let weights = weights(Load::Relative(&[0.5; 24]), &capacity, 1.0);
        assert!(weights[3] < weights[4] / 2, "{weights:?}");
    }

    proptest! {
        #[test]
        fn sums_to_exactly_one_within_the_bounds(
            n in prop::sample::select(vec![24_usize, 48, 96, 288]),
            seed in prop::collection::vec((0.0..5.0_f64, prop_oneof![3 => Just(1.0), 1 => Just(0.0), 1 => 0.1..1.0_f64]), 288),
            share in 0.0..1.0_f64,
        ) {
            let coefficients: Vec<f64> = seed[..n].iter().map(|s| s.0).collect();
            let capacity: Vec<f64> = seed[..n].iter().map(|s| s.1).collect();
            let weights = weights(Load::Relative(&coefficients), &capacity, share);
            prop_assert_eq!(weights.iter().sum::<u32>(), MILLION);
            let open = capacity.iter().filter(|c| **c > 0.0).count();
            let ceiling = (3.0 / count(n)).max(1.0 / count(open)) * 1e6;
            for (weight, capacity) in weights.iter().zip(&capacity) {
                if *capacity > 0.0 {
                    prop_assert!(f64::from(*weight) >= 0.1e6 / count(n));
                    prop_assert!(f64::from(*weight) <= ceiling + 1.0);
                } else {
                    prop_assert_eq!(*weight, 0);
                }
            }
        }
    }
}
