//! A vertical axis that begins at 0.

use crate::domain::math::number::{real, whole};

/// The possible distances between the lines of an axis. Above 1,000 × the mean there are too many
/// lines, but then their numbers hardly matter.
const STEPS: [f64; 10] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];

/// The position of multiples of the mean.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    /// The largest value.
    pub(super) most: f64,
    /// The position of the largest value.
    pub(super) top: f64,
    /// The position of 0.
    pub(super) bottom: f64,
}

impl Scale {
    /// The position of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * value / self.most
    }

    /// The lines and their labels, at most four.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        let step = STEPS.into_iter().find(|step| self.most / step <= 4.0);
        let step = step.unwrap_or(1_000.0);
        (0..=whole(self.most / step))
            .map(|number| real(number) * step)
            .map(|value| (value, format!("{value}×")))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_a_few_round_lines() {
        for (most, want) in [
            (1.2, vec!["0×", "0.5×", "1×"]),
            (2.5, vec!["0×", "1×", "2×"]),
            (23.7, vec!["0×", "10×", "20×"]),
        ] {
            let scale = Scale {
                most,
                top: 0.0,
                bottom: 100.0,
            };
            let labels: Vec<String> = scale.ticks().into_iter().map(|(_, label)| label).collect();
            assert_eq!(labels, want);
            assert!((scale.at(most) - 0.0).abs() < 1e-9);
            assert!((scale.at(0.0) - 100.0).abs() < 1e-9);
        }
    }
}
