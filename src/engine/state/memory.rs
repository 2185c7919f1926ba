//! A configuration, and the state that belongs to it.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;

use super::batches::Batches;
use super::ca::{Ca, erase};
use super::change::{Applied, RowOrigin};
use super::in_force::{InForce, Incidents};
use super::pending_successors::PendingSuccessors;
use super::sweep::SweepResult;
use crate::config::Config;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::certificate::hash::{HashKey, Purpose};
use crate::domain::demand::observation::Observation;
use crate::domain::ledger::{Booking, Expected};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::engine::index::{Entry, Fingerprint, Index, Kept};
use crate::store::{Change, StoredPlanned};

/// A configuration, and the sums made under it.
#[derive(Debug)]
pub(in crate::engine) struct Memory {
    pub(in crate::engine) config: Arc<Config>,
    pub(in crate::engine) version: Arc<str>,
    pub(in crate::engine) index: Arc<Index>,
    pub(in crate::engine) key: HashKey,
    /// In the order of `config.cas`.
    pub(in crate::engine) cas: Vec<Arc<Ca>>,
    /// The number of parts of the index that are in the sums. All of them, except while an index
    /// from a file is being summed. Changed only while nobody writes to the part.
    counted: Arc<AtomicUsize>,
    batches: Arc<Mutex<Batches>>,
    pub(in crate::engine) incidents: Arc<Mutex<Incidents>>,
    /// Announced events, in addition to the configured ones. Changed only under the lock of
    /// `incidents`.
    pub(in crate::engine) planned: Arc<ArcSwap<Vec<StoredPlanned>>>,
    pub(in crate::engine) in_force: ArcSwap<InForce>,
    /// Successors that are not in the index yet.
    pub(in crate::engine) awaited: Arc<PendingSuccessors>,
    /// Removals that have been applied, by number.
    forgotten: Arc<Mutex<HashSet<i64>>>,
}

impl Memory {
    pub(in crate::engine) fn new(config: Config, key: HashKey, now: Timestamp) -> Self {
        let memory = Self::around(
            Index::new(key),
            PendingSuccessors::default(),
            config,
            key,
            now,
        );
        memory.counted.store(Index::PARTS, Ordering::Relaxed);
        memory
    }

    /// With certificates that are not in any sum until [`Memory::count_all`].
    pub(in crate::engine) fn around(
        index: Index,
        awaited: PendingSuccessors,
        config: Config,
        key: HashKey,
        now: Timestamp,
    ) -> Self {
        Self {
            version: version(&config),
            key,
            cas: config
                .cas
                .iter()
                .map(|ca| Arc::new(Ca::new(ca, now, config.retention_seconds)))
                .collect(),
            in_force: ArcSwap::from_pointee(InForce::new(&config.cas, &Incidents::new(), &[])),
            counted: Arc::default(),
            config: Arc::new(config),
            index: Arc::new(index),
            batches: Arc::default(),
            incidents: Arc::default(),
            planned: Arc::default(),
            awaited: Arc::new(awaited),
            forgotten: Arc::default(),
        }
    }

    /// The same certificates under another configuration, if that assigns every issuer to the same
    /// CA; `None` if it does not, so that everything must be rebuilt.
    pub(in crate::engine) fn reconfigured(&self, config: Config) -> Option<Self> {
        let claims = |config: &Config| -> Vec<_> {
            let cas = config.cas.iter();
            cas.map(|ca| (ca.name.clone(), ca.issuers.clone()))
                .collect()
        };
        let same = claims(&config) == claims(&self.config)
            && config.strict_issuers == self.config.strict_issuers;
        if !same {
            return None;
        }
        Some(Self {
            version: version(&config),
            key: self.key,
            in_force: ArcSwap::from_pointee(InForce::new(
                &config.cas,
                &self.incidents(),
                &self.planned.load(),
            )),
            config: Arc::new(config),
            index: Arc::clone(&self.index),
            cas: self.cas.clone(),
            counted: Arc::clone(&self.counted),
            batches: Arc::clone(&self.batches),
            incidents: Arc::clone(&self.incidents),
            planned: Arc::clone(&self.planned),
            awaited: Arc::clone(&self.awaited),
            forgotten: Arc::clone(&self.forgotten),
        })
    }

