//! Least squares with constraints: the equations, their solution, and the solution without negative
//! parts. The method and its source are in `docs/returns.md`.

mod cholesky;
mod nonnegative;
mod normal;
mod problem;

pub(crate) use problem::{Problem, Solution};
