//! Entries that do not fit into the table, such as lifetimes of years: about two hundred octets
//! each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use super::entry::Entry;
use super::fingerprint::Fingerprint;
use super::key::Key;

/// The entries by shard. If there are none, no lock is taken.
#[derive(Debug, Default)]
pub(super) struct Overflow {
    entries: RwLock<BTreeMap<Fingerprint, Entry>>,
    len: AtomicUsize,
}

impl Overflow {
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<Fingerprint, Entry>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries of one shard.
    pub(super) fn of(&self, shard: usize) -> Vec<(Fingerprint, Entry)> {
        if self.len() == 0 {
            return Vec::new();
        }
        let [first, last] = [Key::first_of(shard), Key::last_of(shard)].map(Fingerprint::from_key);
        let entries = self.read();
        let of_shard = entries.range(first..=last);
        of_shard.map(|(key, entry)| (*key, entry.clone())).collect()
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

    pub(super) fn change(&self, change: impl FnOnce(&mut BTreeMap<Fingerprint, Entry>)) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut entries);
        self.len.store(entries.len(), Ordering::Release);
    }
}
