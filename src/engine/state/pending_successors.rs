//! Successors that are not in the index yet.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::engine::index::Fingerprint;

/// Certificates whose successor is named but not in the index yet, while everything is loaded in
/// any order: 32 octets each, at most 64 MB. Beyond that a renewal's time stays unknown.
pub(in crate::engine) const MOST_PENDING: usize = 2_000_000;

/// Predecessors by their successors.
#[derive(Debug, Default)]
pub(in crate::engine) struct PendingSuccessors(Mutex<HashMap<Fingerprint, Fingerprint>>);

impl PendingSuccessors {
    /// From the stored form.
    pub(in crate::engine) fn of(kept: Vec<(Fingerprint, Fingerprint)>) -> Self {
        Self(Mutex::new(kept.into_iter().collect()))
    }

    /// The form to store.
    pub(in crate::engine) fn all(&self) -> Vec<(Fingerprint, Fingerprint)> {
        self.lock().iter().map(|(to, from)| (*to, *from)).collect()
    }

    pub(in crate::engine) fn lock(&self) -> MutexGuard<'_, HashMap<Fingerprint, Fingerprint>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
