//! `kind = "probe"`: observes a CA from outside. It requests what every client requests first, the
//! directory and a nonce, and optionally a whole order from time to time, and reports the results
//! as an observer.

use std::convert::Infallible;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use super::fetch::{FetchError, Fetcher};
use super::progress::{Batch, Progress, SourceError};
use crate::config::{ProbeConfig, SourceConfig};
use crate::domain::demand::observation::{Kind, Observation, Source};
use crate::domain::policy::ca::CaName;
use crate::domain::time::{MINUTE, Timestamp};

mod answering;
pub mod order;
mod outage;

pub use outage::watch;

use order::Measured;

/// The largest answer. A directory has some hundred octets, an error page of a gateway or CDN some
/// thousand.
const MOST_OCTETS: usize = 256 << 10;

#[derive(Debug, Default, Deserialize, Serialize)]
struct Cursor {
    through: Option<Timestamp>,
    /// When the last order was begun.
    #[serde(default)]
    ordered: Option<Timestamp>,
}

/// The required members of a directory (RFC 8555 section 7.1.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Directory {
    new_nonce: String,
}

/// Probes as long as it is configured. A CA that does not answer is a result and not a failure of
/// the source.
pub(super) async fn read(
    progress: Progress,
    source: &SourceConfig,
    config: &ProbeConfig,
) -> Result<Infallible, SourceError> {
    let mut probe = Probe::new(progress, source, config)?;
    let every = u64::try_from(config.every_seconds).unwrap_or(1).max(1);
    let mut ticks = tokio::time::interval(Duration::from_secs(every));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        probe.round().await?;
    }
}

/// Probes once.
pub(super) async fn read_once(
    progress: Progress,
    source: &SourceConfig,
    config: &ProbeConfig,
) -> Result<(), SourceError> {
    let mut probe = Probe::new(progress, source, config)?;
    probe.round().await?;
    if let Some(ended) = probe.ordering.join_next().await {
        let mut batch = Batch::default();
        probe.add_order(&mut batch, ended);
        let cursor: Cursor = probe.progress.cursor()?;
        let through = cursor.through;
        probe.progress.advance(&cursor, batch, through).await?;
    }
    Ok(())
}

/// The HTTP client, with the configured roots.
///
/// # Errors
/// [`SourceError`] if the roots cannot be read.
pub fn fetcher(config: &ProbeConfig) -> Result<Fetcher, SourceError> {
    let Some(roots) = &config.roots else {
        return Ok(Fetcher::new(&config.contact, Duration::ZERO)?);
    };
    let octets = std::fs::read(roots).map_err(|source| SourceError::File {
        path: roots.display().to_string(),
        source,
    })?;
    Ok(Fetcher::trusting(&config.contact, &octets, Duration::ZERO)?)
}

struct Probe {
    progress: Progress,
    fetcher: Fetcher,
    ca: CaName,
    vantage: String,
    config: ProbeConfig,
    /// The order in progress: at most one, in parallel with the rounds.
    ordering: JoinSet<Measured>,
}

impl Probe {
    fn new(
        progress: Progress,
        source: &SourceConfig,
        config: &ProbeConfig,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            fetcher: fetcher(config)?,
            ca: source.ca.clone().unwrap_or_default(),
            vantage: config
                .vantage
                .clone()
                .unwrap_or_else(|| source.name.clone()),
            config: config.clone(),
            ordering: JoinSet::new(),
            progress,
        })
    }

    /// Requests the directory and a nonce, reports the results, and checks for an outage.
    async fn round(&mut self) -> Result<(), SourceError> {
        let mut batch = Batch::default();
        let (directory, took) = self.ask(&self.config.url).await;
        let directory = directory.and_then(|body| {
            let wrong = |_| FetchError::Status {
                url: self.config.url.clone(),
                status: 200,
            };
            serde_json::from_slice::<Directory>(&body).map_err(wrong)
        });
        self.add(&mut batch, "directory", directory.is_ok(), took);
        if let Ok(directory) = directory {
            let (nonce, took) = self.ask(&directory.new_nonce).await;
            // A nonce comes with status 204 for GET, and with 200 for HEAD.
            let well = match nonce {
                Ok(_) => true,
                Err(FetchError::Status { status, .. }) => status < 300,
                Err(_) => false,
            };
            self.add(&mut batch, "new-nonce", well, took);
        }
        batch.records = 1;
        if let Some(ended) = self.ordering.try_join_next() {
            self.add_order(&mut batch, ended);
        }
        let through = Some(self.progress.now());
        let ordered = self.order_if_due()?;
        let cursor = Cursor { through, ordered };
        self.progress.advance(&cursor, batch, through).await?;
        if let Some(quorum) = self.config.outage_quorum {
            watch(self.progress.engine(), &self.ca, quorum).await?;
        }
        Ok(())
    }

    /// Begins an order if one is due; returns when the last one began. That is stored with the
    /// round, so that a restart causes no additional order.
    fn order_if_due(&mut self) -> Result<Option<Timestamp>, SourceError> {
        let Cursor { ordered, .. } = self.progress.cursor()?;
        let Some(config) = &self.config.order else {
            return Ok(ordered);
        };
        let now = self.progress.now();
        if ordered.is_some_and(|at| now - at < config.every_seconds) || !self.ordering.is_empty() {
            return Ok(ordered);
        }
        let (client, config) = (self.fetcher.client(), config.clone());
        let (url, contact) = (self.config.url.clone(), self.config.contact.clone());
        self.ordering
            .spawn(async move { order::order(client, &url, &contact, &config).await });
        Ok(Some(now))
    }

    /// Reports the result of an order. An order that failed on this side is only logged.
    fn add_order(&self, batch: &mut Batch, ended: Result<Measured, JoinError>) {
        let source = self.progress.source();
        let Ok(measured) = ended else {
            return;
        };
        for step in &measured.steps {
            self.add(batch, step.endpoint.name(), step.is_well(), step.took);
        }
        if let Some(reason) = measured.failed {
            tracing::warn!(event = "probe_order_failed", source, %reason);
        }
    }

    async fn ask(&self, url: &str) -> (Result<Vec<u8>, FetchError>, Duration) {
        let begun = Instant::now();
        // Also during an outage, and despite `Retry-After`: a probe makes only two requests a
        // round, and it must notice when the CA is back.
        let answer = self.fetcher.ask(url, MOST_OCTETS).await;
        (answer, begun.elapsed())
    }

    fn add(&self, batch: &mut Batch, endpoint: &str, well: bool, took: Duration) {
        let now = self.progress.now();
        let minute = Timestamp::from_unix(now.slot(MINUTE) * MINUTE);
        let line = |kind, count| Observation {
            ca: self.ca.clone(),
            endpoint: Some(endpoint.to_owned()),
            vantage: Some(self.vantage.clone()),
            ..Observation::plain(minute, Source::Observer, kind, count)
        };
        batch.observations.push(Observation {
            latency_ms: Some(took.as_secs_f64() * 1_000.0),
            ..line(Kind::Attempt, 1)
        });
        batch
            .observations
            .push(line(Kind::Failed, u64::from(!well)));
    }
}
