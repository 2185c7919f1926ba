//! Slots beside the instant at which a client renews by its own rule, whatever its window.
//!
//! A client that wakes once a day comes at the first tick after its window. A window more than a day
//! before its own rule would bring it a tick too early: to where those come who were issued the
//! tick before.

use super::band::{Arrival, seconds_to_own_rule};
use super::rates::Forecast;
use crate::allocation::slots::SlotRange;
use crate::time::DAY;

/// The slots after a band, up to those in which its clients' own rule brings them that wake at ticks;
/// `None` where no stream of such clients comes, or the CA wants all windows to end long before that.
pub(super) fn slots_after(
    arrival: Arrival,
    range: SlotRange,
    forecast: &Forecast<'_>,
) -> Option<SlotRange> {
    if arrival != Arrival::Fresh {
        return None;
    }
    // The band's end is rounded down to a slot, and the last tick lies a little after the own rule.
    Some(SlotRange {
        first: range.end,
        end: range.end + seconds_after(forecast)? / range.slot_seconds + 2,
        ..range
    })
}

/// From the end of the band to the own rule of a client issued at a tick, in seconds.
fn seconds_after(forecast: &Forecast<'_>) -> Option<i64> {
    let policy = forecast.policy;
    let seconds = seconds_to_own_rule(policy, forecast.life_seconds)?;
    Some(seconds + policy.backdate_seconds.min(DAY))
}
