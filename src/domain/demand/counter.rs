//! Counters as Prometheus keeps them: what they grew by, minute by minute.

use std::collections::{BTreeMap, BTreeSet};

use crate::math::number::{real, whole};

/// What counters grew by in each minute that is known, by the minute's end in Unix seconds. Each series is
/// its samples, ascending, one every `step_seconds`. A minute in which any of them fell, because a process
/// began again, is not known: of a sum it cannot be told how much of it was lost. Nor is one without
/// samples at both its ends.
#[must_use]
pub fn increases(series: &[Vec<(i64, f64)>], step_seconds: i64) -> BTreeMap<i64, u64> {
    let mut sums: BTreeMap<i64, f64> = BTreeMap::new();
    let mut fell = BTreeSet::new();
    for samples in series {
        for pair in samples.windows(2) {
            let [(from, before), (to, after)] = pair else {
                continue;
            };
            if to - from != step_seconds || !before.is_finite() || !after.is_finite() {
                continue;
            }
            if after < before {
                fell.insert(*to);
            }
            *sums.entry(*to).or_default() += after - before;
        }
    }
    sums.into_iter()
        .filter(|(at, sum)| !fell.contains(at) && *sum < real(i64::MAX / 2))
        .map(|(at, sum)| (at, whole(sum.round()).unsigned_abs()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resets_and_gaps_are_unknown_and_never_zero() {
        let one = vec![
            (0, 100.0),
            (60, 107.0),
            (120, 3.0),
            (180, 5.0),
            (300, 9.0),
            (360, 9.0),
        ];
        let other = vec![
            (0, 1.0),
            (60, 2.0),
            (120, 4.0),
            (180, 4.0),
            (300, f64::NAN),
            (360, 7.0),
        ];
        let found = increases(&[one.clone(), other], 60);
        assert_eq!(
            found,
            BTreeMap::from([(60, 8), (180, 2), (360, 0)]),
            "120 fell, 240 has no sample, 300 has none before it"
        );
        assert_eq!(increases(&[one], 60).get(&60), Some(&7));
        assert!(increases(&[], 60).is_empty());
    }
}
