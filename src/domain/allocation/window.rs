//! From a table and a hash to a window (`docs/allocation.md`, RFC 9773 section 4.2).

use super::band::{SHORTEST_WINDOW_SECONDS, seconds_to_own_rule};
use crate::certificate::hash::{lower_unit, upper_unit};
use crate::certificate::{Validity, own_rule_seconds};
use crate::math::number::{real, whole};
use crate::policy::ca::CaPolicy;
use crate::time::{HOUR, MINUTE, Span, Timestamp};

/// How far from its tick a client's run may be: jobs start together, scripts sleep, lists of
/// certificates are long. A window meant for a tick keeps this distance from it, and from the tick
/// before.
const TICK_GUARD_SECONDS: i64 = 5 * MINUTE;

/// The time left between two ticks that are an hour apart.
const WITHIN_SECONDS: i64 = HOUR - 2 * TICK_GUARD_SECONDS;

/// The spans of a slot in which a window may start: from there the shortest window fits before the next
/// closed span. `closed` is merged and in order.
#[must_use]
pub fn open_starts(slot: Span, closed: &[Span]) -> Vec<Span> {
    let mut open = Vec::with_capacity(1);
    let mut from = slot.from;
    for span in closed {
        if span.to <= from {
            continue;
        }
        let to = (span.from - (SHORTEST_WINDOW_SECONDS - 1)).min(slot.to);
        if to > from {
            open.push(Span { from, to });
        }
        from = from.max(span.to);
        if from >= slot.to {
            return open;
        }
    }
    if from < slot.to {
        open.push(Span { from, to: slot.to });
    }
    open
}

/// The window in `slot` for the hash `hash`. Its start is uniform to the second over the slot's open
/// time. Its length is a quarter of the slot, and at least ten minutes; a closed span or `not_after`
/// may end it earlier. If nothing in the slot is open, all of it counts as open.
#[must_use]
pub fn in_slot(hash: u128, slot: Span, closed: &[Span], not_after: Timestamp) -> Span {
    let open = open_starts(slot, closed);
    let (open, closed): (&[Span], &[Span]) = if open.is_empty() {
        (&[slot], &[])
    } else {
        (&open, closed)
    };
    let seconds: i64 = open.iter().map(|span| span.seconds()).sum();
    let mut offset = whole(lower_unit(hash) * real(seconds)).min(seconds - 1);
    let mut start = slot.from;
    for span in open {
        if offset < span.seconds() {
            start = span.from + offset;
            break;
        }
        offset -= span.seconds();
    }
    let long = (slot.seconds() / 4).max(SHORTEST_WINDOW_SECONDS);
    let next_closed = closed
        .iter()
        .map(|span| span.from)
        .find(|from| *from > start);
    let to = (start + long).min(next_closed.unwrap_or(Timestamp::MAX));
    ended_by(start, to, not_after)
}

/// The window of a certificate that is to be renewed at a tick of its client.
#[must_use]
pub fn for_tick(hash: u128, tick: Timestamp, window_seconds: i64, not_after: Timestamp) -> Span {
    let starts = starts_for_tick(tick, window_seconds);
    in_span(hash, starts, window_seconds, not_after)
}

/// The window of a certificate whose start is uniform over `starts`.
#[must_use]
pub fn in_span(hash: u128, starts: Span, window_seconds: i64, not_after: Timestamp) -> Span {
    let seconds = starts.seconds().max(1);
    let offset = whole(lower_unit(hash) * real(seconds)).min(seconds - 1);
    let start = starts.from + offset;
    ended_by(start, start + window_seconds, not_after)
}

