//! An outlook that is kept for who asks next.

use std::sync::Arc;

use super::in_force::InForce;
use crate::domain::demand::profile::Profile;
use crate::domain::ledger::forecast::Outlook;
use crate::domain::time::Timestamp;

/// An outlook, for whom it holds and how long.
#[derive(Debug)]
pub(in crate::engine) struct Kept {
    /// The minute that it was made for.
    pub(in crate::engine) made_at: Timestamp,
    /// The policies that it was made under.
    pub(in crate::engine) in_force: Arc<InForce>,
    /// What was known of the week.
    pub(in crate::engine) profile: Arc<Profile>,
    pub(in crate::engine) outlook: Arc<Outlook>,
}
