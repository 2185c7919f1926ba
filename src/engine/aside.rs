//! Arithmetic that takes milliseconds or more.

use tokio::runtime::Handle;

use super::error::EngineError;

/// Does it on a thread that answers nothing.
///
/// # Errors
/// [`EngineError::Aside`] where it panics, which has been logged where it happened.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    aside_on(&Handle::current(), work).await
}

/// The same on a thread of this runtime, where the public may be who asks.
///
/// # Errors
/// As [`aside`].
pub(super) async fn aside_on<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    runtime
        .spawn_blocking(work)
        .await
        .map_err(|error| EngineError::Aside(error.to_string()))
}
