//! The problem and its solution.

/// Observations and the columns that may explain them. All have the same length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem<'a> {
    /// The observations.
    pub(crate) observed: &'a [f64],
    /// One over the variance of each; 0 excludes it.
    pub(crate) weights: &'a [f64],
    /// Columns with coefficients of either sign, which are always used.
    pub(crate) free: &'a [Vec<f64>],
    /// Columns with non-negative coefficients.
    pub(crate) columns: &'a [&'a [f64]],
    /// The number of columns to try first; the rest explain only what these cannot.
    pub(crate) first: usize,
}

/// The best fit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Solution {
    /// Columns and their positive coefficients.
    pub(crate) coefficients: Vec<(usize, f64)>,
    /// The fitted value for each observation.
    pub(crate) fitted: Vec<f64>,
}
