//! A cached forecast.

use std::sync::Arc;

use super::in_force::InForce;
use crate::domain::demand::profile::Profile;
use crate::domain::ledger::forecast::Outlook;
use crate::domain::time::Timestamp;

/// A cached forecast, and what it was computed from.
#[derive(Debug)]
pub(in crate::engine) struct Kept {
    /// The minute it was computed for.
    pub(in crate::engine) made_at: Timestamp,
    /// The policies it was computed with.
    pub(in crate::engine) in_force: Arc<InForce>,
    /// The profile it was computed with.
    pub(in crate::engine) profile: Arc<Profile>,
    pub(in crate::engine) outlook: Arc<Outlook>,
}
