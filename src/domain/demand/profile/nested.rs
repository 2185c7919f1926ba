//! Short slots within longer ones: quarters of an hour are shares of half hours, and these of hours.
//!
//! Each length has its own outliers: a spike of five minutes is one among slots of five minutes, but
//! not in an hour. So separate fits would not add up, and a short slot has few events to fit. The
//! longer slot is better known: it gives the amount, and its parts give the distribution.

use super::robust::count;
use super::weigh::Weighed;
use crate::time::{HOUR, MINUTE};

/// The next longer slot, in seconds; `None` for an hour.
pub(super) const fn longer(slot_seconds: i64) -> Option<i64> {
    match slot_seconds {
        HOUR.. => None,
        seconds if seconds >= 30 * MINUTE => Some(HOUR),
        seconds if seconds >= 15 * MINUTE => Some(30 * MINUTE),
        _ => Some(15 * MINUTE),
    }
}

impl Weighed {
    /// Scales the parts of each longer slot of the week so that their mean is its coefficient, if that
    /// is known (`Some`). A part that is unknown itself gets the coefficient of the longer slot.
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
                // An infinite interval means that nothing is known.
                if part.high.is_finite() {
                    part.low *= whole / mean;
                    part.high *= whole / mean;
                }
            }
        }
    }
}
