//! Errors that stop the reading of records, as opposed to errors that reject one of them.

use std::error::Error;
use std::io;

use crate::engine::verdict::Report;
use crate::engine::{EngineError, IncidentError};

/// Why a body or file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The body broke off. What its report calls accepted is durable and stays; observations of a
    /// body that broke off never count.
    #[error("the body broke off after line {}: {source}", .done.line)]
    Body {
        /// How far it came.
        done: Box<Done>,
        /// What the transport says.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file is not what it was when its SHA-256 was taken.
    #[error("the file changed while it was read")]
    Changed,
    /// The engine failed. What the report calls accepted is durable and stays.
    #[error("stopped after line {}: {source}", .done.line)]
    Engine {
        /// How far it came.
        done: Box<Done>,
        /// What failed.
        source: EngineError,
    },
    /// The incident does not take certificates, or not any more. What the report calls accepted
    /// is durable and stays.
    #[error("{source}")]
    Incident {
        /// How far it came.
        done: Box<Done>,
        /// Why.
        source: IncidentError,
    },
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// How far a body or file came that was not read to its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Done {
    /// The last line whose record was judged; 0 where none was.
    pub line: u64,
    /// What became of the records up to there.
    pub report: Report,
}

/// A `Content-Type` that names no format.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the media type {given:?} is not taken here; it takes {taken}")]
pub struct UnknownMediaType {
    /// What was given.
    pub given: String,
    /// What would have been taken.
    pub taken: &'static str,
}

impl UnknownMediaType {
    pub(super) fn new(given: &str, taken: &'static str) -> Self {
        Self {
            given: given.chars().take(100).collect(),
            taken,
        }
    }
}
