//! The dates of a certificate, and what follows from its lifetime alone.

use crate::math::number::{real, whole};
use crate::time::{DAY, Timestamp};

/// A lifetime below this is short: its client renews at half of it. Its band is hours rather than
/// days long, so its slots are at most a quarter of an hour.
pub const SHORT_LIFE_SECONDS: i64 = 10 * DAY;

/// The dates of a certificate, both inclusive (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Validity {
    /// The first second of validity.
    pub not_before: Timestamp,
    /// The last second of validity.
    pub not_after: Timestamp,
}

impl Validity {
    /// The lifetime L in seconds: `notAfter − notBefore + 1`.
    #[must_use]
    pub fn life_seconds(self) -> i64 {
        self.not_after - self.not_before + 1
    }
}

/// The own rule: seconds from `notBefore` after which an unsteered client renews. 2/3 of the
/// lifetime, or half of one under ten days.
#[must_use]
pub const fn own_rule_seconds(life_seconds: i64) -> i64 {
    if life_seconds < SHORT_LIFE_SECONDS {
        life_seconds / 2
    } else {
        life_seconds / 3 * 2 + life_seconds % 3 * 2 / 3
    }
}

/// Seconds before `notAfter` that are left free for repeating failed renewals: a tenth of the
/// lifetime, at most three days.
#[must_use]
pub fn reserve_seconds(life_seconds: i64) -> i64 {
    (life_seconds / 10).min(3 * DAY)
}

/// The class of lifetimes within about five per cent of each other, which share bands and tables.
#[must_use]
pub fn life_class(life_seconds: i64) -> i64 {
    // ln 1.05 = 0.0488: 31 years are class 424, twelve hours class 218.
    whole((real(life_seconds.max(1)).ln() / 1.05_f64.ln()).round())
}
