//! Runs computations that take milliseconds or more.

use tokio::runtime::Handle;

use super::error::EngineError;

/// Runs the work on a thread that does not answer requests.
///
/// # Errors
/// [`EngineError::Aside`] if it panics, which has been logged where it happened.
pub(super) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    run_blocking_on(&Handle::current(), work).await
}

/// The same on a thread of this runtime, for work that public requests can cause.
///
/// # Errors
/// As [`run_blocking`].
pub(super) async fn run_blocking_on<T: Send + 'static>(
    runtime: &Handle,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, EngineError> {
    runtime
        .spawn_blocking(work)
        .await
        .map_err(|error| EngineError::Aside(error.to_string()))
}
