//! The rules that offpeak is compared with.

use super::given::Given;
use crate::domain::certificate::own_rule_seconds;
use crate::domain::math::number::{real, whole};
use crate::domain::time::{DAY, HOUR, Span, Timestamp};

/// Boulder's window: 1 % of life to either side of 2/3 of life, or of half of a life under ten days.
pub(super) fn boulder(at: Timestamp, life_seconds: i64) -> Given {
    let middle = at + own_rule_seconds(life_seconds);
    let margin = (life_seconds / 100).max(1);
    Given::one(Span {
        from: middle - margin,
        to: middle + margin,
    })
}

/// The slots of the day that ends two hours before the own rule (for short lives, of 15 % of the life,
/// ending closer to it), drawn with probabilities inverse to the `load` of each.
pub(super) fn inverse(
    at: Timestamp,
    life_seconds: i64,
    slot_seconds: i64,
    load: impl Fn(Timestamp) -> f64,
) -> Given {
    let margin = (2 * HOUR).min(life_seconds / 20);
    let end = (at + own_rule_seconds(life_seconds) - margin).slot(slot_seconds);
    let long = DAY.min(whole(0.15 * real(life_seconds)));
    let first = end - (long / slot_seconds).max(1);
    let mut windows: Vec<(Span, f64)> = (first..end)
        .map(|slot| {
            let from = Timestamp::from_unix(slot * slot_seconds);
            let span = Span {
                from,
                to: from + slot_seconds,
            };
            (span, 1.0 / load(from).max(0.05))
        })
        .collect();
    let total: f64 = windows.iter().map(|(_, share)| share).sum();
    for (_, share) in &mut windows {
        *share /= total;
    }
    Given(windows)
}
