//! Conversions between integers and real numbers.

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

/// The integer part of `x`, clamped to the range of `i64`; 0 for NaN.
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

/// `n` as a length; 0 if it is negative.
#[must_use]
pub fn length(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

/// Rounds to three decimals; negative zero becomes zero.
#[must_use]
pub fn thousandths(x: f64) -> f64 {
    (x * 1_000.0).round() / 1_000.0 + 0.0
}
