//! Errors that abort reading, as opposed to rejections of single records.

use std::error::Error;
use std::io;

use crate::engine::verdict::Report;
use crate::engine::{EngineError, IncidentError};

/// Why a body or file was not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// The body was cut off. What the report counts as accepted is durable; observations of an
    /// incomplete body do not count.
    #[error("the body broke off after line {}: {source}", .done.line)]
    Body {
        /// The progress.
        done: Box<Done>,
        /// The transport's error.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The file has changed since its SHA-256 was computed.
    #[error("the file changed while it was read")]
    Changed,
    /// The engine failed. What the report counts as accepted is durable.
    #[error("stopped after line {}: {source}", .done.line)]
    Engine {
        /// The progress.
        done: Box<Done>,
        /// The engine's error.
        source: EngineError,
    },
    /// The incident no longer accepts certificates. What the report counts as accepted is durable.
    #[error("{source}")]
    Incident {
        /// The progress.
        done: Box<Done>,
        /// The reason.
        source: IncidentError,
    },
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The progress of a body or file that was not read to its end.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Done {
    /// The last line with a verdict; 0 if there was none.
    pub line: u64,
    /// The results of the records up to there.
    pub report: Report,
}

/// A `Content-Type` that is not supported.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the media type {given:?} is not taken here; it takes {taken}")]
pub struct UnknownMediaType {
    /// The media type.
    pub given: String,
    /// The supported types.
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
