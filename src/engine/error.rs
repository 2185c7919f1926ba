//! The errors of the engine.

use crate::store::StoreError;

/// An error, named after the operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A computation in the background panicked.
    #[error("a calculation broke off: {0}")]
    Aside(String),
    /// A stored table or document cannot be parsed.
    #[error("the stored {what} cannot be read: {detail}")]
    Corrupt {
        /// What it is.
        what: &'static str,
        /// The reason.
        detail: String,
    },
    /// The start has not read everything from the store yet; try again later.
    #[error("not everything has been read from the database yet since the start")]
    NotSummed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
