//! The problem and its solution.

/// What is to be explained by what. All columns are as long as `observed`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Problem<'a> {
    /// What was observed.
    pub(crate) observed: &'a [f64],
    /// One over the variance of each; 0: leave it out.
    pub(crate) weights: &'a [f64],
    /// What may explain it with either sign, and always takes part.
    pub(crate) free: &'a [Vec<f64>],
    /// What may explain it with coefficients that are not negative.
    pub(crate) columns: &'a [&'a [f64]],
    /// How many of the columns are tried first; the others explain only what these cannot.
    pub(crate) first: usize,
}

/// What explains best.
#[derive(Clone, Debug, Default)]
pub(crate) struct Solution {
    /// Columns and their coefficients, above 0.
    pub(crate) coefficients: Vec<(usize, f64)>,
    /// What they and the free columns make of each observation.
    pub(crate) fitted: Vec<f64>,
}
