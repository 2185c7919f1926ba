//! A reverse proxy in front of an ACME server (`docs/gateway.md`). It forwards requests, recognises
//! their content, and registers certificates before they are delivered. It adds ARI, `replaces`,
//! and proper "busy" answers to a CA without them.
//!
//! `proxy` handles requests, `answer` reads the upstream's answers, and only `upstream` opens
//! connections. `domain::acme` recognises ACME objects.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use hyper_util::service::TowerToHyperService;
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::config::GatewayConfig;
use crate::domain::acme::Endpoint;
use crate::domain::time::MINUTE;
use crate::engine::Engine;
use crate::store::Claim;
use crate::wire::server_header::ServerHeader;

mod accounts;
pub mod admission;
mod answer;
mod asked;
mod body;
mod chain;
mod check;
mod claims;
mod directory;
mod endpoints;
mod failures;
mod forward;
mod jws;
mod latencies;
mod minutes;
mod new_order;
mod orders;
mod outage;
mod own_faults;
mod proxy;
mod refusal;
mod registrar;
mod replaces;
mod revoking;
mod spool;
mod store_time;
mod tallies;
mod upstream;
mod watch;

pub use check::{CheckError, Checked, CheckedUrl, check};
pub use upstream::UpstreamError;

use accounts::Accounts;
use admission::Admission;
use endpoints::Endpoints;
use failures::Memory;
use minutes::Minutes;
use orders::Orders;
use registrar::Registrar;
use spool::Spool;
use store_time::Patience;
use tallies::Tallies;
use upstream::Upstream;
use watch::Watch;

/// How often counts are written to the store.
const HANDED_IN_EVERY: Duration = Duration::from_secs(20);

/// How long a stopping process waits for the store to take the counts. With the 25 s of grace and
/// drain it fits into the 30 s that orchestrators allow.
const HANDED_IN_AT_LAST_WITHIN: Duration = Duration::from_secs(2);

/// URLs whose claims are cached, about 100 octets each: at most 20 MB.
const MOST_CLAIMS: u64 = 200_000;

/// How long a cached claim is used; another process may have claimed or released it since.
const CLAIMS_BELIEVED_FOR: Duration = Duration::from_mins(10);

/// Revocations that wait for an unavailable store, about 200 octets each. A CA that revokes more at
/// once publishes a list (`[[crl]]`).
const MOST_REVOCATIONS: usize = 10_000;

/// How often the upstream's availability is checked.
const WATCHED_EVERY: Duration = Duration::from_secs(1);

/// The parts of a gateway besides its configuration.
#[derive(Debug)]
pub struct Parts {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Answers `/renewal-info/…` with the code of the public listener.
    pub renewal_info: Router,
    /// Decides which new orders pass.
    pub admission: Arc<dyn Admission>,
    /// The folder for certificates that wait for the store.
    pub spool: PathBuf,
}

