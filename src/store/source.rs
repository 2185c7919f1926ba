//! Data of configured sources: how far each has been read, and what it may be shown again.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;

/// One step of a source: what it read, and its position after that.
#[derive(Clone, Copy, Debug)]
pub struct SourceStep<'a> {
    /// The source's name.
    pub source: &'a str,
    /// Where it stood before, as the store had it; `None`: it had not begun.
    pub from: Option<&'a str>,
    /// Where it stands now, as JSON.
    pub to: &'a str,
    /// What it counted on the way.
    pub observations: &'a [Observation],
    /// Keyed hashes of what it counted and may be shown again.
    pub counted: &'a [u64],
}

/// What configured sources keep. As with [`super::durable::Store`], every method is one durable step or one
/// consistent read.
#[async_trait]
pub trait SourceStore {
    /// Where a source stands, as JSON; `None`: it has not begun.
    async fn source_cursor(&self, source: &str) -> Result<Option<String>, StoreError>;

    /// Counts what a source read and moves its cursor, all or nothing; returns whether it did. It
    /// does not if the cursor is not where the step began, because then another process reads the
    /// same source.
    async fn advance_source(
        &self,
        step: SourceStep<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Of these hashes, those that the source has counted, ascending.
    async fn counted_by_source(&self, source: &str, hashes: &[u64])
    -> Result<Vec<u64>, StoreError>;

    /// Forgets everything that a source counted under this vantage, and under vantages that
    /// continue this name after a colon, and its position, so that it begins again. Returns how
    /// many counts that were. `None`: there is no such source.
    async fn forget_source(&self, source: &str, vantage: &str) -> Result<Option<u64>, StoreError>;

    /// Forgets what sources counted before `before`.
    async fn sweep_sources(&self, before: Timestamp) -> Result<(), StoreError>;
}
