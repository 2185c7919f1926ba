//! What can go wrong in the engine.

use crate::store::StoreError;

/// The engine's failure, named after the operation that met it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Arithmetic aside from the answers broke off.
    #[error("a calculation broke off: {0}")]
    Aside(String),
    /// A stored table or document cannot be read back.
    #[error("the stored {what} cannot be read: {detail}")]
    Corrupt {
        /// What it is.
        what: &'static str,
        /// Why not.
        detail: String,
    },
    /// Not everything has been read from the store yet since the start: try again later.
    #[error("not everything has been read from the database yet since the start")]
    NotSummed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
