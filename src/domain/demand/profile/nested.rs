//! Short slots inside longer ones: quarters of an hour are shares of its halves, and these of it.
//!
//! Each length fits its own outliers: a spike of five minutes is wild there, and not in an hour. So
//! lengths fitted apart would not add up, and a short slot has few events to be judged by. The longer
//! slot is known better: it says how much there is, and its parts say how that is spread.

use super::robust::count;
use super::weigh::Weighed;
use crate::time::{HOUR, MINUTE};

/// The next longer slot, in seconds; `None` of an hour.
pub(super) const fn longer(slot_seconds: i64) -> Option<i64> {
    match slot_seconds {
        HOUR.. => None,
        seconds if seconds >= 30 * MINUTE => Some(HOUR),
        seconds if seconds >= 15 * MINUTE => Some(30 * MINUTE),
        _ => Some(15 * MINUTE),
    }
}

impl Weighed {
    /// Makes the mean of the parts of each longer slot of the week its coefficient, where something is
    /// known of it (`Some`). A part that is not known itself counts as the whole does.
    pub(super) fn nest(&mut self, longer: &[Option<f64>]) {
        let slots = self.known.len();
        let parts = self.slots.len() / longer.len().max(1);
        for (at, whole) in longer.iter().enumerate() {
            let Some(whole) = *whole else { continue };
            let week = at * parts..(at + 1) * parts;
            let first = week.start % slots;
            let day = first..first + parts;
            self.inside[day.clone()].fill(true);
            let found = &mut self.slots[week];
            for (part, known) in found.iter_mut().zip(&self.known[day]) {
                if !known {
                    part.coefficient = whole;
                }
            }
            let mean = found.iter().map(|part| part.coefficient).sum::<f64>() / count(parts);
            for part in found {
                if mean <= 0.0 {
                    part.coefficient = whole;
                    continue;
                }
                part.coefficient *= whole / mean;
                // Nothing is known of an interval that has no end.
                if part.high.is_finite() {
                    part.low *= whole / mean;
                    part.high *= whole / mean;
                }
            }
        }
    }
}
