//! The weights of the public file: how readers should spread over the slots of the day so that
//! what they bring makes the day level.

use crate::math::waterfill::fill_shares;

/// Weights are whole millionths, so that they sum to exactly 1.
pub const MILLION: u32 = 1_000_000;

/// The least weight of an open slot, in n-ths: nobody's measurement is so good that nobody should
/// go there.
const FLOOR: f64 = 0.1;
/// The greatest weight of a slot, in n-ths: never a single best hour.
const CEILING: f64 = 3.0;

/// Readers who move nothing still ask where to go; they are taken to be one in a hundred.
const LEAST_SHARE: f64 = 0.01;

/// Weights in millionths, one a slot of the day: water-filling of the load that readers bring
/// (`steerable_share` of the mean, 0 to 1) over `coefficients` (mean 1), towards a level
/// proportional to each slot's `capacity` (1 normal, 0 closed). With n slots each open one gets
/// 0.1/n to 3/n; where fewer than a third are open, these share alike. A closed slot gets 0,
/// unless all are closed: then none counts as closed. Millionths are rounded by largest remainder.
#[must_use]
pub fn weights(coefficients: &[f64], capacity: &[f64], steerable_share: f64) -> Vec<u32> {
    let n = count(coefficients.len());
    let is_closed: Vec<bool> = closed(capacity);
    let open = count(is_closed.iter().filter(|closed| !**closed).count());
    if open <= 0.0 {
        return Vec::new();
    }
    let floor = FLOOR / n;
    let ceiling = (CEILING / n).max(1.0 / open);
    // The load that readers bring, in mean slots; a weight w brings `brought × w`.
    let brought = steerable_share.max(LEAST_SHARE) * n;
    let of_open = |value: f64, closed: bool| if closed { 0.0 } else { value };
    let base: Vec<f64> = coefficients.iter().map(|c| c + floor * brought).collect();
    let limit: Vec<f64> = is_closed
        .iter()
        .map(|closed| of_open((ceiling - floor) * brought, *closed))
        .collect();
    let all_closed = capacity.iter().all(|share| *share <= 0.0);
    let shares: Vec<f64> = capacity
        .iter()
        .map(|share| if all_closed { 1.0 } else { *share })
        .collect();
    let poured = brought * (1.0 - open * floor);
    let filled = fill_shares(&base, &limit, &shares, poured);
    let exact: Vec<f64> = filled
        .iter()
        .zip(&is_closed)
        .map(|(added, closed)| of_open(floor + added / brought, *closed))
        .collect();
    round(&exact, &is_closed, floor, ceiling)
}

/// Which slots of the day are closed for good: none, where all are.
#[must_use]
pub fn closed(capacity: &[f64]) -> Vec<bool> {
    let all = capacity.iter().all(|share| *share <= 0.0);
    capacity.iter().map(|share| *share <= 0.0 && !all).collect()
}

/// Largest remainder, within floor and ceiling.
fn round(exact: &[f64], is_closed: &[bool], floor: f64, ceiling: f64) -> Vec<u32> {
    let open = is_closed.iter().filter(|closed| !**closed).count();
    let open = u32::try_from(open).unwrap_or(u32::MAX).max(1);
    let least = millionths((floor * f64::from(MILLION)).ceil());
    // A ceiling that is no whole number of millionths may be a few too low for all of them.
    let most = millionths((ceiling * f64::from(MILLION)).floor()).max(MILLION.div_ceil(open));
    let mut rounded: Vec<u32> = exact
        .iter()
        .zip(is_closed)
        .map(|(weight, closed)| match closed {
            true => 0,
            false => millionths((weight * f64::from(MILLION)).floor()).clamp(least, most),
        })
        .collect();
    let mut order: Vec<usize> = (0..exact.len()).filter(|i| !is_closed[*i]).collect();
    let owed =
        |rounded: &[u32], i: usize| exact[i].mul_add(f64::from(MILLION), -f64::from(rounded[i]));
    let start = rounded.clone();
    order.sort_by(|a, b| owed(&start, *b).total_cmp(&owed(&start, *a)).then(a.cmp(b)));
    let mut sum: u32 = rounded.iter().sum();
    while sum < MILLION {
        let before = sum;
        for i in &order {
            if sum < MILLION && rounded[*i] < most {
                rounded[*i] += 1;
                sum += 1;
            }
        }
        if sum == before {
            break;
        }
    }
    while sum > MILLION {
        let before = sum;
        for i in order.iter().rev() {
            if sum > MILLION && rounded[*i] > least {
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "0 to a million"
)]
fn millionths(number: f64) -> u32 {
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
        let weights = weights(&coefficients, &[1.0; 24], 0.5);
        assert_eq!(weights[1], 4_167);
        assert!(weights[20] <= 125_000 && weights[20] > weights[19]);
        assert_eq!(weights.iter().sum::<u32>(), MILLION);
    }

    #[test]
    fn readers_who_follow_make_the_day_level() {
        let coefficients: Vec<f64> = (0..24).map(|h| 0.6 + 0.8 * f64::from(h) / 23.0).collect();
        let weights = weights(&coefficients, &[1.0; 24], 0.5);
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
        let some = weights(&[1.0; 24], &capacity, 0.5);
        assert_eq!(some[3], 0);
        assert_eq!(some.iter().sum::<u32>(), MILLION);
        let none = weights(&[1.0; 24], &[0.0; 24], 0.5);
        assert_eq!(none.iter().sum::<u32>(), MILLION);
        assert!(none.iter().all(|w| (41_666..=41_667).contains(w)));
    }

    #[test]
    fn half_the_capacity_is_filled_half_as_high() {
        let mut capacity = [1.0; 24];
        capacity[3] = 0.5;
        let weights = weights(&[0.5; 24], &capacity, 1.0);
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
            let weights = weights(&coefficients, &capacity, share);
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
