//! Successors that are not in the index yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::index::Fingerprint;

/// Certificates whose successor is known by name and not in the index yet, while all is loaded in
/// any order: 32 octets each, 64 MB at most. Past that a renewal's time stays unknown.
pub(in crate::engine) const MOST_PENDING: usize = 2_000_000;

/// Predecessors by their successors.
#[derive(Debug, Default)]
pub(in crate::engine) struct PendingSuccessors(Mutex<HashMap<Fingerprint, Fingerprint>>);

impl PendingSuccessors {
    /// As they were kept.
    pub(in crate::engine) fn of(kept: Vec<(Fingerprint, Fingerprint)>) -> Self {
        Self(Mutex::new(kept.into_iter().collect()))
    }

    /// To be kept.
    pub(in crate::engine) fn all(&self) -> Vec<(Fingerprint, Fingerprint)> {
        self.lock().iter().map(|(to, from)| (*to, *from)).collect()
    }

    pub(in crate::engine) fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Fingerprint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
