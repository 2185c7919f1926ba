//! The parts of a ranking other than the load of slots: failures, their breakdown, and how the peak
//! moved.

use std::collections::BTreeMap;

use super::document::{Dimension, PeakMove};
use crate::demand::breakdown::Slots;
use crate::demand::profile::{PeakChange, Rate};
use crate::math::number::thousandths;
use crate::time::clock;

/// Whether the share of successful attempts meets the objective; `None` without an objective or
/// without reports of failures. The objective counts as missed only if the whole 95 % interval of
/// the failure rate is above the allowed rate, so that chance alone does not count.
pub(super) fn objective_met(objective: Option<f64>, failures: Option<Rate>) -> Option<bool> {
    let may_fail = 1.0 - objective?;
    // 1 − 0.99 is a little above 0.01.
    Some(failures?.low <= may_fail + 1e-9)
}

/// The figures of a slot by dimension, in the order of their names.
pub(super) fn dimensions(by_dimension: &BTreeMap<String, Slots>, slot: usize) -> Vec<Dimension> {
    by_dimension
        .iter()
        .map(|(name, slots)| Dimension {
            name: name.clone(),
            failure_rate: slots[slot].failure_rate().map(thousandths),
            latency_p95_ms: slots[slot].latency_p95_ms.map(thousandths),
        })
        .collect()
}

/// How the peak moved, oldest first.
pub(super) fn peak_history(changes: &[PeakChange]) -> Vec<PeakMove> {
    changes
        .iter()
        .map(|change| PeakMove {
            at: change.at,
            from: clock(change.from),
            to: clock(change.to),
        })
        .collect()
}

/// The strictest of several objectives.
pub(super) fn strictest(objectives: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    objectives.flatten().reduce(f64::max)
}
