//! What moves windows that were promised, and the walk through all certificates that it takes.

pub(super) mod incidents;
pub(super) mod rebalance;
pub(super) mod scan;
