//! Learns about load and clients, and reports it.

pub mod advice;
pub(super) mod board;
pub(super) mod cohorts;
pub(super) mod lessons;
pub mod model;
pub(super) mod planned;
pub(super) mod polls;
pub(super) mod priors;
pub(super) mod returning;
pub(super) mod shadow;
pub(super) mod sources;
pub(super) mod waiting;
