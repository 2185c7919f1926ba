//! The time that a seed prefers among those ahead, when less than a whole day is allowed.

use super::pieces::{Piece, unit};
use crate::certificate::hash::mixed;
use crate::time::{DAY, MINUTE, Timestamp};

/// Draws for other purposes use lower salts.
const FIRST_SALT: i64 = 1 << 20;

/// Each minute of the day has one second and one key from this hash, -ln u ÷ weight, and the
/// smallest key wins. Minutes are thus chosen in proportion to their weights, as in weighted
/// sampling by Efraimidis and Spirakis (2006). The choice stays the same from call to call until
/// its time has come, or until a minute with a smaller key comes into range. `None` if none of
/// these seconds lies ahead.
pub(super) fn preferred(pieces: &[Piece], hash: u128) -> Option<Timestamp> {
    let first = pieces.first()?.span.from;
    let mut best: Option<(f64, Timestamp)> = None;
    for piece in pieces.iter().filter(|piece| piece.span.from < first + DAY) {
        let last = (piece.span.to - 1).unix().div_euclid(MINUTE);
        for minute in piece.span.from.unix().div_euclid(MINUTE)..=last {
            let bits = mixed(hash, FIRST_SALT + minute.rem_euclid(DAY / MINUTE));
            // The lower bits are not part of the key.
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
