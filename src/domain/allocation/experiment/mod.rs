//! Experiments that show the effect of steering: a control group with plain windows, and a second
//! policy that is computed beside the serving one.

pub mod cohort;
pub mod distribution;
pub mod shadow;
