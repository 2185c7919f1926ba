//! Starts a process: from the store, from a file, or from the file alone until the store is
//! available.

pub(super) mod joining;
pub(super) mod loading;
pub(super) mod resuming;
pub(super) mod stage;
pub(super) mod summing;
