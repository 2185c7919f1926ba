//! Experiments that show the effect of steering: a control group with plain windows, and a second
//! policy that is computed but not served.

pub mod cohort;
pub mod distribution;
pub mod shadow;
