//! The state of a process: the certificates, the sums of each CA, the incidents, and the current
//! policies.

pub(super) mod apply_incidents;
pub(super) mod batches;
pub(super) mod ca;
pub(super) mod change;
pub(super) mod in_force;
pub(super) mod memory;
#[cfg(test)]
mod memory_tests;
pub(super) mod outlook;
pub(super) mod pending_successors;
pub(super) mod renewals;
pub(super) mod sweep;
