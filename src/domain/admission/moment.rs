//! Instants in nanoseconds, because requests are paced by the millisecond.

use std::ops::{Add, Sub};

use crate::math::number::{real, whole};

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000_000_000;

/// An instant: nanoseconds since 1970-01-01T00:00:00Z. `i64` is enough until the year 2262.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Moment(i64);

impl Moment {
    /// The last instant.
    pub const MAX: Self = Self(i64::MAX);

    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// The start of a second, given by its number since 1970.
    #[must_use]
    pub const fn from_second(second: i64) -> Self {
        Self(second.saturating_mul(SECOND))
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn nanos(self) -> i64 {
        self.0
    }

    /// The number since 1970 of the second that contains this instant.
    #[must_use]
    pub const fn second(self) -> i64 {
        self.0.div_euclid(SECOND)
    }
}

/// Converts seconds to whole nanoseconds.
#[must_use]
pub fn nanos(seconds: f64) -> i64 {
    whole(seconds * real(SECOND))
}

/// Converts nanoseconds to seconds.
#[must_use]
pub fn seconds(nanos: i64) -> f64 {
    real(nanos) / real(SECOND)
}

impl Add<i64> for Moment {
    type Output = Self;
    /// The instant this many nanoseconds later.
    fn add(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub for Moment {
    type Output = i64;
    /// The nanoseconds from one instant to another.
    fn sub(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}
