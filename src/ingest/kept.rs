//! The state of an import that is stored between runs.

use serde::{Deserialize, Serialize};

use super::lines::Position;
use crate::domain::time::Timestamp;
use crate::engine::EngineError;
use crate::engine::verdict::Report;
use crate::store::ImportProgress;

/// The content of the report in [`ImportProgress`].
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Kept {
    /// When the import began, in Unix seconds. What it registered is not older.
    pub(super) started_at: i64,
    /// The time of the last durable step, in Unix seconds.
    pub(super) step_at: i64,
    /// The end of the report.
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

    /// Whether the run with the last step also delivered its report. An import of a single step has
    /// no such mark, because nothing was reported before it.
    pub(super) const fn is_reported(&self, progress: &ImportProgress) -> bool {
        progress.complete && (self.judged.offset == 0 || self.judged.offset == progress.offset)
    }
}

pub(super) fn corrupt(error: &serde_json::Error) -> EngineError {
    EngineError::Corrupt {
        what: "progress of an import",
        detail: error.to_string(),
    }
}
