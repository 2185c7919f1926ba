//! How far a source has come: its cursor and its counts go into the store in one step.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fetch::FetchError;
use crate::domain::certificate::Submission;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;
use crate::engine::{Engine, EngineError};
use crate::store::{SourceStep, StoreError};

/// How long a process leaves a source alone that another process reads.
const LEFT_TO_ANOTHER: Duration = Duration::from_mins(5);

/// Certificates that are registered in one transaction: 4 MB of a log show some thousand.
const REGISTERED_AT_ONCE: usize = 1_000;

/// Why a source cannot be read now.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Another process has moved the cursor: it reads the same source.
    #[error("another process reads it: give each process's sources names of their own")]
    Another,
    /// What was kept of it cannot be read.
    #[error("its cursor in the database cannot be read: {0}")]
    Cursor(serde_json::Error),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// It does not answer as it should.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why not.
        source: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it says is not to be believed, or cannot be read.
    #[error("{0}")]
    Wrong(String),
}

impl SourceError {
    /// When it may be asked again, where it says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Another => Some(LEFT_TO_ANOTHER),
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// A source's place in the store.
pub(super) struct Progress {
    engine: Arc<Engine>,
    source: String,
    /// As the store has it.
    stored: Option<String>,
}

/// What was read since the last step.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// What was counted.
    pub(super) observations: Vec<Observation>,
    /// Keyed hashes of what was counted and may come again.
    pub(super) counted: Vec<u64>,
    /// Certificates to be registered first: registering one twice changes nothing.
    pub(super) certificates: Vec<Submission>,
    /// How many records that is.
    pub(super) records: u64,
}

impl Progress {
    pub(super) async fn open(engine: &Arc<Engine>, source: &str) -> Result<Self, SourceError> {
        Ok(Self {
            engine: Arc::clone(engine),
            source: source.to_owned(),
            stored: engine.store().source_cursor(source).await?,
        })
    }

    pub(super) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn now(&self) -> Timestamp {
        self.engine.now()
    }

    /// Where the source stands; as it begins where it has not begun.
    pub(super) fn cursor<C: DeserializeOwned + Default>(&self) -> Result<C, SourceError> {
        self.stored.as_deref().map_or_else(
            || Ok(C::default()),
            |stored| serde_json::from_str(stored).map_err(SourceError::Cursor),
        )
    }

    /// So many more records were read, and all before `through`; nothing of it is to be kept.
    pub(super) fn read(&self, records: u64, through: Option<Timestamp>) {
        self.engine.source_read(&self.source, records, through);
    }

    /// Counts what was read and moves the cursor, all or nothing. What cannot be counted, being of a
    /// time that is not kept any more or of a CA that is gone, is left out.
    pub(super) async fn advance<C: Serialize + Sync>(
        &mut self,
        cursor: &C,
        mut batch: Batch,
        through: Option<Timestamp>,
    ) -> Result<(), SourceError> {
        for certificates in batch.certificates.chunks(REGISTERED_AT_ONCE) {
            self.engine.register(certificates, None).await?;
        }
        batch
            .observations
            .retain(|observation| self.engine.judge(observation).is_ok());
        let to = serde_json::to_string(cursor).map_err(SourceError::Cursor)?;
        let step = SourceStep {
            source: &self.source,
            from: self.stored.as_deref(),
            to: &to,
            observations: &batch.observations,
            counted: &batch.counted,
        };
        let now = self.engine.now();
        if !self.engine.store().advance_source(step, now).await? {
            return Err(SourceError::Another);
        }
        self.stored = Some(to);
        self.engine
            .source_read(&self.source, batch.records, through);
        Ok(())
    }
}