/// Why a gateway cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The spool folder cannot be used.
    #[error("the spool {} cannot be used: {source}", folder.display())]
    Spool {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The upstream cannot be used.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// A gateway: one listener and one upstream.
#[derive(Debug)]
pub struct Gateway {
    config: GatewayConfig,
    engine: Arc<Engine>,
    upstream: Upstream,
    renewal_info: TowerToHyperService<Router>,
    admission: Arc<dyn Admission>,
    endpoints: ArcSwap<Endpoints>,
    accounts: Accounts,
    orders: Orders,
    failures: Memory,
    /// The claim of each URL, or that it has none.
    claims: Cache<u128, Option<Arc<Claim>>>,
    registrar: Registrar,
    patience: Arc<Patience>,
    minutes: Minutes,
    watch: Watch,
    tallies: Tallies,
    server: ServerHeader,
    /// Limits the number of revocations that wait for the store.
    revoking: Arc<Semaphore>,
}

impl Gateway {
    /// Opens a gateway. It connects to the upstream when first needed.
    ///
    /// # Errors
    /// [`GatewayError`].
    pub fn open(config: GatewayConfig, parts: Parts) -> Result<Arc<Self>, GatewayError> {
        let Parts {
            engine,
            renewal_info,
            admission,
            spool: folder,
        } = parts;
        let spool = Spool::open(&folder).map_err(|source| GatewayError::Spool {
            folder: folder.clone(),
            source,
        })?;
        let within = u64::try_from(config.register_within_ms).unwrap_or(0);
        let within = Duration::from_millis(within);
        let key = engine.hash_key();
        Ok(Arc::new(Self {
            upstream: Upstream::open(&config)?,
            renewal_info: TowerToHyperService::new(renewal_info),
            admission,
            endpoints: ArcSwap::default(),
            accounts: Accounts::new(Arc::clone(&engine)),
            claims: Cache::builder()
                .max_capacity(MOST_CLAIMS)
                .time_to_live(CLAIMS_BELIEVED_FOR)
                .build(),
            orders: Orders::new(key),
            failures: Memory::new(),
            registrar: Registrar::new(Arc::clone(&engine), Arc::new(spool), within / 3),
            // The remaining time is for the disk, if the store has not taken a certificate by then.
            patience: Patience::new(within * 2 / 3),
            minutes: Minutes::of(config.ca.clone()),
            watch: Watch::default(),
            tallies: Tallies::of(&config.name),
            server: ServerHeader::default(),
            revoking: Arc::new(Semaphore::new(MOST_REVOCATIONS)),
            engine,
            config,
        }))
    }

    /// Runs the background work, which stores waiting certificates and counts; does not return.
    pub async fn run(self: Arc<Self>) {
        let counting = async {
            let mut ticks = interval(HANDED_IN_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                self.hand_in().await;
            }
        };
        let watching = async {
            let mut ticks = interval(WATCHED_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                if let Err(error) = self.watch().await {
                    tracing::warn!(event = "outage_not_noted", gateway = self.config.name, %error);
                }
            }
        };
        tokio::join!(counting, watching, self.registrar.run());
    }

    /// Writes complete minutes to the store. If it is unavailable, they wait.
    pub async fn hand_in(&self) {
        let now = self.engine.now();
        self.minutes.alive(now);
        if let Err(error) = self.minutes.hand_in(&self.engine, now).await {
            tracing::warn!(event = "gateway_counts_wait", gateway = self.config.name, %error);
        }
        if let Err(error) = self.failures.hand_in(&self.engine, now).await {
            tracing::warn!(event = "gateway_failures_wait", gateway = self.config.name, %error);
        }
        if let Err(error) = self.free_expired().await {
            tracing::debug!(event = "claims_wait", gateway = self.config.name, %error);
        }
    }

    /// Writes all counts, including the present minute, because the process stops. What the store
    /// does not accept in time is lost.
    pub async fn hand_in_at_last(&self) {
        let now = self.engine.now();
        let handing = async {
            if let Err(error) = self.minutes.hand_in(&self.engine, now + MINUTE).await {
                tracing::warn!(event = "gateway_counts_lost", gateway = self.config.name, %error);
            }
            if let Err(error) = self.failures.hand_in(&self.engine, now).await {
                tracing::warn!(event = "gateway_failures_lost", gateway = self.config.name, %error);
            }
        };
        if let Err(error) = timeout(HANDED_IN_AT_LAST_WITHIN, handing).await {
            tracing::warn!(event = "gateway_counts_lost", gateway = self.config.name, %error);
        }
    }

    /// The endpoint at a path and query, as far as the known directories show.
    fn endpoint_at(&self, path_and_query: &str) -> Endpoint {
        if path_and_query == self.upstream.directory() {
            return Endpoint::Directory;
        }
        self.endpoints.load().at(path_and_query)
    }
}

/// The directory URL for clients that reach the gateway at `base_url`.
#[must_use]
pub fn directory_url(base_url: &str, upstream: &str) -> String {
    let path = upstream
        .split_once("://")
        .and_then(|(_, rest)| rest.find('/').map(|slash| &rest[slash..]));
    format!("{base_url}{}", path.unwrap_or("/"))
}

/// The spool folder of a gateway: as configured, else next to an SQLite database, else in the
/// working directory.
#[must_use]
pub fn spool_folder(config: &GatewayConfig, database: &str) -> PathBuf {
    if let Some(folder) = &config.spool {
        return folder.clone();
    }
    let file = database
        .strip_prefix("sqlite:")
        .map(|path| path.strip_prefix("//").unwrap_or(path))
        .filter(|path| *path != ":memory:");
    let name = format!("{}.spool", config.name);
    match file {
        Some(file) => Path::new(&format!("{file}.{name}")).to_owned(),
        None => PathBuf::from(format!("offpeak.{name}")),
    }
}
