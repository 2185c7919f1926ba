//! Constrained least squares: the equations, their solution, and the non-negative solution.
//! `docs/returns.md` has the method and its source.

mod cholesky;
mod nonnegative;
mod normal;
mod problem;

pub(crate) use problem::{Problem, Solution};
