//! Slots beside the instant at which a client renews by its own rule, whatever its window.
//!
//! A client that wakes once a day comes at the first tick after its window. A window more than a day
//! before its own rule would bring it a tick too early: to where those come who were issued the
//! tick before.

use super::band::{Arrival, seconds_to_own_rule};
use super::level::open_slots;
use super::rates::Forecast;
use crate::allocation::slots::SlotRange;
use crate::time::DAY;

/// Two days: until polls have shown of a day's certificates who follows (26 h after it), the windows given
/// keep nobody away from the busy hours for sure.
const FIRST_DAYS_SECONDS: i64 = 2 * DAY;

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

/// A band in a registry's first days, while no profile tells when others come: the part of it that
/// lies in the last day before the own rule.
///
/// Nobody was sent anywhere before the registry's first day, so all of those issued the day before
/// come as ever. With the whole band, which begins up to 26 h before the own rule, a twelfth of the
/// clients of a midnight would be called to the midnight before theirs.
pub(super) fn in_first_days(
    arrival: Arrival,
    range: SlotRange,
    forecast: &Forecast<'_>,
) -> SlotRange {
    let Forecast {
        policy,
        ledger,
        profile,
        now,
        ..
    } = *forecast;
    let age = now - ledger.begins().unwrap_or(now);
    let known = age >= FIRST_DAYS_SECONDS || profile.knows_anything();
    // Where the CA has its bands longer than a day, it wants it so.
    let longer = range.to() - range.from() > DAY;
    if arrival != Arrival::Fresh || known || longer {
        return range;
    }
    let Some(seconds) = seconds_after(forecast) else {
        return range;
    };
    // Up to a slot later than the band's end is rounded down to, and one more for clients that sleep
    // some minutes after their tick.
    let own_rule = range.end + seconds / range.slot_seconds + 2;
    let shorter = SlotRange {
        first: (own_rule - DAY / range.slot_seconds).max(range.first),
        ..range
    };
    let (capacity, _) = open_slots(shorter, policy);
    if capacity.iter().any(|slot| slot.share > 0.0) {
        shorter
    } else {
        range
    }
}

/// From the end of the band to the own rule of a client issued at a tick, in seconds.
fn seconds_after(forecast: &Forecast<'_>) -> Option<i64> {
    let policy = forecast.policy;
    let seconds = seconds_to_own_rule(policy, forecast.life_seconds)?;
    Some(seconds + policy.backdate_seconds.min(DAY))
}