    pub(in crate::engine) const fn hash_key(&self) -> HashKey {
        self.key
    }

    pub(in crate::engine) fn hash(&self, purpose: Purpose, id: &CertId) -> u128 {
        self.key.hash(purpose, id, 0)
    }

    pub(in crate::engine) fn salted_hash(&self, purpose: Purpose, id: &CertId, salt: i64) -> u128 {
        self.key.hash(purpose, id, salt)
    }

    pub(in crate::engine) fn ca(&self, name: &CaName) -> Option<&Ca> {
        let at = self.config.ca_named(name.as_str())?;
        self.cas.get(at).map(AsRef::as_ref)
    }

    /// Applies a change; applying it again has no effect.
    pub(in crate::engine) fn apply(&self, change: Change) -> Applied {
        match change {
            Change::Certificate(certificate) => self.put(&certificate, RowOrigin::Newest),
            Change::Forgotten(number) => {
                if self.forgotten().insert(number) {
                    return Applied::SumAnew;
                }
            }
            Change::Observed {
                batch,
                counted_at,
                observation,
            } => self.observe(batch, counted_at, &observation),
            Change::Removed(id) => self.remove(&id),
            Change::Incident(incident) => self.apply_incident(*incident),
            Change::Lost => return Applied::PlaceLost,
            Change::Polls {
                fingerprint,
                record,
            } => self.learn_polls(fingerprint, record),
        }
        Applied::Done
    }

    /// Sums all certificates of an index that came from a file: a microsecond each. It may be
    /// written to meanwhile.
    pub(in crate::engine) fn count_all(&self) {
        for part in self.counted.load(Ordering::Relaxed)..Index::PARTS {
            let see = |entry: &Entry| {
                if let Some(ca) = self.cas.get(usize::from(entry.ca)) {
                    ca.begin(entry, RowOrigin::Newest);
                    ca.count_fate(entry);
                }
            };
            let then = || self.counted.store(part + 1, Ordering::Relaxed);
            self.index.each_of(part, see, then);
        }
    }

    /// Whether an entry is in the sums, or will be.
    pub(in crate::engine) fn counts(&self, fingerprint: Fingerprint) -> bool {
        fingerprint.part() < self.counted.load(Ordering::Relaxed)
    }

    fn observe(&self, batch: i64, counted_at: Option<Timestamp>, observation: &Observation) {
        // While it is not summed, all are read later anyway.
        let is_summed = self.counted.load(Ordering::Relaxed) == Index::PARTS;
        if is_summed
            && self.batches().counts(batch)
            && let Some(ca) = self.ca(&observation.ca)
        {
            ca.observe(observation, counted_at);
        }
    }

