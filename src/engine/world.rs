//! What is in force: one configuration and the state that belongs to it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use arc_swap::ArcSwap;

use super::batches::Batches;
use super::cohorts::Awaited;
use super::index::{Entry, Index, Kept};
use super::shadow::ShadowOf;
use crate::config::Config;
use crate::domain::band::{Arrival, Place, place};
use crate::domain::books::Books;
use crate::domain::ca::{CaName, CaPolicy};
use crate::domain::capacity::closed_within;
use crate::domain::certid::CertId;
use crate::domain::certificate::Certificate;
use crate::domain::hash::{HashKey, Purpose};
use crate::domain::ledger::{Booking, Follow, Ledger};
use crate::domain::observation::Observation;
use crate::domain::profile::Profile;
use crate::domain::series::Series;
use crate::domain::time::{DAY, HOUR, Span, Timestamp};
use crate::store::Change;

/// Closed spans are looked up this far ahead: `Retry-After` is a day at most, and they are looked
/// up anew every minute.
const CLOSED_AHEAD_SECONDS: i64 = DAY + HOUR;

/// One CA's state. Each process sums its own from the store's rows.
#[derive(Debug)]
pub(super) struct Ca {
    pub(super) books: Mutex<Books>,
    pub(super) series: RwLock<Series>,
    pub(super) profile: ArcSwap<Profile>,
    /// When the CA is closed next: merged, in order.
    pub(super) closed: ArcSwap<Vec<Span>>,
    pub(super) shadow: ShadowOf,
}

/// A configuration and what was summed under it.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: Arc<Config>,
    pub(super) version: Arc<str>,
    pub(super) index: Arc<Index>,
    key: HashKey,
    /// In the order of `config.cas`.
    pub(super) cas: Vec<Arc<Ca>>,
    batches: Arc<Mutex<Batches>>,
    /// Successors that are not in the index yet.
    pub(super) awaited: Arc<Awaited>,
    /// What was taken back, by number, and is taken into account.
    forgotten: Arc<Mutex<HashSet<i64>>>,
}