/// Restricts starts to one open stretch: `starts` and `window_seconds` without the spans in `closed`.
/// The stretch is drawn by `hash` in proportion to its length, and the window ends before the next
/// closed span wherever it starts. If nothing is open, all of it counts as open. `closed` is merged, in
/// order, and reaches to the end of the last window.
#[must_use]
pub fn open_part(hash: u128, starts: Span, window_seconds: i64, closed: &[Span]) -> (Span, i64) {
    let whole_stretch = Span {
        from: starts.from,
        to: starts.to + window_seconds,
    };
    if !closed
        .iter()
        .any(|span| span.overlap_seconds(whole_stretch) > 0)
    {
        return (starts, window_seconds);
    }
    let open = open_starts(starts, closed);
    let seconds: i64 = open.iter().map(|span| span.seconds()).sum();
    let mut offset = whole(upper_unit(hash) * real(seconds));
    let drawn = open.iter().find(|span| {
        offset -= span.seconds();
        offset < 0
    });
    let Some(part) = drawn.or_else(|| open.last()).copied() else {
        return (starts, window_seconds);
    };
    let next_closed = closed
        .iter()
        .map(|span| span.from)
        .find(|from| *from >= part.to)
        .unwrap_or(Timestamp::MAX);
    let fits = next_closed - (part.to - 1);
    (part, window_seconds.min(fits))
}

/// Ends a window with its certificate at the latest, and after its start (RFC 9773 section 4.2).
fn ended_by(start: Timestamp, to: Timestamp, not_after: Timestamp) -> Span {
    let to = to.min(not_after);
    Span {
        from: start.min(to - 1),
        to,
    }
}

/// The length in seconds of a window for a tick: a quarter of a slot, and at least ten minutes.
#[must_use]
pub fn window_seconds_for_tick(slot_seconds: i64) -> i64 {
    // At least one second is left to choose a start from.
    (slot_seconds / 4).clamp(SHORTEST_WINDOW_SECONDS, WITHIN_SECONDS - 1)
}

/// The possible starts of a window of this length that makes a cron client renew at `tick`. The window
/// lies in the hour before the tick, ends before it, and is not open at the tick before, even if the
/// client ticks every hour.
#[must_use]
pub fn starts_for_tick(tick: Timestamp, window_seconds: i64) -> Span {
    let from = tick - (HOUR - TICK_GUARD_SECONDS);
    Span {
        from,
        to: from + (WITHIN_SECONDS - window_seconds + 1).max(1),
    }
}

/// The last tick that a client with few ticks can be made to renew at: the one at which its own rule
/// would make it renew. The current certificate was issued at a tick, so this is counted from its
/// issuance. `None` if the CA has its windows end much earlier.
#[must_use]
pub fn last_tick(policy: &CaPolicy, validity: Validity, issued_at: Timestamp) -> Option<Timestamp> {
    let life = validity.life_seconds();
    seconds_to_own_rule(policy, life)?;
    let from = issued_at.max(validity.not_before);
    Some(from + own_rule_seconds(life) + TICK_GUARD_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21T00:00:00Z.
    const MIDNIGHT: Timestamp = Timestamp::from_unix(1_795_219_200);

    #[test]
    fn a_window_for_a_tick_lies_between_it_and_the_one_before() {
        let at = MIDNIGHT + 3 * HOUR + 900;
        let mut starts = std::collections::HashSet::new();
        for n in 0..20_000_u64 {
            let hash = u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15));
            for slot_seconds in [3_600, 1_800, 900, 300] {
                let long = window_seconds_for_tick(slot_seconds);
                let among = starts_for_tick(at, long);
                let window = in_span(hash, among, long, Timestamp::MAX);
                assert!(window.seconds() >= 600);
                assert!(window.seconds() >= slot_seconds / 4);
                assert!(window.from >= at - 55 * MINUTE, "{window:?}");
                assert!(window.to <= at - 5 * MINUTE, "{window:?}");
            }
            let long = window_seconds_for_tick(3_600);
            let among = starts_for_tick(at, long);
            starts.insert(in_span(hash, among, long, Timestamp::MAX).from);
        }
        // 50 minutes less a window of 15 minutes: every start is drawn.
        assert_eq!(starts.len(), 35 * 60 + 1);
    }
}
