//! Every live certificate in memory: what a `renewalInfo` answer needs, and what takes it out of
//! the ledger again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use super::in_force::mark;
use crate::domain::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Cause, Certificate, Validity};
use crate::domain::following::{Evidence, Fate, SILENT_AFTER_SECONDS, evidence, follows};
use crate::domain::hash::{HashKey, Purpose};
use crate::domain::ledger::{Booking, Expected};
use crate::domain::rhythm::{Meaning, Polls, Response};
use crate::domain::time::{Span, Timestamp};

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
    /// The incident that moved its window last; 0: none did.
    pub(crate) moved_by: u32,
    /// Whether it was asked for since an incident moved its window.
    told: AtomicBool,
    /// f at registration.
    pub(crate) follows: Option<f64>,
    /// What the ledger holds: what polls have shown, as of the last sweep.
    pub(crate) expected: Expected,
    /// As what it came here.
    pub(super) came: Came,
    /// What its polls have shown: [`Polls`], packed.
    polls: AtomicU64,
    /// What the store was told of them.
    pub(super) noted: Meaning,
}

/// As what a certificate came here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Came {
    /// Not replaced: if it is now, then since a moment ago.
    Live,
    /// Replaced, nobody here knows when.
    Replaced,
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
    pub(crate) fn new(ca: u16, certificate: &Certificate) -> Self {
        Self {
            ca,
            validity: certificate.validity,
            issued_at: certificate.issued_at,
            registered_at: certificate.registered_at,
            window: certificate.window,
            hour_known: certificate.hour_known,
            steered: certificate.steered,
            replaced: certificate.successor.is_some(),
            moved_by: match certificate.cause {
                Cause::Incident(number) => mark(number),
                Cause::Rebalance(_) | Cause::Registration => 0,
            },
            told: AtomicBool::new(false),
            follows: certificate.follows,
            expected: Expected::first(certificate.follows),
            came: match certificate.successor {
                Some(_) => Came::Replaced,
                None => Came::Live,
            },
            polls: AtomicU64::new(0),
            noted: Meaning::default(),
        }
    }

    /// Whether it was asked for since an incident moved its window, as far as was seen here.
    pub(crate) fn is_told(&self) -> bool {
        self.told.load(Ordering::Relaxed)
    }

    pub(crate) fn booking(&self) -> Booking {
        Booking {
            window: self.window,
            issued_at: self.issued_at,
            life_seconds: self.validity.life_seconds(),
            expected: self.expected,
        }
    }

    /// What its polls have shown.
    pub(crate) fn polls(&self) -> Polls {
        Polls::from_packed(self.polls.load(Ordering::Relaxed))
    }

    /// Puts another record of polls in place of the one there is.
    pub(super) fn set_polls(&self, polls: Polls) {
        self.polls.store(polls.packed(), Ordering::Relaxed);
    }

    /// Takes a poll in.
    fn see(&self, now: Timestamp, base_seconds: i64) {
        let before = self.polls();
        let after = before.seen(now, base_seconds);
        // Of two polls at the same instant one may be lost: they tell the same. Where nothing is
        // new nothing is written: a cache line that a flood dirties would cost more than the polls.
        if after != before {
            self.set_polls(after);
        }
    }

    /// Takes in what others know of its polls.
    pub(super) fn learn_polls(&mut self, told: Polls) {
        self.set_polls(self.polls().merged(told));
        self.noted = told.meaning();
    }

    /// Since when this process, which listens since `since`, has listened for its polls.
    pub(super) fn heard_from(&self, since: Timestamp) -> Timestamp {
        self.registered_at.max(since)
    }

    /// What the evidence says now, for a process that listens since `since`, where polled
    /// certificates keep their windows with the chance `kept_share`.
    ///
    /// It is not asked before those that are never polled can be told: whoever is polled at once
    /// would make the rest of their hour look as if more of them followed than do.
    fn expects(&self, since: Timestamp, now: Timestamp, kept_share: f64) -> Expected {
        let polls = self.polls();
        let evidence = if now - self.registered_at < SILENT_AFTER_SECONDS {
            Evidence::Unknown
        } else {
            evidence(polls, self.heard_from(since), now)
        };
        Expected {
            follows: follows(evidence, kept_share, self.follows, self.expected.follows),
            response: Response::of(polls.rhythm()),
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

    /// Changes what is known of an entry's polls.
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