impl Ca {
    fn new(policy: &CaPolicy, now: Timestamp, retention_seconds: i64) -> Self {
        let mut series = Series::default();
        series.trim(now - retention_seconds);
        let profile = Profile::learn(&series, now, policy.slot_seconds, &[]);
        Self {
            books: Mutex::default(),
            series: RwLock::new(series),
            profile: ArcSwap::from_pointee(profile),
            closed: ArcSwap::from_pointee(closed_from(policy, now)),
            shadow: ShadowOf::default(),
        }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Learns the profile anew, and when the CA is closed.
    pub(super) fn learn(&self, policy: &CaPolicy, now: Timestamp) {
        self.closed.store(Arc::new(closed_from(policy, now)));
        // Of a copy, some milliseconds' work: learning takes a hundred times as long, and who
        // registers waits for the series with a part of the index locked.
        let series = self.series.read();
        let series = series.unwrap_or_else(PoisonError::into_inner).clone();
        let profile = Profile::learn(&series, now, policy.slot_seconds, &[]);
        self.profile.store(Arc::new(profile));
    }

    fn teach(&self, teach: impl FnOnce(&mut Series)) {
        teach(&mut self.series.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl World {
    pub(super) fn new(config: Config, key: HashKey, now: Timestamp) -> Self {
        Self {
            version: version(&config),
            key,
            cas: config
                .cas
                .iter()
                .map(|ca| Arc::new(Ca::new(ca, now, config.retention_seconds)))
                .collect(),
            config: Arc::new(config),
            index: Arc::new(Index::new(key)),
            batches: Arc::default(),
            awaited: Arc::default(),
            forgotten: Arc::default(),
        }
    }

    /// The same certificates under another configuration that gives every issuer to the same CA;
    /// `None` where it does not, and all has to be summed anew.
    pub(super) fn reconfigured(&self, config: Config) -> Option<Self> {
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
            config: Arc::new(config),
            index: Arc::clone(&self.index),
            cas: self.cas.clone(),
            batches: Arc::clone(&self.batches),
            awaited: Arc::clone(&self.awaited),
            forgotten: Arc::clone(&self.forgotten),
        })
    }

    pub(super) fn hash(&self, purpose: Purpose, id: &CertId) -> u128 {
        self.key.hash(purpose, id, 0)
    }

    pub(super) fn salted_hash(&self, purpose: Purpose, id: &CertId, salt: i64) -> u128 {
        self.key.hash(purpose, id, salt)
    }

    pub(super) fn ca(&self, name: &CaName) -> Option<&Ca> {
        let at = self.config.ca_named(name.as_str())?;
        self.cas.get(at).map(AsRef::as_ref)
    }

    /// Takes one change in; telling it again changes nothing.
    pub(super) fn apply(&self, change: Change) -> Applied {
        match change {
            Change::Certificate(certificate) => self.put(&certificate, Told::Newest),
            Change::Forgotten(number) => {
                if self.forgotten().insert(number) {
                    return Applied::SumAnew;
                }
            }
            Change::Observed { batch, observation } => self.observe(batch, &observation),
            Change::Removed(id) => self.remove(&id),
            // Not yet.
            Change::Incident(_) | Change::Polls { .. } => {}
        }
        Applied::Done
    }

    fn observe(&self, batch: i64, observation: &Observation) {
        if self.batches().counts(batch)
            && let Some(ca) = self.ca(&observation.ca)
        {
            ca.teach(|series| series.add(observation));
        }
    }

    fn forgotten(&self) -> MutexGuard<'_, HashSet<i64>> {
        self.forgotten
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The batches that were counted.
    pub(super) fn batches(&self) -> MutexGuard<'_, Batches> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a certificate as stored into the index, the ledger and the series.
    pub(super) fn put(&self, certificate: &Certificate, told: Told) {
        let Some(at) = self.config.ca_of(&certificate.id.key_identifier) else {
            return;
        };
        let ca = &self.cas[at];
        let follow = self.first_follow(at, certificate);
        let mut entry = Entry::new(u16::try_from(at).unwrap_or(u16::MAX), certificate, follow);
        entry.renewal = self.renewal(at, certificate);
        if self.index.is_over(&entry) {
            // It was counted when it was live. The store keeps it a little longer.
            if told == Told::Drawn {
                ca.books().ledger.unbook(&entry.booking());
            }
            return;
        }
        let fingerprint = self.index.fingerprint(&certificate.id);
        let issuer = &certificate.id.key_identifier;
        let change = |old: Option<&Entry>, new: &mut Entry| {
            if let Some(old) = old {
                return ca.change(old, new, told);
            }
            ca.begin(new, told);
            Kept::New
        };
        self.index.put(issuer, fingerprint, entry, change);
        self.renewed_by(at, fingerprint, certificate.issued_at);
    }

    /// What is known of a client that has not asked yet. One whose band was over when it was
    /// registered is most likely replaced already.
    pub(super) fn first_follow(&self, ca: usize, certificate: &Certificate) -> Follow {
        let Certificate {
            validity,
            issued_at,
            registered_at,
            ..
        } = *certificate;
        let arrival = match place(&self.config.cas[ca], validity, issued_at, registered_at) {
            Ok(Place::Slots(arrival, _) | Place::Starts { arrival, .. }) => arrival,
            // Another version may take what this one does not.
            Err(_) => Arrival::Fresh,
        };
        match arrival {
            Arrival::Past => Follow::Past,
            Arrival::Fresh | Arrival::Late => Follow::Unknown,
        }
    }

    fn remove(&self, id: &CertId) {
        let Some(entry) = self.index.remove(id) else {
            return;
        };
        if let Some(ca) = self.cas.get(usize::from(entry.ca)) {
            erase(&mut ca.books().ledger, &entry);
            ca.teach(|series| {
                series.remove_registration(entry.issued_at, entry.hour_known, entry.steered);
            });
        }
    }

    /// Takes over which certificates were asked for since `since`, from the world before.
    pub(super) fn remember_polls(&self, before: &Self, since: Timestamp, now: Timestamp) {
        self.index.remember_polls(&before.index);
        // Nothing is dropped: the first sweep does that.
        self.sweep(since, now, Timestamp::MIN);
    }

    /// Makes every table anew: the policy has changed.
    pub(super) fn clear_tables(&self) {
        for ca in &self.cas {
            ca.books().clear_tables();
        }
    }

    /// Forgets what lies before `before`, in every CA.
    pub(super) fn trim(&self, before: Timestamp) {
        for ca in &self.cas {
            ca.books().ledger.trim(before);
            ca.teach(|series| series.trim(before));
        }
    }

    /// Moves certificates in the ledger to what the evidence says, and drops those that expired
    /// before `over_before`.
    pub(super) fn sweep(&self, since: Timestamp, now: Timestamp, over_before: Timestamp) {
        self.index.sweep(since, now, over_before, |entry, follow| {
            let Some(ca) = self.cas.get(usize::from(entry.ca)) else {
                return;
            };
            if entry.replaced {
                return;
            }
            let mut books = ca.books();
            books.ledger.retire(&entry.booking());
            if let Some(follow) = follow {
                books.ledger.reinstate(&Booking {
                    follow,
                    ..entry.booking()
                });
            }
        });
    }
}

/// How a certificate's row came here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Told {
    /// It was drawn here, and has been in the ledger since then.
    Drawn,
    /// Nothing newer is known: the feed told it, or it was changed here.
    Newest,
    /// It was read a moment ago: what is known already may be newer.
    Read,
}

/// Whether a change could be taken in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Applied {
    /// It is in.
    Done,
    /// Sums have to be made anew from the store.
    SumAnew,
}

