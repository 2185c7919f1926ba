//! The progress of a source: its cursor and its counts are stored in one step.

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

/// Certificates registered in one transaction: 4 MB of a log contain some thousand.
const REGISTERED_AT_ONCE: usize = 1_000;

/// Why a source cannot be read now.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Another process has moved the cursor, so it reads the same source.
    #[error("another process reads it: give each process's sources names of their own")]
    Another,
    /// The stored cursor cannot be parsed.
    #[error("its cursor in the database cannot be read: {0}")]
    Cursor(serde_json::Error),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no usable answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Its path.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The content is not credible or cannot be parsed.
    #[error("{0}")]
    Wrong(String),
}

impl SourceError {
    /// When to try again, if the answer says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Another => Some(LEFT_TO_ANOTHER),
            Self::Fetch(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// A source's stored progress.
pub(super) struct Progress {
    engine: Arc<Engine>,
    source: String,
    /// The cursor as stored.
    stored: Option<String>,
}

/// What was read since the last step.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// The counts.
    pub(super) observations: Vec<Observation>,
    /// Keyed hashes of counted certificates that may be seen again.
    pub(super) counted: Vec<u64>,
    /// Certificates to register first; registering one twice changes nothing.
    pub(super) certificates: Vec<Submission>,
    /// The number of records.
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

    /// The cursor of the source; the default if it has none yet.
    pub(super) fn cursor<C: DeserializeOwned + Default>(&self) -> Result<C, SourceError> {
        self.stored.as_deref().map_or_else(
            || Ok(C::default()),
            |stored| serde_json::from_str(stored).map_err(SourceError::Cursor),
        )
    }

    /// Records that more records were read, and everything before `through`, without storing
    /// anything.
    pub(super) fn read(&self, records: u64, through: Option<Timestamp>) {
        self.engine.source_read(&self.source, records, through);
    }

    /// Stores the counts and the cursor in one step. Counts that cannot be stored, because they are
    /// too old or their CA no longer exists, are left out.
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
