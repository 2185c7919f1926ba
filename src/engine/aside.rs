//! Arithmetic that takes milliseconds or more.

use super::EngineError;

/// Does it on a thread that answers nothing.
///
/// # Errors
/// [`EngineError::Aside`] where it panics, which has been logged where it happened.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| EngineError::Aside(error.to_string()))
}
