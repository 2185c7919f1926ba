//! What polls of certificates have shown.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::time::Timestamp;

/// Records of polls.
#[async_trait]
pub trait PollStore {
    /// Stores the records of polls of certificates, by fingerprint; of several with one fingerprint
    /// the last. One that nobody registered harms nobody; `sweep_polls` drops it.
    async fn note_polls(&self, records: &[(u128, u64)], now: Timestamp) -> Result<(), StoreError>;

    /// Drops the records of polls that were written before `before`.
    async fn sweep_polls(&self, before: Timestamp) -> Result<(), StoreError>;
}
