//! The state that handlers work with.

use std::sync::Arc;

use tokio::sync::Semaphore;

use super::public::served::Documents;
use crate::engine::Engine;
use crate::telemetry::Metrics;

/// What the public listener's handlers work with.
#[derive(Clone, Debug)]
pub struct Public {
    pub(super) engine: Arc<Engine>,
    pub(super) bound_url: Arc<str>,
    pub(super) documents: Arc<Documents>,
}

/// What the admin listener's handlers work with.
#[derive(Clone, Debug)]
pub struct Admin {
    pub(super) engine: Arc<Engine>,
    pub(super) metrics: Metrics,
    /// Plans that may be made at once.
    pub(super) planning: Arc<Semaphore>,
}
