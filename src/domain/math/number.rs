//! Whole numbers as reals and back.

/// `n` as a real number, exact below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "counts and seconds stay below 2^53"
)]
#[must_use]
pub const fn real(n: i64) -> f64 {
    n as f64
}

/// `n` as a real number, exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
#[must_use]
pub const fn real_len(n: usize) -> f64 {
    n as f64
}

/// The whole part of `x`, held to what an `i64` can say; 0 for no number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, which is what is asked for"
)]
#[must_use]
pub const fn whole(x: f64) -> i64 {
    x as i64
}

/// `n` as a signed number.
#[must_use]
pub fn signed(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// `n` as a length; 0 where it is negative.
#[must_use]
pub fn length(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// Rounded to three decimals; a zero of either sign becomes a plain one.
#[must_use]
pub fn thousandths(x: f64) -> f64 {
    (x * 1_000.0).round() / 1_000.0 + 0.0
}
