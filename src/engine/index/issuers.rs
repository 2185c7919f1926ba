//! The number of certificates added and not removed, by issuer.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use crate::domain::certificate::certid::KeyIdentifier;

/// The issuers, including those whose certificates have all expired.
#[derive(Debug, Default)]
pub(super) struct Issuers(RwLock<HashMap<KeyIdentifier, u64>>);

impl Issuers {
    pub(super) fn contains(&self, issuer: &KeyIdentifier) -> bool {
        let counts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        counts.contains_key(issuer)
    }

    pub(super) fn add(&self, issuer: &KeyIdentifier, certificates: u64) {
        let mut counts = self.write();
        match counts.get_mut(issuer) {
            Some(count) => *count += certificates,
            None => {
                counts.insert(issuer.clone(), certificates);
            }
        }
    }

    pub(super) fn remove_one(&self, issuer: &KeyIdentifier) {
        let mut counts = self.write();
        if let Some(count) = counts.get_mut(issuer) {
            *count -= 1;
            if *count == 0 {
                counts.remove(issuer);
            }
        }
    }

    /// All counts.
    pub(super) fn counts(&self) -> Vec<(KeyIdentifier, u64)> {
        let counts = self.0.read().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(key, n)| (key.clone(), *n)).collect()
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<KeyIdentifier, u64>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
