//! The state of the handlers.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::public::served::Documents;
use crate::engine::Engine;
use crate::telemetry::Metrics;

/// The state of the public listener's handlers.
#[derive(Clone, Debug)]
pub struct Public {
    pub(super) engine: Arc<Engine>,
    pub(super) bound_url: Arc<str>,
    pub(super) documents: Arc<Documents>,
}

/// The state of the admin listener's handlers.
#[derive(Clone, Debug)]
pub struct Admin {
    pub(super) engine: Arc<Engine>,
    pub(super) metrics: Metrics,
    /// Limits the number of plans made at the same time.
    pub(super) planning: Arc<Semaphore>,
}
