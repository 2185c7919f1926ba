//! Checks of the numbers in a scenario.

use toml::de::DeValue;

use crate::config::error::Problems;
use crate::config::section::Section;
use crate::config::value;

/// A number greater than 0.
pub(super) fn positive(value: &DeValue<'_>) -> Result<f64, String> {
    let number = value::number(value)?;
    if number > 0.0 {
        Ok(number)
    } else {
        Err(format!("{number} is not more than 0"))
    }
}

/// Adds a problem if the shares of the tables under `key` do not sum to 1. Without any tables there is
/// no problem.
pub(super) fn check_sum(
    section: &Section<'_>,
    key: &str,
    shares: impl Iterator<Item = f64>,
    problems: &mut Problems<'_>,
) {
    let shares: Vec<f64> = shares.collect();
    let sum: f64 = shares.iter().sum();
    if !shares.is_empty() && (sum - 1.0).abs() > SHARES_TOLERANCE {
        let reason = format!("the shares of [[{key}]] sum to {sum:.3}, not to 1");
        section.fault(key, problems, reason);
    }
}

/// Shares are written with a few decimals: thirds sum to 0.999.
const SHARES_TOLERANCE: f64 = 0.002;