impl Ca {
    /// Takes in a certificate that was not there.
    fn begin(&self, new: &Entry, told: Told) {
        let mut books = self.books();
        if told == Told::Drawn {
            books.ledger.unbook(&new.booking());
        }
        enter(&mut books.ledger, new);
        drop(books);
        self.teach(|series| {
            series.add_registration(new.issued_at, new.hour_known, new.steered);
        });
    }

    /// Takes in what is told of a certificate that is there.
    fn change(&self, old: &Entry, new: &mut Entry, told: Told) -> Kept {
        let registration = |entry: &Entry| (entry.registered_at, entry.window);
        let same = registration(old) == registration(new);
        let mut books = self.books();
        if told == Told::Drawn {
            books.ledger.unbook(&new.booking());
        }
        if told == Told::Read || (told == Told::Drawn && same) {
            // The feed was faster, and may have told of a successor since.
            return Kept::Old;
        }
        if same {
            // What polls have shown of its client stays true.
            new.follow = old.follow;
        }
        if (old.booking(), old.replaced) != (new.booking(), new.replaced) {
            erase(&mut books.ledger, old);
            enter(&mut books.ledger, new);
        }
        drop(books);
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

/// Puts into the ledger what an entry brings.
fn enter(ledger: &mut Ledger, entry: &Entry) {
    ledger.book(&entry.booking());
    if entry.replaced {
        ledger.retire(&entry.booking());
    }
}

/// Takes out of the ledger what [`enter`] put in.
fn erase(ledger: &mut Ledger, entry: &Entry) {
    if entry.replaced {
        ledger.reinstate(&entry.booking());
    }
    ledger.unbook(&entry.booking());
}

/// When a CA is closed from now on.
fn closed_from(policy: &CaPolicy, now: Timestamp) -> Vec<Span> {
    let ahead = Span {
        from: now,
        to: now + CLOSED_AHEAD_SECONDS,
    };
    closed_within(&policy.capacity, ahead)
}

/// `<crate version>+<8 hex digits of the policy>`: semantic versioning's build metadata, so that
/// every answer shows which policy made it.
fn version(config: &Config) -> Arc<str> {
    let policy = config.policy_digest();
    format!("{}+{:08x}", env!("CARGO_PKG_VERSION"), policy >> 32).into()
}
