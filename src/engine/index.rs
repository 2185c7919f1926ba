//! Every live certificate in memory: what a `renewalInfo` answer needs, and what takes it out of
//! the ledger again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::domain::certid::{CertId, KeyIdentifier};
use crate::domain::following::Fate;
use crate::domain::hash::{HashKey, Purpose};
use crate::domain::ledger::Expected;
use crate::domain::time::Timestamp;

mod entry;
mod pages;
mod row;
mod table;
#[cfg(test)]
mod table_tests;

pub(super) use entry::Came;
pub(crate) use entry::Entry;

/// Shards: 64 writers' locks make two cores' collisions rare; a shard of 10 million certificates
/// holds 160,000.
const SHARDS: usize = 64;

/// A certificate's 128-bit keyed hash: two of 10^9 certificates share one with a chance of
/// 10^18 / 2^129, which is 10^-21.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// As the store keeps it.
    pub(super) const fn number(self) -> u128 {
        self.0
    }
}

/// Which of two entries stays.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kept {
    /// The one put in.
    New,
    /// The one that was there.
    Old,
}

/// The certificates, by fingerprint.
#[derive(Debug)]
pub(crate) struct Index {
    key: HashKey,
    shards: Vec<RwLock<Shard>>,
    issuers: RwLock<HashMap<KeyIdentifier, u64>>,
    /// Whatever expired before this has been dropped.
    over_before: AtomicI64,
}

type Shard = HashMap<Fingerprint, Entry, BuildHasherDefault<AlreadyHashed>>;

impl Index {
    pub(crate) fn new(key: HashKey) -> Self {
        Self {
            key,
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            issuers: RwLock::default(),
            over_before: AtomicI64::new(Timestamp::MIN.unix()),
        }
    }

    pub(crate) fn fingerprint(&self, id: &CertId) -> Fingerprint {
        Fingerprint(self.key.hash(Purpose::Fingerprint, id, 0))
    }

    /// The fingerprint that the store tells as a number.
    pub(super) const fn told_fingerprint(number: u128) -> Fingerprint {
        Fingerprint(number)
    }

    fn shard(&self, fingerprint: Fingerprint) -> &RwLock<Shard> {
        // The top six bits; the map uses the bottom ones.
        let top = usize::try_from(fingerprint.0 >> 122).unwrap_or(0);
        &self.shards[top % SHARDS]
    }

    /// Reads an entry.
    pub(crate) fn get<R>(
        &self,
        fingerprint: Fingerprint,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let shard = self
            .shard(fingerprint)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        shard.get(&fingerprint).map(read)
    }

    /// Reads an entry that a client asks for at `now`, and remembers that it did. `base_of` says
    /// for how long such a client is sent away, in seconds.
    pub(crate) fn poll<R>(
        &self,
        fingerprint: Fingerprint,
        now: Timestamp,
        base_of: impl FnOnce(&Entry) -> i64,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        self.get(fingerprint, |entry| {
            entry.see(now, base_of(entry));
            if entry.moved_by != 0 && !entry.is_told() {
                entry.told.store(true, Ordering::Relaxed);
            }
            read(entry)
        })
    }

    /// Changes what is known of an entry, in what no sum depends on.
    pub(super) fn teach(&self, fingerprint: Fingerprint, teach: impl FnOnce(&mut Entry)) {
        let mut shard = self
            .shard(fingerprint)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.get_mut(&fingerprint) {
            teach(entry);
        }
    }

    /// Whether a sweep has dropped such an entry, or would have.
    pub(crate) fn is_over(&self, entry: &Entry) -> bool {
        entry.validity.not_after.unix() < self.over_before.load(Ordering::Relaxed)
    }

