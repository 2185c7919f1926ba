//! The part of a certificate's life in which it may be asked to renew (`docs/allocation.md`).

use super::slots::SlotRange;
use crate::certificate::{SHORT_LIFE_SECONDS, Validity, own_rule_seconds, reserve_seconds};
use crate::math::number::{real, whole};
use crate::policy::ca::{BandRule, CaPolicy};
use crate::time::{DAY, HOUR, MINUTE, Span, Timestamp};

/// Shorter lives cannot be steered: a window and two polls do not fit into them.
pub const SHORTEST_LIFE_SECONDS: i64 = 10 * MINUTE;

/// Lives below this have no slots: their whole band is a few hours.
pub const SLOTLESS_LIFE_SECONDS: i64 = 12 * HOUR;

/// The slot length of lives under ten days, in seconds.
const FINE_SLOT_SECONDS: i64 = 15 * MINUTE;

/// A window is a quarter of its slot long, and at least this, because clients tick every ten minutes.
pub const SHORTEST_WINDOW_SECONDS: i64 = 10 * MINUTE;

/// A certificate registered later than this after its issuance is late: it is not one of a steady
/// stream, so the slots of its band are filled at once and not step by step.
pub const LATE_AFTER_SECONDS: i64 = HOUR;

/// A band has at most this many slots, and moves by at most as many in either direction. A fifth of a
/// life of two years is 3,504 hours. Without this limit the tables of lives of decades would have a
/// million slots.
const MOST_SLOTS: i64 = 4_096;

/// Clients that honour `Retry-After` exactly come back within its base plus a fifth. So all of them see
/// a window that opens later than that before it opens.
const POLL_MARGIN: f64 = 1.2;

/// The longest time from the end of a usual band to the client's own rule. Usual bands end two hours
/// before that rule, or a hundredth of the life for lives under ten days, which is 2.4 h at most.
const LONGEST_TO_OWN_RULE_SECONDS: i64 = 3 * HOUR;

/// Why a life cannot be steered.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BandError {
    /// `notAfter` is before `notBefore`.
    #[error("notAfter is before notBefore")]
    Reversed,
    /// The life is shorter than [`SHORTEST_LIFE_SECONDS`]; its length in seconds.
    #[error("a life of {0} s is too short: 600 s at least")]
    TooShort(i64),
}

/// When a certificate was registered, relative to its issuance and its band.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Arrival {
    /// Registered within an hour of its issuance, as one of a stream.
    Fresh,
    /// Registered later, as by an import, while at least a part of its band is still ahead.
    Late,
    /// Registered after its band was over; most likely replaced already.
    Past,
}

/// Where a certificate's window may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Within one of these slots.
    Slots(Arrival, SlotRange),
    /// At any second of a span, with this length.
    Starts {
        /// How the certificate came to its band.
        arrival: Arrival,
        /// The possible starts.
        starts: Span,
        /// The window's length in seconds.
        window_seconds: i64,
    },
}

impl Place {
    /// How the certificate came to its band.
    #[must_use]
    pub const fn arrival(self) -> Arrival {
        match self {
            Self::Slots(arrival, _) | Self::Starts { arrival, .. } => arrival,
        }
    }
}

/// The base of `Retry-After` in seconds: a 24th of the life, at most the configured value, between one
/// minute and one day. RFC 9773 section 4.3.2 has clients clamp to similar bounds.
#[must_use]
pub fn retry_after_base(policy: &CaPolicy, life_seconds: i64) -> i64 {
    policy
        .retry_after_seconds
        .min(life_seconds / 24)
        .clamp(MINUTE, DAY)
}

/// The earliest start of a window given at `now` that all clients see before it opens, because all of
/// them have polled by then.
#[must_use]
pub fn earliest_seen(policy: &CaPolicy, life_seconds: i64, now: Timestamp) -> Timestamp {
    now + whole((real(retry_after_base(policy, life_seconds)) * POLL_MARGIN).ceil())
}

/// The range in which the window of a certificate registered at `now` may be.
///
/// # Errors
/// [`BandError`] if the dates leave no room for a window.
pub fn place(
    policy: &CaPolicy,
    validity: Validity,
    issued_at: Timestamp,
    now: Timestamp,
) -> Result<Place, BandError> {
    if validity.not_after < validity.not_before {
        return Err(BandError::Reversed);
    }
    let life = validity.life_seconds();
    if life < SHORTEST_LIFE_SECONDS {
        return Err(BandError::TooShort(life));
    }
    let earliest = earliest_seen(policy, life, now);
    if life < SLOTLESS_LIFE_SECONDS {
        return Ok(without_slots(validity, now));
    }
    let whole_band = slots(policy, validity);
    let late = now - issued_at > LATE_AFTER_SECONDS;
    let first_seen = ceil_slot(earliest, whole_band.slot_seconds);
    if whole_band.first >= first_seen {
        let arrival = if late { Arrival::Late } else { Arrival::Fresh };
        let widest_first = whole_band.widest_first.max(first_seen);
        return Ok(Place::Slots(
            arrival,
            SlotRange {
                widest_first,
                ..whole_band
            },
        ));
    }
    if first_seen < whole_band.end {
        let rest = SlotRange {
            first: first_seen,
            widest_first: first_seen,
            ..whole_band
        };
        return Ok(Place::Slots(Arrival::Late, rest));
    }
    Ok(band_past(validity, whole_band, earliest, now))
}

