//! Every live certificate in memory: what a `renewalInfo` answer needs, and what takes it out of
//! the ledger again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::cohorts::{Group, Renewal};
use crate::domain::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Validity};
use crate::domain::hash::{HashKey, Purpose};
use crate::domain::ledger::{Booking, Follow, SILENT_AFTER_SECONDS};
use crate::domain::time::{Span, Timestamp};

/// Shards: 64 writers' locks make two cores' collisions rare; a shard of 10 million certificates
/// holds 160,000.
const SHARDS: usize = 64;

/// A certificate's 128-bit keyed hash: two of 10^9 certificates share one with a chance of
/// 10^18 / 2^129, which is 10^-21.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Fingerprint(u128);

/// One certificate.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) ca: u16,
    pub(crate) validity: Validity,
    pub(crate) issued_at: Timestamp,
    pub(crate) registered_at: Timestamp,
    pub(crate) window: Span,
    pub(crate) hour_known: bool,
    pub(crate) steered: bool,
    pub(crate) replaced: bool,
    /// Whether it is in the control group.
    pub(crate) group: Group,
    /// When it was renewed, as far as that is known.
    pub(crate) renewal: Renewal,
    /// How it is booked in the ledger.
    pub(crate) follow: Follow,
    /// Whether it was asked for since it was registered.
    polled: AtomicBool,
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

impl Entry {
    pub(crate) fn new(ca: u16, certificate: &Certificate, follow: Follow) -> Self {
        Self {
            ca,
            validity: certificate.validity,
            issued_at: certificate.issued_at,
            registered_at: certificate.registered_at,
            window: certificate.window,
            hour_known: certificate.hour_known,
            steered: certificate.steered,
            replaced: certificate.successor.is_some(),
            group: Group::of(certificate.basis),
            renewal: Renewal::default(),
            follow,
            polled: AtomicBool::new(false),
        }
    }

    pub(crate) fn booking(&self) -> Booking {
        Booking {
            window: self.window,
            issued_at: self.issued_at,
            life_seconds: self.validity.life_seconds(),
            follow: self.follow,
        }
    }

    /// What the evidence says now, for one that this process has listened for since `since`.
    fn evidence(&self, since: Timestamp, now: Timestamp) -> Follow {
        if self.polled.load(Ordering::Relaxed) {
            Follow::Polled
        } else if self.follow == Follow::Unknown
            && now - self.registered_at.max(since) > SILENT_AFTER_SECONDS
        {
            Follow::Silent
        } else {
            self.follow
        }
    }
}

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

    /// Reads an entry that a client asks for, and remembers that it did.
    pub(crate) fn poll<R>(
        &self,
        fingerprint: Fingerprint,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        self.get(fingerprint, |entry| {
            // Written once: a cache line that every poll dirties would cost more than the poll.
            if !entry.polled.load(Ordering::Relaxed) {
                entry.polled.store(true, Ordering::Relaxed);
            }
            read(entry)
        })
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
            entry
                .polled
                .store(old.polled.load(Ordering::Relaxed), Ordering::Relaxed);
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

    /// Marks those as asked for that another index knows to have been.
    pub(crate) fn remember_polls(&self, other: &Self) {
        for (shard, other) in self.shards.iter().zip(&other.shards) {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let other = other.read().unwrap_or_else(PoisonError::into_inner);
            for (fingerprint, entry) in &*shard {
                let known = other.get(fingerprint);
                if known.is_some_and(|known| known.polled.load(Ordering::Relaxed)) {
                    entry.polled.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    /// Shows every entry, a shard at a time.
    pub(crate) fn each(&self, mut show: impl FnMut(&Entry)) {
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.values().for_each(&mut show);
        }
    }

    /// Changes an entry, in what no sum depends on.
    pub(crate) fn note(&self, fingerprint: Fingerprint, note: impl FnOnce(&mut Entry)) {
        let mut shard = self
            .shard(fingerprint)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = shard.get_mut(&fingerprint) {
            note(entry);
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

    /// Goes through all entries, a shard at a time: drops those that `tell` says are over, after
    /// it has seen them, and moves the others to what the evidence says.
    pub(crate) fn sweep(
        &self,
        since: Timestamp,
        now: Timestamp,
        over_before: Timestamp,
        mut tell: impl FnMut(&Entry, Option<Follow>),
    ) {
        self.over_before
            .fetch_max(over_before.unix(), Ordering::Relaxed);
        for shard in &self.shards {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            shard.retain(|_, entry| {
                if entry.validity.not_after < over_before {
                    tell(entry, None);
                    return false;
                }
                let follow = entry.evidence(since, now);
                if follow != entry.follow {
                    tell(entry, Some(follow));
                    entry.follow = follow;
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
