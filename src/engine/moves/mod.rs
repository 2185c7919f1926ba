//! Moves assigned windows, and reads all certificates for that.

pub(super) mod incidents;
pub(super) mod rebalance;
pub(super) mod scan;
