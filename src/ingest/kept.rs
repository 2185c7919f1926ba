//! The state of an import that is kept between two runs.

use serde::{Deserialize, Serialize};

use super::lines::Position;
use crate::domain::time::Timestamp;
use crate::engine::EngineError;
use crate::engine::verdict::Report;
use crate::store::ImportProgress;

/// What is kept as an import's report in [`ImportProgress`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// When the import began, in Unix seconds: what it registered is no older.
    pub(super) started_at: i64,
    /// When the last durable step was taken, in Unix seconds.
    pub(super) step_at: i64,
    /// Up to where the report goes.
    pub(super) judged: Position,
    pub(super) report: Report,
}

impl Kept {
    pub(super) const fn starting(now: Timestamp) -> Self {
        Self {
            started_at: now.unix(),
            step_at: now.unix(),
            judged: Position { offset: 0, line: 0 },
            report: Report {
                accepted: 0,
                unchanged: 0,
                rejected: 0,
                errors: Vec::new(),
                warnings: Vec::new(),
            },
        }
    }

    pub(super) fn of(progress: &ImportProgress) -> Result<Self, EngineError> {
        serde_json::from_str(&progress.report).map_err(|error| corrupt(&error))
    }

    pub(super) const fn started_at(&self) -> Timestamp {
        Timestamp::from_unix(self.started_at)
    }

    /// Whether the run that took the last step also told its report. An import of a single step is
    /// not marked so: there is nothing before it to be told.
    pub(super) const fn is_told(&self, progress: &ImportProgress) -> bool {
        progress.complete && (self.judged.offset == 0 || self.judged.offset == progress.offset)
    }
}

pub(super) fn corrupt(error: &serde_json::Error) -> EngineError {
    EngineError::Corrupt {
        what: "progress of an import",
        detail: error.to_string(),
    }
}
