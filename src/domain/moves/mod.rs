//! Moves of windows after they were assigned, for a stated reason: incidents and rebalances.

pub mod amendment;
pub mod incident;
pub mod rebalance;
