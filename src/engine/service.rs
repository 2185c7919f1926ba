//! The running service: its state, and how it is opened, reconfigured and kept up to date.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

use super::verdict::Rejection;
use crate::config::Config;
use crate::domain::certificate::Certificate;
use crate::domain::certificate::certid::CertId;
use crate::domain::demand::observation::Observation;
use crate::domain::demand::profile::Profile;
use crate::domain::demand::series::MOST_VANTAGES;
use crate::domain::policy::ca::CaName;
use crate::domain::publication::weekly::Report;
use crate::domain::status::IsoWeek;
use crate::domain::time::{MINUTE, Span, Timestamp};
use crate::store::{FeedPosition, Publication, Store};

use super::answer::lookups::LookUps;
use super::clock::Clock;
use super::error::EngineError;
use super::learn::waiting::Waiting;
use super::publication::compared::Compared;
use super::register::logged_issuers::LoggedIssuers;
use super::replicas::Replicas;
use super::start::loading::load;
use super::start::stage::Resuming;
use super::state::batches::Trust;
use super::state::change::Applied;
use super::state::memory::Memory;

/// A source's clock may be ahead of ours by at most this much.
const OBSERVED_AHEAD_SECONDS: i64 = 5 * MINUTE;

/// The latest weekly reports: the request and its answer.
type Reports = Vec<((IsoWeek, Option<String>), Arc<Report>)>;

/// The running service, shared by all listeners and tasks.
#[derive(Debug)]
pub struct Engine {
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) memory: ArcSwap<Memory>,
    pub(super) look_ups: LookUps,
    pub(super) publication: ArcSwapOption<Publication>,
    pub(super) compared: Compared,
    /// The position in the change feed; the lock makes sure that only one task reads it.
    pub(super) feed: Mutex<FeedPosition>,
    /// Makes sure that only one rebalance runs.
    pub(super) rebalancing: Mutex<()>,
    /// When the feed was last read to its end.
    pub(super) fed_at: AtomicI64,
    /// Since when polls have been recorded.
    pub(super) started_at: Timestamp,
    /// Poll records on their way to the store.
    pub(super) waiting: Waiting,
    pub(super) resuming: Resuming,
    /// The threads for background work, which do not answer public requests.
    pub(super) background: Handle,
    pub(super) stopping: AtomicBool,
    pub(super) logged_issuers: LoggedIssuers,
    pub(super) reports: Mutex<Reports>,
    pub(super) priors: super::learn::priors::Priors,
    pub(super) sources: super::learn::board::Board,
    pub(super) replicas: Replicas,
}

impl Engine {
    /// Loads everything from the store.
    ///
    /// # Errors
    /// [`EngineError::Store`] if the store cannot be read.
    pub async fn open(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, EngineError> {
        Self::open_with(store, config, clock, Resuming::complete()).await
    }

    pub(super) async fn open_with(
        store: Arc<dyn Store>,
        config: Config,
        clock: Arc<dyn Clock>,
        resuming: Resuming,
    ) -> Result<Arc<Self>, EngineError> {
        store.admit().await?;
        let key = store.hash_key().await?;
        let now = clock.now();
        let (memory, position) = load(store.as_ref(), config, key, now).await?;
        memory.begin_shadows(now);
        let publication = store.publication_after(0).await?.map(Arc::new);
        let engine = Self::new(store, clock, memory, position, publication, resuming);
        engine.learn();
        Ok(Arc::new(engine))
    }

    pub(super) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        memory: Memory,
        position: FeedPosition,
        publication: Option<Arc<Publication>>,
        resuming: Resuming,
    ) -> Self {
        let now = clock.now();
        announce(&memory.version, 1.0);
        Self {
            store,
            clock,
            memory: ArcSwap::from_pointee(memory),
            look_ups: LookUps::new(),
            publication: ArcSwapOption::new(publication),
            compared: Compared::default(),
            reports: Mutex::default(),
            priors: super::learn::priors::Priors::default(),
            sources: super::learn::board::Board::default(),
            replicas: Replicas::default(),
            feed: Mutex::new(position),
            rebalancing: Mutex::default(),
            fed_at: AtomicI64::new(now.unix()),
            started_at: now,
            waiting: Waiting::default(),
            resuming,
            background: Handle::current(),
            stopping: AtomicBool::new(false),
            logged_issuers: LoggedIssuers::default(),
        }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The runtime on which it was opened, used for long computations.
    #[must_use]
    pub fn background(&self) -> &Handle {
        &self.background
    }

    /// The current time, by the process's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The current configuration.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.memory.load().config)
    }

    /// `<crate version>+<8 hex digits of the current policy>`: the version in every answer. It is
    /// the same text in memory while the policy stays the same.
    #[must_use]
    pub fn version(&self) -> Arc<str> {
        Arc::clone(&self.memory.load().version)
    }

    /// The number of certificates in memory.
    #[must_use]
    pub fn certificates_indexed(&self) -> usize {
        self.memory.load().index.len()
    }

