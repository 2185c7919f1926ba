//! The time that a seed prefers among those that lie ahead, where that is less than a whole day.

use super::pieces::{Piece, unit};
use crate::certificate::hash::mixed;
use crate::time::{DAY, MINUTE, Timestamp};

/// Draws of other purposes have the salts below.
const FIRST_SALT: i64 = 1 << 20;

/// Each minute of the day has one second and one key of this hash, -ln u ÷ weight; the smallest key
/// is taken. So minutes are chosen in proportion to their weights, as in weighted sampling by Efraimidis
/// and Spirakis (2006), and the choice stays the same from call to call until its time has come, or
/// until one that is preferred comes within reach. `None` where none of these seconds lies ahead.
pub(super) fn preferred(pieces: &[Piece], hash: u128) -> Option<Timestamp> {
    let first = pieces.first()?.span.from;
    let mut best: Option<(f64, Timestamp)> = None;
    for piece in pieces.iter().filter(|piece| piece.span.from < first + DAY) {
        let last = (piece.span.to - 1).unix().div_euclid(MINUTE);
        for minute in piece.span.from.unix().div_euclid(MINUTE)..=last {
            let bits = mixed(hash, FIRST_SALT + minute.rem_euclid(DAY / MINUTE));
            // The lower bits are others than those of the key.
            let second = (i64::try_from(bits & 0xffff_ffff).unwrap_or(0) * MINUTE) >> 32;
            let at = Timestamp::from_unix(minute * MINUTE + second);
            let key = -(1.0 - unit(bits)).ln() / piece.per_second;
            if piece.span.contains(at) && best.is_none_or(|(least, _)| key < least) {
                best = Some((key, at));
            }
        }
    }
    best.map(|(_, at)| at)
}
