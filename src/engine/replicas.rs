//! What a process knows about the others that share its store.

use std::sync::OnceLock;

use arc_swap::ArcSwap;

use crate::store::Replica;

/// This process, and the others as they were last heard of.
#[derive(Debug, Default)]
pub(super) struct Replicas {
    /// Empty until it has said who it is: a process that serves nobody is no replica.
    pub(super) own: OnceLock<Introduced>,
    pub(super) others: ArcSwap<Vec<Replica>>,
}

/// Who a process says that it is.
#[derive(Debug)]
pub(super) struct Introduced {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) address: String,
}
