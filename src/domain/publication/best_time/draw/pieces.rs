//! The drawable times, in pieces of uniform probability.

use crate::time::{Span, Timestamp};

/// Seconds with the same probability.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) span: Span,
    pub(super) per_second: f64,
}

impl Piece {
    fn mass(&self) -> f64 {
        self.per_second * seconds(self.span)
    }

    /// The parts of it outside this slot of the day. A piece is at most a day long.
    pub(super) fn without(self, slot: i64, slot_seconds: i64) -> impl Iterator<Item = Self> {
        let day = self.span.from - self.span.from.second_of_day();
        let cut = Span {
            from: day + slot * slot_seconds,
            to: day + (slot + 1) * slot_seconds,
        };
        let before = Span {
            from: self.span.from,
            to: self.span.to.min(cut.from),
        };
        let after = Span {
            from: self.span.from.max(cut.to),
            to: self.span.to,
        };
        [before, after]
            .into_iter()
            .filter(|span| span.from < span.to)
            .map(move |span| Self { span, ..self })
    }
}

/// Maps `bits` to a second in the pieces.
pub(super) fn drawn(pieces: &[Piece], bits: u128) -> Option<Timestamp> {
    let all: f64 = pieces.iter().map(Piece::mass).sum();
    let last = pieces.last()?;
    let mut left = unit(bits) * all;
    for piece in pieces {
        let mass = piece.mass();
        if left < mass {
            return Some(piece.span.from + whole(left / piece.per_second, piece.span));
        }
        left -= mass;
    }
    // Rounding may leave a tiny remainder.
    Some(last.span.to - 1)
}

/// A number from 0 to below 1, made from the upper 53 bits, which an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
pub(super) fn unit(bits: u128) -> f64 {
    let upper = u64::try_from(bits >> 75).unwrap_or(0);
    upper as f64 / (1_u64 << 53) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "0 to the seconds of a slot"
)]
fn whole(second: f64, span: Span) -> i64 {
    (second as i64).clamp(0, span.seconds() - 1)
}

#[expect(clippy::cast_precision_loss, reason = "seconds of a slot")]
fn seconds(span: Span) -> f64 {
    span.seconds() as f64
}
