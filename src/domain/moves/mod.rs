//! Windows that move after they were given, for a cause that has a name: incidents and rebalances.

pub mod amendment;
pub mod incident;
pub mod rebalance;
