//! The answer about a certificate that the store does not have yet.

use std::sync::Arc;

use crate::domain::certificate::Submission;
use crate::domain::time::MINUTE;
use crate::engine::answer::renewal_info::RenewalInfo;
use crate::engine::service::Engine;

/// `Retry-After` while the window is not stored: short, because the stored one may differ.
const RETRY_AFTER_SECONDS: i64 = 10 * MINUTE;

impl Engine {
    /// The answer to a `renewalInfo` request about a certificate that waits for the store: the
    /// window that would be drawn now. Nothing is stored or counted, so the window drawn at
    /// registration may differ. `None` if none can be drawn.
    pub async fn preview(self: &Arc<Self>, submission: &Submission) -> Option<RenewalInfo> {
        let mut step = self.begin_step().await.ok()?;
        self.draw_next(&mut step, submission);
        // Dropping the step removes the draw from the ledger.
        let window = step.certificates.first()?.window;
        Some(RenewalInfo {
            window,
            explanation_url: None,
            retry_after_seconds: RETRY_AFTER_SECONDS,
            incident: true,
        })
    }

    /// The key of keyed hashes.
    #[must_use]
    pub fn hash_key(&self) -> crate::domain::certificate::hash::HashKey {
        self.memory().hash_key()
    }
}
