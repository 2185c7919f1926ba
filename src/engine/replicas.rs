//! What a process knows about others that share its store.

use std::sync::OnceLock;

use arc_swap::ArcSwap;

use crate::store::Replica;

/// This process, and the last known states of the others.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    /// Empty until it is introduced, because a process that serves nobody is not a replica.
    pub(super) own: OnceLock<Introduced>,
    pub(super) others: ArcSwap<Vec<Replica>>,
}

/// The identity of a process.
#[derive(Debug)]
pub(super) struct Introduced {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) address: String,
}
