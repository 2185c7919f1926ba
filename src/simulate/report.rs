//! An outcome in the forms that people and programs read. The same outcome gives the same bytes.

pub mod csv;
pub mod json;
pub mod svg;
pub mod table;

/// A count as a whole number with separated thousands: `40,000`.
pub(super) fn grouped(count: f64) -> String {
    let digits = format!("{count:.0}");
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (number, digit) in digits.chars().enumerate() {
        let left = digits.len() - number;
        if number > 0 && left.is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (count, want) in [
            (0.0, "0"),
            (999.6, "1,000"),
            (40_000.0, "40,000"),
            (1_080_000.4, "1,080,000"),
        ] {
            assert_eq!(grouped(count), want);
        }
    }
}
