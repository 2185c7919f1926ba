//! What polls of certificates have shown.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::time::Timestamp;

/// Records of polls.
#[async_trait]
pub trait PollStore {
    /// Stores the records of certificates' polls, by fingerprint; if a fingerprint is given several
    /// times, the last. A record of a certificate that is not registered does no harm; `sweep_polls`
    /// removes it.
    async fn note_polls(&self, records: &[(u128, u64)], now: Timestamp) -> Result<(), StoreError>;

    /// Removes the records that were written before `before`.
    async fn sweep_polls(&self, before: Timestamp) -> Result<(), StoreError>;
}