    /// The number of windows in a span, for certificates of all CAs that are not replaced. A window
    /// partly inside counts in proportion.
    #[must_use]
    pub fn windows_promised(&self, span: Span) -> f64 {
        let memory = self.memory();
        memory
            .cas
            .iter()
            .map(|ca| ca.allocator().ledger.windows(span))
            .sum()
    }

    /// The demand profile of a CA.
    #[must_use]
    pub fn profile(&self, ca: &CaName) -> Option<Arc<Profile>> {
        self.memory().ca(ca).map(|ca| ca.profile.load_full())
    }

    pub(super) fn memory(&self) -> Arc<Memory> {
        self.memory.load_full()
    }

    /// Adopts another configuration. If issuers move between CAs, everything is rebuilt from the
    /// store; until then the old configuration answers.
    ///
    /// # Errors
    /// [`EngineError::Store`]; the old configuration stays.
    pub async fn reconfigure(&self, config: Config) -> Result<(), EngineError> {
        let mut position = self.feed.lock().await;
        let old = self.version();
        match self.memory().reconfigured(config.clone()) {
            Some(memory) => {
                self.memory.store(Arc::new(memory));
                self.memory().begin_shadows(self.now());
            }
            None => self.rebuild(config, &mut position).await?,
        }
        drop(position);
        announce(&old, 0.0);
        announce(&self.version(), 1.0);
        self.learn();
        Ok(())
    }

    /// Reads the change feed to its end.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn catch_up(&self) -> Result<(), EngineError> {
        let mut position = self.feed.lock().await;
        let memory = self.memory();
        let in_force = Arc::clone(&memory.in_force());
        let outcome = self.read_feed(&memory, &mut position).await?;
        if outcome != Applied::Done {
            self.rebuild(Config::clone(&memory.config), &mut position)
                .await?;
        }
        if !Arc::ptr_eq(&in_force, &memory.in_force()) {
            memory.close(self.now());
        }
        self.fed_at.store(self.now().unix(), Ordering::Relaxed);
        Ok(())
    }

    /// Applies the feed from `position` on to a state, and moves `position` to its end, unless the
    /// state has to be rebuilt.
    pub(super) async fn read_feed(
        &self,
        memory: &Memory,
        position: &mut FeedPosition,
    ) -> Result<Applied, EngineError> {
        if memory.batches().open_pass() == Trust::Broken {
            return Ok(Applied::SumAnew);
        }
        let mut outcome = Applied::Done;
        let next = self
            .store
            .changes(*position, &mut |change| {
                outcome = outcome.max(memory.apply(change));
            })
            .await?;
        memory.batches().close_pass();
        if outcome == Applied::Done {
            *position = next;
        }
        Ok(outcome)
    }

    /// Updates the profile of every CA.
    pub fn learn(&self) {
        self.memory().learn(self.now());
        self.priors.adopt_into(&self.memory(), self.now());
    }

    /// The stored row of a certificate, under either of its two spellings.
    ///
    /// # Errors
    /// [`EngineError::Store`].
    pub async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, EngineError> {
        if let Some(certificate) = self.store.certificate(id).await? {
            return Ok(Some(certificate));
        }
        match id.with_sign_octet() {
            Some(restored) => Ok(self.store.certificate(&restored).await?),
            None => Ok(None),
        }
    }

    /// Removes certificates and their influence; returns how many existed.
    ///
    /// # Errors
    /// [`EngineError::Store`]. [`EngineError::NotSummed`]: nothing is removed.
    pub async fn remove(&self, ids: &[CertId]) -> Result<u64, EngineError> {
        self.wait_until_ready().await?;
        let removed = self.store.remove(ids).await?;
        self.catch_up().await?;
        Ok(removed)
    }

    /// Checks whether an observation can be counted.
    ///
    /// # Errors
    /// The rejection: the CA is unknown, or the time is too far ahead or past the retention.
    pub fn judge(&self, observation: &Observation) -> Result<(), Rejection> {
        let memory = self.memory.load();
        let now = self.now();
        let Some(ca) = memory.ca(&observation.ca) else {
            let detail = format!("no CA is named {:?}", observation.ca.as_str());
            return Err(Rejection::new("ca", detail));
        };
        if observation.vantage.is_some() && !ca.takes(observation) {
            let detail = format!(
                "the source {} has {MOST_VANTAGES} vantages already, and no more are kept apart",
                observation.source
            );
            return Err(Rejection::new("vantage", detail));
        }
        let at = observation.at;
        if at > now + OBSERVED_AHEAD_SECONDS {
            let detail = format!("{at} is more than 5 minutes ahead of our clock ({now})");
            return Err(Rejection::new("at", detail));
        }
        let kept_from = now - memory.config.retention_seconds;
        if at < kept_from {
            let detail = format!("{at} is past the retention: kept from {kept_from}");
            return Err(Rejection::new("at", detail));
        }
        Ok(())
    }
}

/// Sets the metric for the current version to 1, and for a former one to 0.
fn announce(version: &Arc<str>, in_force: f64) {
    metrics::gauge!("offpeak_info", "version" => version.to_string()).set(in_force);
}
