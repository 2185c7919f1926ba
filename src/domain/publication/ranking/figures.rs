//! The numbers of a ranking that add up exactly: those of shorter slots to those of longer ones,
//! after rounding.

use super::limit::limited;
use crate::demand::profile::Profile;
use crate::publication::weights::{Load, closed, largest_remainder, weights, weights_within};
use crate::time::Timestamp;

/// Coefficients and weights as integers, in units of their last decimal.
pub(super) struct Figures {
    /// The coefficients of the slots of the day, in thousandths.
    day: Vec<u32>,
    /// The coefficients of the slots of the week, in thousandths.
    week: Vec<u32>,
    /// The weights of the slots of the day, in millionths.
    pub(super) weights: Vec<u32>,
    /// The slots of the day that no client should be sent to: closed every day, or failing day by
    /// day.
    pub(super) closed: Vec<bool>,
    /// Those of them that fail but are not closed.
    pub(super) failing: Vec<bool>,
}

impl Figures {
    /// The figures of `profile` with a `capacity` for each slot of the day, or each part of one, if
    /// readers can move `steerable_share` of the mean load. The weights of a slot's parts sum to
    /// its weight, and the mean of their coefficients is its coefficient if any is known.
    pub(super) fn of(profile: &Profile, capacity: &[f64], steerable_share: f64) -> Self {
        let shut = closed(capacity, profile.day.len());
        let (capacity, failing) = without_failing(profile, capacity, &shut);
        let mut figures = Self::under(profile, &capacity, steerable_share);
        figures.failing = failing;
        figures
    }

    fn under(profile: &Profile, capacity: &[f64], steerable_share: f64) -> Self {
        let longer = profile
            .longer
            .as_ref()
            .map(|longer| (&**longer, Self::under(longer, capacity, steerable_share)));
        let day: Vec<f64> = profile.day.iter().map(|slot| slot.coefficient).collect();
        let week: Vec<f64> = profile.week.iter().map(|slot| slot.coefficient).collect();
        let load = if profile.knows_anything() {
            Load::Relative(&day)
        } else {
            Load::Unknown(day.len())
        };
        let closed = closed(capacity, day.len());
        match longer {
            None => Self {
                day: day.iter().map(|c| thousandths(*c)).collect(),
                week: week.iter().map(|c| thousandths(*c)).collect(),
                weights: weights(load, capacity, steerable_share),
                closed,
                failing: Vec::new(),
            },
            Some((longer, whole)) => {
                let known = |slot: usize| longer.is_known(slot % longer.slots_per_day());
                Self {
                    day: shared_out(&whole.day, &day, known),
                    week: shared_out(&whole.week, &week, known),
                    weights: weights_within(&whole.weights, load, capacity, steerable_share),
                    closed,
                    failing: Vec::new(),
                }
            }
        }
    }

    /// Limits how far the weights move from the publication `before`.
    pub(super) fn limit(&mut self, before: Option<&[u8]>, now: Timestamp) {
        let weights = std::mem::take(&mut self.weights);
        self.weights = limited(weights, &self.failing, before, now);
    }

    /// The coefficient of a slot of the day, to three decimals.
    pub(super) fn of_day(&self, slot: usize) -> f64 {
        f64::from(self.day[slot]) / 1_000.0
    }

    /// The coefficient of a slot of the week, to three decimals.
    pub(super) fn of_week(&self, slot: usize) -> f64 {
        f64::from(self.week[slot]) / 1_000.0
    }
}

/// The capacity by part of the day, set to 0 in slots that fail, and which slots those are. If
/// nothing else is open, the capacity stays as it is, because a failing hour is better than a
/// closed one.
fn without_failing(profile: &Profile, capacity: &[f64], shut: &[bool]) -> (Vec<f64>, Vec<bool>) {
    let slots = shut.len();
    let failing: Vec<bool> = (0..slots)
        .map(|slot| profile.is_failing(slot) && !shut[slot])
        .collect();
    let parts = (capacity.len() / slots.max(1)).max(1);
    let left: Vec<f64> = capacity
        .chunks(parts)
        .zip(&failing)
        .flat_map(|(parts, failing)| {
            parts
                .iter()
                .map(|share| if *failing { 0.0 } else { *share })
        })
        .collect();
    if left.iter().any(|share| *share > 0.0) {
        (left, failing)
    } else {
        (capacity.to_vec(), vec![false; slots])
    }
}

/// Coefficients of parts, in thousandths. Their mean is that of each whole that is `known`.
fn shared_out(whole: &[u32], parts: &[f64], known: impl Fn(usize) -> bool) -> Vec<u32> {
    let times = (parts.len() / whole.len().max(1)).max(1);
    parts
        .chunks(times)
        .zip(whole)
        .enumerate()
        .flat_map(|(slot, (parts, whole))| {
            let sum: f64 = parts.iter().sum();
            if !known(slot) || sum <= 0.0 {
                return parts.iter().map(|c| thousandths(*c)).collect();
            }
            let total = whole * u32::try_from(parts.len()).unwrap_or(1);
            let exact: Vec<f64> = parts.iter().map(|c| c / sum * f64::from(total)).collect();
            let (least, most) = (vec![0; parts.len()], vec![total; parts.len()]);
            largest_remainder(&exact, &least, &most, total)
        })
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "coefficients are 0 to some thousands"
)]
fn thousandths(coefficient: f64) -> u32 {
    (coefficient * 1_000.0).round() as u32
}
