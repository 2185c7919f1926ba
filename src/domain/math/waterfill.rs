//! Water-filling: pours an amount into slots so that their contents become level.

/// How much to add to each slot so that `base + added` is level. Slot `i` gets at most `limit[i]`,
/// and all slots together get `amount`, or as much as fits. Exact except for rounding. Slots with
/// an infinite base, or a limit not above 0, get nothing. All three are in the same unit.
#[must_use]
pub fn fill(base: &[f64], limit: &[f64], amount: f64) -> Vec<f64> {
    fill_shares(base, limit, &vec![1.0; base.len()], amount)
}

/// As [`fill`], but towards `share[i] × level` in slot `i`: a slot with half of the normal capacity
/// is filled half as high.
#[must_use]
pub fn fill_shares(base: &[f64], limit: &[f64], share: &[f64], amount: f64) -> Vec<f64> {
    let level = level(base, limit, share, amount);
    slots(base, limit, share)
        .map(|slot| slot.map_or(0.0, |slot| slot.added(level)))
        .collect()
}

/// The level λ at which Σ min(limit, max(0, share × λ − base)) is `amount`. If `amount` does not
/// fit, the lowest level that takes all that fits. If `amount` is 0, the level at which filling
/// would begin. 0 if no slot is open.
#[must_use]
pub fn level(base: &[f64], limit: &[f64], share: &[f64], amount: f64) -> f64 {
    // Between two edges the poured volume is linear: each slot begins to fill at one edge and is
    // full at the other.
    let mut edges: Vec<(f64, f64)> = slots(base, limit, share)
        .flatten()
        .flat_map(|slot| {
            let begins = slot.base / slot.share;
            let is_full = (slot.base + slot.limit) / slot.share;
            [(begins, slot.share), (is_full, -slot.share)]
        })
        .filter(|(at, _)| at.is_finite())
        .collect();
    edges.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let Some(&(mut level, _)) = edges.first() else {
        return 0.0;
    };
    let mut left = amount.max(0.0);
    let mut width = 0.0;
    let mut open = 0_u32;
    for (at, change) in edges {
        let volume = width * (at - level);
        if open > 0 && volume >= left {
            return level + left / width;
        }
        if open > 0 {
            left -= volume;
        } else if left <= 0.0 {
            return level;
        }
        level = at;
        width += change;
        if change > 0.0 {
            open += 1;
        } else {
            open -= 1;
        }
        if open == 0 {
            // Where the true sum of shares is 0, rounding errors remain.
            width = 0.0;
        }
    }
    if open > 0 {
        level + left / width
    } else {
        level
    }
}

#[derive(Clone, Copy)]
struct Slot {
    base: f64,
    limit: f64,
    share: f64,
}

impl Slot {
    fn added(self, level: f64) -> f64 {
        (self.share * level - self.base).clamp(0.0, self.limit)
    }
}

/// `None` for a slot that takes nothing.
fn slots(base: &[f64], limit: &[f64], share: &[f64]) -> impl Iterator<Item = Option<Slot>> {
    base.iter()
        .zip(limit)
        .zip(share)
        .map(|((&base, &limit), &share)| {
            (base.is_finite() && limit > 0.0 && share > 0.0).then_some(Slot { base, limit, share })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: f64 = f64::INFINITY;

    fn close(got: &[f64], want: &[f64]) {
        for (g, w) in got.iter().zip(want) {
            assert!((g - w).abs() < 1e-9, "{got:?} is not {want:?}");
        }
    }

    #[test]
    fn levels_what_it_can() {
        close(&fill(&[1.0, 3.0], &[NONE; 2], 4.0), &[3.0, 1.0]);
        close(&fill(&[1.0, 3.0], &[NONE; 2], 1.0), &[1.0, 0.0]);
        close(&fill(&[1.0, 3.0], &[0.5, NONE], 4.0), &[0.5, 3.5]);
        close(&fill(&[1.0, 3.0], &[0.5, 1.0], 4.0), &[0.5, 1.0]);
        close(&fill(&[1.0, 3.0], &[0.0, NONE], 4.0), &[0.0, 4.0]);
        close(&fill(&[5.0, 5.0], &[NONE; 2], 0.0), &[0.0, 0.0]);
        close(&fill(&[0.0, NONE], &[NONE; 2], 2.0), &[2.0, 0.0]);
        assert!(fill(&[], &[], 1.0).is_empty());
    }

    #[test]
    fn gaps_between_full_slots_are_jumped() {
        close(&fill(&[0.0, 10.0], &[1.0, 5.0], 3.0), &[1.0, 2.0]);
    }

    #[test]
    fn a_share_is_filled_in_proportion() {
        close(
            &fill_shares(&[0.0, 0.0], &[NONE; 2], &[1.0, 0.5], 3.0),
            &[2.0, 1.0],
        );
        assert!((level(&[0.0, 1.0], &[NONE; 2], &[1.0, 0.5], 2.0) - 2.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn keeps_its_promises(
            slots in prop::collection::vec(
                (0.0..1e6_f64, prop_oneof![0.0..1e5_f64, Just(0.0), Just(NONE)], 0.05..1.0_f64),
                1..300,
            ),
            amount in 0.0..1e8_f64,
        ) {
            let base: Vec<f64> = slots.iter().map(|s| s.0).collect();
            let limit: Vec<f64> = slots.iter().map(|s| s.1).collect();
            let share: Vec<f64> = slots.iter().map(|s| s.2).collect();
            let fits = limit.iter().sum::<f64>().min(amount);
            let added = fill_shares(&base, &limit, &share, amount);
            let sum: f64 = added.iter().sum();
            prop_assert!((sum - fits).abs() <= 1e-9 * (1.0 + fits + base.iter().sum::<f64>()));
            let highest = added.iter().zip(&base).zip(&share)
                .filter(|((a, _), _)| **a > 0.0)
                .map(|((a, b), s)| (a + b) / s)
                .fold(0.0, f64::max);
            for i in 0..base.len() {
                prop_assert!(added[i] >= 0.0 && added[i] <= limit[i]);
                // A slot below the highest level must be full.
                if (base[i] + added[i]) / share[i] < highest * (1.0 - 1e-9) - 1e-6 {
                    prop_assert!(added[i] >= limit[i] * (1.0 - 1e-9));
                }
            }
        }
    }
}
