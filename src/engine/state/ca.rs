//! The sums of a CA, and how they follow changes of certificates.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;

use super::change::RowOrigin;
use super::outlook;
use crate::domain::allocation::allocator::Allocator;
use crate::domain::allocation::experiment::shadow::Shadow;
use crate::domain::client::following::Measured;
use crate::domain::demand::observation::Observation;
use crate::domain::demand::profile::Profile;
use crate::domain::demand::series::Series;
use crate::domain::ledger::Ledger;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::policy::capacity::closed_within;
use crate::domain::status::{Live, Standing};
use crate::domain::time::{DAY, HOUR, Span, Timestamp};
use crate::engine::index::{Entry, Kept};

/// How far ahead closed spans are looked up. `Retry-After` is at most a day, and the spans are
/// updated every minute.
const CLOSED_AHEAD_SECONDS: i64 = DAY + HOUR;

/// The state of a CA. Each process sums its own from the store's rows.
#[derive(Debug)]
pub(in crate::engine) struct Ca {
    pub(in crate::engine) allocator: Mutex<Allocator>,
    pub(in crate::engine) series: RwLock<Series>,
    pub(in crate::engine) profile: ArcSwap<Profile>,
    /// The next times at which the CA is closed: merged, in order.
    pub(in crate::engine) closed: ArcSwap<Vec<Span>>,
    /// How often windows are followed.
    pub(in crate::engine) measured: Mutex<Measured>,
    /// The last computed forecast.
    pub(in crate::engine) outlook: tokio::sync::Mutex<Option<outlook::Kept>>,
    /// What another policy would have done, if one is configured for comparison.
    shadow: Mutex<Option<Shadow>>,
    /// The last minutes as reported.
    pub(in crate::engine) live: Mutex<Live>,
    /// The last computed status, and when.
    pub(in crate::engine) standing: Mutex<Option<(Timestamp, Standing)>>,
}

impl Ca {
    pub(in crate::engine) fn new(
        policy: &CaPolicy,
        now: Timestamp,
        retention_seconds: i64,
    ) -> Self {
        let mut series = Series::default();
        series.trim(now - retention_seconds);
        let profile = Profile::learn(&series, now, policy.slot_seconds, &[]);
        Self {
            allocator: Mutex::default(),
            series: RwLock::new(series),
            profile: ArcSwap::from_pointee(profile),
            closed: ArcSwap::from_pointee(closed_from(policy, now)),
            measured: Mutex::default(),
            outlook: tokio::sync::Mutex::default(),
            shadow: Mutex::default(),
            live: Mutex::default(),
            standing: Mutex::default(),
        }
    }

    pub(in crate::engine) fn allocator(&self) -> MutexGuard<'_, Allocator> {
        self.allocator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::engine) fn shadow(&self) -> MutexGuard<'_, Option<Shadow>> {
        self.shadow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Updates when the CA is closed.
    pub(in crate::engine) fn close(&self, policy: &CaPolicy, now: Timestamp) {
        self.closed.store(Arc::new(closed_from(policy, now)));
    }

    /// Updates the profile, without the hours in `excluded`.
    pub(in crate::engine) fn learn(&self, policy: &CaPolicy, now: Timestamp, excluded: &[Span]) {
        // From a copy, which takes some milliseconds. Learning takes a hundred times as long, and
        // registrations would wait for the series while holding a lock on a part of the index.
        let series = self.series.read();
        let series = series.unwrap_or_else(PoisonError::into_inner).clone();
        let until = policy.learn_until.map_or(now, |until| now.min(until));
        let profile = Profile::learn(&series, until, policy.slot_seconds, excluded);
        self.profile.store(Arc::new(profile));
    }

    pub(in crate::engine) fn teach(&self, teach: impl FnOnce(&mut Series)) {
        teach(&mut self.series.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether an observation's vantage is already distinguished, or may still be.
    pub(in crate::engine) fn takes(&self, observation: &Observation) -> bool {
        let series = self.series.read();
        series
            .unwrap_or_else(PoisonError::into_inner)
            .takes(observation)
    }

    /// Adds an observation.
    pub(in crate::engine) fn observe(
        &self,
        observation: &Observation,
        counted_at: Option<Timestamp>,
    ) {
        self.teach(|series| series.add_stored(observation, counted_at));
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.add(observation);
    }

    /// Adds a new certificate.
    pub(in crate::engine) fn begin(&self, new: &Entry, origin: RowOrigin) {
        let mut allocator = self.allocator();
        if origin == RowOrigin::Drawn {
            allocator.ledger.unbook(&new.booking());
        }
        enter(&mut allocator.ledger, new);
        drop(allocator);
        self.teach(|series| {
            series.add_registration(new.issued_at, new.hour_known, new.steered);
            series.note_registered(new.registered_at);
        });
    }

    /// Applies a change of an existing certificate, which may not be in the sums yet.
    pub(in crate::engine) fn change(
        &self,
        old: &Entry,
        new: &mut Entry,
        origin: RowOrigin,
        counts: bool,
    ) -> Kept {
        let registration = |entry: &Entry| (entry.registered_at, entry.window);
        let same = registration(old) == registration(new);
        let mut allocator = self.allocator();
        if origin == RowOrigin::Drawn {
            allocator.ledger.unbook(&new.booking());
        }
        if origin == RowOrigin::Read || (origin == RowOrigin::Drawn && same) {
            // The feed was faster, and may have reported a successor since.
            return Kept::Old;
        }
        if old.registered_at == new.registered_at {
            new.expect_as(old);
        }
        if !counts {
            return Kept::New;
        }
        if (old.booking(), old.replaced) != (new.booking(), new.replaced) {
            erase(&mut allocator.ledger, old);
            enter(&mut allocator.ledger, new);
        }
        drop(allocator);
        let lesson = |entry: &Entry| (entry.issued_at, entry.hour_known, entry.steered);
        if lesson(old) != lesson(new) {
            self.teach(|series| {
                series.remove_registration(old.issued_at, old.hour_known, old.steered);
                series.add_registration(new.issued_at, new.hour_known, new.steered);
            });
        }
        Kept::New
    }
}

/// Adds an entry to the ledger.
fn enter(ledger: &mut Ledger, entry: &Entry) {
    ledger.book(&entry.booking());
    if entry.replaced {
        ledger.retire(&entry.booking());
    }
}

/// Removes what [`enter`] added to the ledger.
pub(in crate::engine) fn erase(ledger: &mut Ledger, entry: &Entry) {
    if entry.replaced {
        ledger.reinstate(&entry.booking());
    }
    ledger.unbook(&entry.booking());
}

/// When a CA is closed, from now on.
fn closed_from(policy: &CaPolicy, now: Timestamp) -> Vec<Span> {
    let ahead = Span {
        from: now,
        to: now + CLOSED_AHEAD_SECONDS,
    };
    closed_within(&policy.capacity, ahead)
}