/// The band of a life that has slots.
fn slots(policy: &CaPolicy, validity: Validity) -> SlotRange {
    let life = validity.life_seconds();
    let rule = rule_for(policy, life);
    let slot_seconds = if life < SHORT_LIFE_SECONDS {
        policy.slot_seconds.min(FINE_SLOT_SECONDS)
    } else {
        policy.slot_seconds
    };
    let latest = validity.not_after - reserve_seconds(life);
    let band_end =
        (validity.not_before + share_of(life, rule.end_fraction) + rule.end_offset_seconds)
            .min(latest);
    let end = band_end.slot(slot_seconds);
    // A certificate is not renewed in the first fifth of its life.
    let earliest_first = ceil_slot(validity.not_before + life / 5, slot_seconds).min(end - 1);
    let long = usual_seconds(rule, life);
    let widest = share_of(life, rule.max_length_fraction).max(long);
    let slots = |seconds: i64| (seconds / slot_seconds).clamp(1, MOST_SLOTS);
    SlotRange {
        slot_seconds,
        first: (end - slots(long)).max(earliest_first),
        end,
        widest_first: (end - slots(widest)).max(earliest_first),
        latest_end: latest.slot(slot_seconds).clamp(end, end + MOST_SLOTS),
    }
}

/// The number of slots in a band that has not widened, for a life of `life_seconds`.
pub(super) fn usual_slots(policy: &CaPolicy, life_seconds: i64, slot_seconds: i64) -> i64 {
    let rule = rule_for(policy, life_seconds);
    (usual_seconds(rule, life_seconds) / slot_seconds).clamp(1, MOST_SLOTS)
}

/// Seconds from the end of the band to the client's own rule. `None` if the CA has its windows end
/// earlier than the usual bands do.
pub(super) fn seconds_to_own_rule(policy: &CaPolicy, life_seconds: i64) -> Option<i64> {
    let rule = rule_for(policy, life_seconds);
    let end = share_of(life_seconds, rule.end_fraction) + rule.end_offset_seconds;
    let seconds = own_rule_seconds(life_seconds) - end;
    (0..=LONGEST_TO_OWN_RULE_SECONDS)
        .contains(&seconds)
        .then_some(seconds)
}

fn usual_seconds(rule: BandRule, life_seconds: i64) -> i64 {
    rule.length_seconds
        .min(share_of(life_seconds, rule.length_fraction))
}

fn rule_for(policy: &CaPolicy, life_seconds: i64) -> BandRule {
    let fits = |rule: &&BandRule| rule.min_life_seconds <= life_seconds;
    policy
        .bands
        .iter()
        .find(fits)
        .or_else(|| BandRule::DEFAULTS.iter().find(fits))
        .copied()
        .unwrap_or(BandRule::DEFAULTS[1])
}

/// A fraction of a life in whole seconds, rounded: two thirds of 90 days are exactly 60 days.
fn share_of(life_seconds: i64, fraction: f64) -> i64 {
    whole((real(life_seconds) * fraction).round())
}

/// The first slot that begins at `at` or later.
fn ceil_slot(at: Timestamp, slot_seconds: i64) -> i64 {
    (at + (slot_seconds - 1)).slot(slot_seconds)
}

/// The place for lives under twelve hours. The band is [0.2 L, 0.49 L); the start is uniform over its
/// first half, and the window is as long as half the band. Half of 0.29 L is ten minutes at a life of
/// 69 minutes. In shorter lives windows are shorter than ten minutes.
fn without_slots(validity: Validity, now: Timestamp) -> Place {
    let life = validity.life_seconds();
    let band = Span {
        from: validity.not_before + life / 5,
        to: validity.not_before + share_of(life, 0.49),
    };
    let half = (band.seconds() / 2).max(1);
    let starts = Span {
        from: band.from.max(now + 1),
        to: band.from + half,
    };
    if starts.seconds() > 0 {
        return Place::Starts {
            arrival: Arrival::Fresh,
            starts,
            window_seconds: half,
        };
    }
    at_the_end(validity, now + 1, half, half)
}

/// The place once the band is over: the next min(24 h, 0.15 L) from the first instant that all clients
/// see.
fn band_past(validity: Validity, band: SlotRange, earliest: Timestamp, now: Timestamp) -> Place {
    let life = validity.life_seconds();
    let next = DAY.min(life * 3 / 20);
    let first = ceil_slot(earliest, band.slot_seconds);
    let latest = validity.not_after - reserve_seconds(life);
    let end = (earliest + next).min(latest).slot(band.slot_seconds);
    if first < end {
        let range = SlotRange {
            slot_seconds: band.slot_seconds,
            first,
            end,
            widest_first: first,
            latest_end: latest.slot(band.slot_seconds).clamp(end, end + MOST_SLOTS),
        };
        return Place::Slots(Arrival::Past, range);
    }
    let from = if earliest < latest { earliest } else { now + 1 };
    at_the_end(validity, from, next, SHORTEST_WINDOW_SECONDS)
}

/// The rest of a life whose band is over: starts within `next` seconds from `from`. The window ends
/// before the reserve if that is still ahead, and before the end of life in any case.
fn at_the_end(validity: Validity, from: Timestamp, next: i64, window_seconds: i64) -> Place {
    let latest = validity.not_after - reserve_seconds(validity.life_seconds());
    let limit = if from < latest {
        latest
    } else {
        // Half of what is left for the start, the other half for the window.
        from + (validity.not_after - from) / 2
    };
    let starts = Span {
        from,
        to: limit.min(from + next).max(from + 1),
    };
    Place::Starts {
        arrival: Arrival::Past,
        starts,
        window_seconds,
    }
}