    fn forgotten(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches that have been counted.
    pub(in crate::engine) fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a stored certificate to the index, the ledger and the series.
    pub(in crate::engine) fn put(&self, certificate: &Certificate, origin: RowOrigin) {
        let Some(at) = self.config.ca_of(&certificate.id.key_identifier) else {
            return;
        };
        let ca = &self.cas[at];
        let mut entry = Entry::new(u16::try_from(at).unwrap_or(u16::MAX), certificate);
        entry.renewal = self.renewal(at, certificate);
        if self.index.is_over(&entry) {
            // It was counted while it was live. The store keeps it a little longer.
            if origin == RowOrigin::Drawn {
                ca.allocator().ledger.unbook(&entry.booking());
            }
            return;
        }
        let fingerprint = self.index.fingerprint(&certificate.id);
        let issuer = &certificate.id.key_identifier;
        let change = |old: Option<&Entry>, new: &mut Entry| {
            let counts = self.counts(fingerprint);
            if let Some(old) = old {
                return ca.change(old, new, origin, counts);
            }
            if counts {
                ca.begin(new, origin);
            }
            Kept::New
        };
        self.index.put(issuer, fingerprint, entry, change);
        self.renewed_by(at, fingerprint, certificate.issued_at);
    }

    fn remove(&self, id: &CertId) {
        let Some(entry) = self.index.remove(id) else {
            return;
        };
        // Nothing is being summed now, because that blocks the feed.
        if self.counts(self.index.fingerprint(id))
            && let Some(ca) = self.cas.get(usize::from(entry.ca))
        {
            erase(&mut ca.allocator().ledger, &entry);
            ca.teach(|series| {
                series.remove_registration(entry.issued_at, entry.hour_known, entry.steered);
            });
        }
    }

    /// Copies how often windows were followed from the previous state.
    pub(in crate::engine) fn remember_measured(&self, before: &Self) {
        for (ca, before) in self.cas.iter().zip(&before.cas) {
            let measured = before.measured.lock();
            let measured = *measured.unwrap_or_else(PoisonError::into_inner);
            *ca.measured.lock().unwrap_or_else(PoisonError::into_inner) = measured;
        }
    }

    /// Copies the poll records since `since` from the previous state.
    pub(in crate::engine) fn remember_polls(
        &self,
        before: &Self,
        since: Timestamp,
        now: Timestamp,
    ) {
        self.index.remember_polls(&before.index);
        // Nothing is dropped or stored; the first sweep does that.
        self.sweep(since, now, Timestamp::MIN, &mut SweepResult::default());
    }

    /// Drops what is before `before`, for every CA.
    pub(in crate::engine) fn trim(&self, before: Timestamp) {
        for ca in &self.cas {
            ca.allocator().ledger.trim(before);
            ca.teach(|series| series.trim(before));
        }
    }

    /// Updates certificates in the ledger to the present evidence, and drops those that expired
    /// before `over_before`.
    pub(in crate::engine) fn sweep(
        &self,
        since: Timestamp,
        now: Timestamp,
        over_before: Timestamp,
        found: &mut SweepResult,
    ) {
        let look = |fingerprint: Fingerprint, entry: &mut Entry| {
            self.look_at(fingerprint, entry, (since, now), found);
        };
        let kept: Vec<f64> = self.cas.iter().map(|ca| ca.kept_share(now)).collect();
        let kept_share = |entry: &Entry| kept.get(usize::from(entry.ca)).copied().unwrap_or(1.0);
        let on_change = |entry: &Entry, expected: Option<Expected>| match expected {
            Some(expected) => self.rebook(entry, expected),
            None if entry.replaced => {}
            None => {
                if let Some(ca) = self.cas.get(usize::from(entry.ca)) {
                    ca.allocator().ledger.retire(&entry.booking());
                }
            }
        };
        self.index
            .sweep(since, now, over_before, look, kept_share, on_change);
    }

    /// Changes the expectation for an entry that counts.
    pub(in crate::engine) fn expect(&self, entry: &mut Entry, expected: Expected) {
        if expected != entry.expected {
            self.rebook(entry, expected);
            entry.expected = expected;
        }
    }

    fn rebook(&self, entry: &Entry, expected: Expected) {
        let Some(ca) = self.cas.get(usize::from(entry.ca)) else {
            return;
        };
        let (mut allocator, before) = (ca.allocator(), entry.booking());
        let after = Booking { expected, ..before };
        let ledger = &mut allocator.ledger;
        if entry.replaced {
            ledger.reinstate(&before);
            ledger.learn(&before, &after);
            ledger.retire(&after);
        } else {
            ledger.learn(&before, &after);
        }
    }
}

/// `<crate version>+<8 hex digits of the policy>`: semantic versioning's build metadata, so that
/// every answer shows the policy behind it.
fn version(config: &Config) -> Arc<str> {
    let policy = config.policy_digest();
    format!("{}+{:08x}", env!("CARGO_PKG_VERSION"), policy >> 32).into()
}