    /// Puts an entry in, or changes the one that is there. `change` sees the old one and says
    /// which stays.
    pub(crate) fn put(
        &self,
        issuer: &KeyIdentifier,
        fingerprint: Fingerprint,
        mut entry: Entry,
        change: impl FnOnce(Option<&Entry>, &mut Entry) -> Kept,
    ) {
        let mut shard = self
            .shard(fingerprint)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let old = shard.get(&fingerprint);
        if change(old, &mut entry) == Kept::Old {
            return;
        }
        let is_new = old.is_none();
        if let Some(old) = old {
            let polls = old.polls();
            entry.set_polls(if old.window == entry.window {
                polls
            } else {
                // Nothing has become of the new window yet.
                polls.judged(Fate::NotYet)
            });
            entry.noted = old.noted;
            entry.came = old.came;
            let same = (old.window, old.moved_by) == (entry.window, entry.moved_by);
            entry.told.store(same && old.is_told(), Ordering::Relaxed);
        }
        shard.insert(fingerprint, entry);
        drop(shard);
        if is_new {
            let mut issuers = self.issuers.write().unwrap_or_else(PoisonError::into_inner);
            match issuers.get_mut(issuer) {
                Some(count) => *count += 1,
                None => {
                    issuers.insert(issuer.clone(), 1);
                }
            }
        }
    }

    /// Takes over what another index knows of polls.
    pub(crate) fn remember_polls(&self, other: &Self) {
        for (shard, other) in self.shards.iter().zip(&other.shards) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let other = other.read().unwrap_or_else(PoisonError::into_inner);
            for (fingerprint, entry) in &mut *shard {
                if let Some(known) = other.get(fingerprint) {
                    entry.set_polls(entry.polls().merged(known.polls()));
                    entry.noted = known.noted;
                    entry.came = known.came;
                }
            }
        }
    }

    /// Takes an entry out.
    pub(crate) fn remove(&self, id: &CertId) -> Option<Entry> {
        let fingerprint = self.fingerprint(id);
        let entry = self
            .shard(fingerprint)
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&fingerprint)?;
        let mut issuers = self.issuers.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = issuers.get_mut(&id.key_identifier) {
            *count -= 1;
            if *count == 0 {
                issuers.remove(&id.key_identifier);
            }
        }
        Some(entry)
    }

    /// Whether a certificate of this issuer was ever seen since start.
    pub(crate) fn knows_issuer(&self, issuer: &KeyIdentifier) -> bool {
        self.issuers
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(issuer)
    }

    /// How many certificates there are.
    pub(crate) fn len(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner).len())
            .sum()
    }

    /// Shows all entries, a shard at a time.
    pub(crate) fn each(&self, mut see: impl FnMut(&Entry)) {
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().for_each(&mut see);
        }
    }

    /// Goes through all entries, a shard at a time: drops those that `tell` says are over, after
    /// it has seen them, and moves the others to what the evidence says. `look` sees each of those
    /// first.
    pub(crate) fn sweep(
        &self,
        since: Timestamp,
        now: Timestamp,
        over_before: Timestamp,
        mut look: impl FnMut(Fingerprint, &mut Entry),
        kept_share: impl Fn(&Entry) -> f64,
        mut tell: impl FnMut(&Entry, Option<Expected>),
    ) {
        self.over_before
            .fetch_max(over_before.unix(), Ordering::Relaxed);
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|fingerprint, entry| {
                if entry.validity.not_after < over_before {
                    tell(entry, None);
                    return false;
                }
                look(*fingerprint, entry);
                let expected = entry.expects(since, now, kept_share(entry));
                if expected != entry.expected {
                    tell(entry, Some(expected));
                    entry.expected = expected;
                }
                true
            });
        }
    }
}

/// A fingerprint is a hash already: its lower half will do.
#[derive(Default)]
pub(crate) struct AlreadyHashed(u64);

impl Hasher for AlreadyHashed {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }
    fn write_u128(&mut self, hash: u128) {
        self.0 = u64::try_from(hash & u128::from(u64::MAX)).unwrap_or(0);
    }
}
