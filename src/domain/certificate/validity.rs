//! The dates of a certificate, and what follows from its life alone.

use crate::math::number::{real, whole};
use crate::time::{DAY, Timestamp};

/// A life below this is a short one: its client renews at half of it, and its slots are a quarter of an
/// hour at most, since its band is hours long, not days.
pub const SHORT_LIFE_SECONDS: i64 = 10 * DAY;

/// The dates of a certificate, both inclusive (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first second of life.
    pub not_before: Timestamp,
    /// The last second of life.
    pub not_after: Timestamp,
}

impl Validity {
    /// The life L in seconds: `notAfter − notBefore + 1`.
    #[must_use]
    pub fn life_seconds(self) -> i64 {
        self.not_after - self.not_before + 1
    }
}

/// Seconds from `notBefore` at which a client that nobody steers renews: 2/3 of the life, or half
/// of one under ten days.
#[must_use]
pub const fn own_rule_seconds(life_seconds: i64) -> i64 {
    if life_seconds < SHORT_LIFE_SECONDS {
        life_seconds / 2
    } else {
        life_seconds / 3 * 2 + life_seconds % 3 * 2 / 3
    }
}

/// Seconds before `notAfter` that stay free for renewals that fail: a tenth of the life, three
/// days at most.
#[must_use]
pub fn reserve_seconds(life_seconds: i64) -> i64 {
    (life_seconds / 10).min(3 * DAY)
}

/// The class of lives within about five per cent of each other: they share bands and tables.
#[must_use]
pub fn life_class(life_seconds: i64) -> i64 {
    // ln 1.05 = 0.0488: 31 years are class 424, twelve hours class 218.
    whole((real(life_seconds.max(1)).ln() / 1.05_f64.ln()).round())
}
