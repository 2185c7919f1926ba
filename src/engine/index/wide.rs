//! Entries that do not fit into the table: lives of years, some two hundred octets each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::Fingerprint;
use super::entry::Entry;

/// The entries. Where there are none nobody waits for a lock.
#[derive(Debug, Default)]
pub(super) struct Wide {
    entries: RwLock<HashMap<Fingerprint, Entry>>,
    len: AtomicUsize,
}

impl Wide {
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(super) fn read(&self) -> RwLockReadGuard<'_, HashMap<Fingerprint, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, fingerprint: Fingerprint) -> Option<Entry> {
        if self.len() == 0 {
            return None;
        }
        self.read().get(&fingerprint).cloned()
    }

    pub(super) fn insert(&self, fingerprint: Fingerprint, entry: Entry) {
        self.change(|entries| {
            entries.insert(fingerprint, entry);
        });
    }

    pub(super) fn remove(&self, fingerprint: Fingerprint) {
        if self.len() > 0 {
            self.change(|entries| {
                entries.remove(&fingerprint);
            });
        }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut HashMap<Fingerprint, Entry>)) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut entries);
        self.len.store(entries.len(), Ordering::Release);
    }
}
