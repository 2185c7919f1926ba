//! Limits how far weights move from one publication to the next, so that a day of wrong data, by
//! mistake or malice, does little harm before someone notices.

use serde::Deserialize;

use crate::math::number::real_len;
use crate::publication::weights::{MILLION, largest_remainder};
use crate::time::Timestamp;

/// A weight moves by at most half of the mean weight. From the floor (a tenth of the mean) to the
/// ceiling (three times the mean) it takes six publications.
pub const MOST_MOVE: f64 = 0.5;

/// The fields needed of the previous publication.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Before {
    valid_until: Timestamp,
    slots: Vec<Slot>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Slot {
    weight: f64,
    #[serde(default)]
    insufficient_data: bool,
    #[serde(default)]
    failing: bool,
}

/// Weights in millionths, as close to `weights` as the publication `before` allows. All move by the
/// same fraction of their way, so that they still sum to one.
///
/// There is no limit if there is no earlier publication, if it has expired, if it knew too little
/// about a slot, or if a slot was closed or opened since. Only the operator closes slots: a slot
/// that is `failing` because of sources' reports does not count as closed.
pub(super) fn limited(
    weights: Vec<u32>,
    failing: &[bool],
    before: Option<&[u8]>,
    now: Timestamp,
) -> Vec<u32> {
    let Some(before) = before.and_then(|bytes| serde_json::from_slice::<Before>(bytes).ok()) else {
        return weights;
    };
    let old: Vec<u32> = before
        .slots
        .iter()
        .map(|slot| millionths(slot.weight))
        .collect();
    let closed_alike = || {
        let was = before.slots.iter().zip(&old);
        let was_closed = was.map(|(slot, weight)| *weight == 0 && !slot.failing);
        let is_closed = weights.iter().zip(failing);
        let is_closed = is_closed.map(|(weight, failing)| *weight == 0 && !failing);
        was_closed.eq(is_closed)
    };
    if before.valid_until < now
        || old.len() != weights.len()
        || before.slots.iter().any(|slot| slot.insufficient_data)
        || !closed_alike()
    {
        return weights;
    }
    let most = (MOST_MOVE * f64::from(MILLION) / real_len(weights.len().max(1))).floor();
    let moves = || {
        weights
            .iter()
            .zip(&old)
            .map(|(new, old)| f64::from(*new) - f64::from(*old))
    };
    let farthest = moves().map(f64::abs).fold(0.0, f64::max);
    if farthest <= most {
        return weights;
    }
    let exact: Vec<f64> = moves()
        .zip(&old)
        .map(|(by, old)| f64::from(*old) + by * most / farthest)
        .collect();
    let least: Vec<u32> = exact.iter().map(|weight| floor(*weight)).collect();
    let greatest: Vec<u32> = exact.iter().map(|weight| floor(weight.ceil())).collect();
    largest_remainder(&exact, &least, &greatest, MILLION)
}

fn millionths(weight: f64) -> u32 {
    floor((weight * f64::from(MILLION)).round())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights are 0 to a million millionths; what is none of them saturates"
)]
fn floor(number: f64) -> u32 {
    number.floor() as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_795_392_000);

    fn published(weights: &[u32], until: Timestamp) -> Vec<u8> {
        let slots: Vec<serde_json::Value> = weights
            .iter()
            .map(|weight| serde_json::json!({"weight": f64::from(*weight) / 1e6}))
            .collect();
        serde_json::to_vec(&serde_json::json!({"validUntil": until, "slots": slots})).unwrap()
    }

    fn whole(shares: &[u32]) -> Vec<u32> {
        let sum: f64 = shares.iter().map(|share| f64::from(*share)).sum();
        let exact: Vec<f64> = shares.iter().map(|s| f64::from(*s) / sum * 1e6).collect();
        let n = shares.len();
        largest_remainder(&exact, &vec![1; n], &vec![MILLION; n], MILLION)
    }

    proptest! {
        #[test]
        fn no_weight_moves_further_than_the_limit(
            old in prop::collection::vec(1_u32..100_000, 24),
            new in prop::collection::vec(1_u32..100_000, 24),
        ) {
            let (old, new) = (whole(&old), whole(&new));
            let got = limited(new.clone(), &[false; 24], Some(&published(&old, NOW)), NOW);
            prop_assert_eq!(got.iter().sum::<u32>(), MILLION);
            for ((got, old), new) in got.iter().zip(&old).zip(&new) {
                // 0.5 / 24, in millionths.
                prop_assert!(got.abs_diff(*old) <= 20_833, "{got} {old}");
                prop_assert!(*got >= *old.min(new) && *got <= *old.max(new));
            }
        }
    }

    #[test]
    fn weights_are_free_where_the_one_before_says_nothing() {
        let old = whole(&[1; 24]);
        let mut busy = [1; 24];
        busy[3] = 100;
        let new = whole(&busy);
        let free = |before: Option<&[u8]>| limited(new.clone(), &[false; 24], before, NOW) == new;
        assert!(!free(Some(&published(&old, NOW))));
        assert!(free(None) && free(Some(b"{}")));
        assert!(free(Some(&published(&old, NOW - 1))), "past its time");
        assert!(
            free(Some(&published(&whole(&[1; 48]), NOW))),
            "slots of another length"
        );
        let mut closed = old;
        closed[4] += closed[5];
        closed[5] = 0;
        assert!(free(Some(&published(&closed, NOW))), "a slot was opened");
    }
}
