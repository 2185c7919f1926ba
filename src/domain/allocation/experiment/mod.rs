//! What steering does, shown: a control group with plain windows, and a second policy that is computed
//! beside the one that serves.

pub mod cohort;
pub mod distribution;
pub mod shadow;
