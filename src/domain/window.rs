//! From a table and a hash to a window (design section 4, RFC 9773 section 4.2).

use super::band::SHORTEST_WINDOW_SECONDS;
use super::hash::{lower_unit, upper_unit};
use super::number::{real, whole};
use super::rhythm::starts_for_tick;
use super::time::{Span, Timestamp};

/// The seconds of a slot at which a window may start: those from which the shortest window fits
/// before the next closed span. `closed` is merged and in order.
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

/// The window in `slot` of the certificate whose draw has the hash `hash`: its start uniform to
/// the second over the slot's open seconds, its length a quarter of the slot and at least ten
/// minutes, ended early by a closed span or by `not_after`. Where nothing is open, the slot counts
/// as open.
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

/// The window of a certificate that is to be renewed at a tick of its client's.
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

/// What is left of `starts`, and of a window of `window_seconds`, where `closed` takes its part:
/// one of the open stretches, drawn by `hash` in proportion to its seconds, and a window that ends
/// before the next closed span wherever it starts. Where nothing is open, all of it as if it were.
/// `closed` is merged, in order, and reaches to the end of the last window.
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

/// A window never outlives its certificate (RFC 9773 section 4.2 asks for an end after the start).
fn ended_by(start: Timestamp, to: Timestamp, not_after: Timestamp) -> Span {
    let to = to.min(not_after);
    Span {
        from: start.min(to - 1),
        to,
    }
}
