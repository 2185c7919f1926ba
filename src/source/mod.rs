//! Sources of load: a task for each `[[source]]` reads what is new, counts it, and stores the
//! counts together with its position. A failing source does not delay others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::config::{SourceConfig, SourceKind};
use crate::engine::Engine;

mod columns;
pub mod csv;
pub mod ct;
pub mod fetch;
pub mod folder;
pub mod log;
pub mod peer;
pub mod probe;
mod progress;
pub mod prometheus;
pub mod ranking;
pub mod sql;

pub use progress::SourceError;

use progress::Progress;

/// How soon a configuration change takes effect, and a failed task is restarted.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The first wait after a failure; it doubles with each further one …
const FIRST_WAIT: Duration = Duration::from_secs(2);
/// … up to this, so that the end of a log's outage is noticed within ten minutes.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Reads the configured sources, each in its own task, and follows configuration changes. The tasks
/// end when this is dropped.
pub async fn follow(engine: Arc<Engine>) {
    let mut running = Running::default();
    loop {
        running.adapt(&engine);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Reads what a source has up to now, and ends: for tests.
///
/// # Errors
/// [`SourceError`].
pub async fn read_once(engine: &Arc<Engine>, source: &SourceConfig) -> Result<(), SourceError> {
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    let mut progress = Progress::open(engine, &source.name).await?;
    match &source.kind {
        SourceKind::Csv(config) => csv::look(&mut progress, source, config).await,
        SourceKind::Ct(config) => ct::read_once(progress, source.ca.as_ref(), config).await,
        SourceKind::Folder(config) => folder::read_once(engine, source, config).await,
        SourceKind::Log(config) => log::read_once(progress, source, config).await,
        SourceKind::Peer(config) => peer::read_once(progress, source, config).await,
        SourceKind::Probe(config) => probe::read_once(progress, source, config).await,
        SourceKind::Prometheus(config) => prometheus::read_once(progress, source, config).await,
        SourceKind::Ranking(config) => ranking::read_once(engine, source, config).await,
        SourceKind::Sql(config) => sql::catch_up(&mut progress, source, config).await,
    }
}

#[derive(Default)]
struct Running(BTreeMap<String, (SourceConfig, JoinHandle<()>)>);

impl Running {
    /// Ends tasks that are no longer configured or have failed, and starts missing ones.
    fn adapt(&mut self, engine: &Arc<Engine>) {
        let config = engine.config();
        self.0.retain(|name, (of, task)| {
            let stays = config.sources.contains(of) && !task.is_finished();
            if !stays {
                task.abort();
                engine.end_source(name);
            }
            stays
        });
        for source in &config.sources {
            if !self.0.contains_key(&source.name) {
                let task = tokio::spawn(read(Arc::clone(engine), source.clone()));
                self.0.insert(source.name.clone(), (source.clone(), task));
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for (_, task) in self.0.values() {
            task.abort();
        }
    }
}

/// Reads a source as long as it is configured.
async fn read(engine: Arc<Engine>, source: SourceConfig) {
    engine.begin_source(&source.name, source.kind.name(), source.ca.as_ref());
    let mut wait = FIRST_WAIT;
    loop {
        let begun = tokio::time::Instant::now();
        let Err(error) = read_until_it_fails(&engine, &source).await;
        if matches!(error, SourceError::Another) {
            engine.source_elsewhere(&source.name);
        } else {
            engine.source_failed(&source.name, &error.to_string());
        }
        // A failure after a longer success starts again with the first wait.
        if begun.elapsed() > LONGEST_WAIT {
            wait = FIRST_WAIT;
        }
        tokio::time::sleep(error.retry_after().unwrap_or(wait)).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

async fn read_until_it_fails(
    engine: &Arc<Engine>,
    source: &SourceConfig,
) -> Result<std::convert::Infallible, SourceError> {
    let progress = Progress::open(engine, &source.name).await?;
    match &source.kind {
        SourceKind::Csv(config) => csv::read(progress, source, config).await,
        SourceKind::Ct(config) => ct::read(progress, source.ca.as_ref(), config).await,
        SourceKind::Folder(config) => folder::read(engine, source, config).await,
        SourceKind::Log(config) => log::read(progress, source, config).await,
        SourceKind::Peer(config) => peer::read(progress, source, config).await,
        SourceKind::Probe(config) => probe::read(progress, source, config).await,
        SourceKind::Prometheus(config) => prometheus::read(progress, source, config).await,
        SourceKind::Ranking(config) => ranking::read(engine, source, config).await,
        SourceKind::Sql(config) => sql::read(progress, source, config).await,
    }
}
