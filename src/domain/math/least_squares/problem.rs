//! What is asked, and what is answered.

/// What is to be explained by what. All columns are as long as `observed`.
#[derive(Clone, Copy, Debug)]
pub(in crate::domain) struct Problem<'a> {
    /// What was observed.
    pub(in crate::domain) observed: &'a [f64],
    /// One over the variance of each; 0: leave it out.
    pub(in crate::domain) weights: &'a [f64],
    /// What may explain it with either sign, and always takes part.
    pub(in crate::domain) free: &'a [Vec<f64>],
    /// What may explain it with coefficients that are not negative.
    pub(in crate::domain) columns: &'a [&'a [f64]],
    /// How many of the columns are tried first; the others explain only what these cannot.
    pub(in crate::domain) first: usize,
}

/// What explains best.
#[derive(Clone, Debug, Default)]
pub(in crate::domain) struct Solution {
    /// Columns and their coefficients, above 0.
    pub(in crate::domain) coefficients: Vec<(usize, f64)>,
    /// What they and the free columns make of each observation.
    pub(in crate::domain) fitted: Vec<f64>,
}
