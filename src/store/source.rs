//! Data of configured sources: their positions, and hashes of what they have counted.

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;

/// One step of a source: the counts that it read, and its position afterwards.
#[derive(Clone, Copy, Debug)]
pub struct SourceStep<'a> {
    /// The source's name.
    pub source: &'a str,
    /// Its position before, as stored; `None` if it had not begun.
    pub from: Option<&'a str>,
    /// Its position now, as JSON.
    pub to: &'a str,
    /// The observations that it made.
    pub observations: &'a [Observation],
    /// Keyed hashes of what it counted and may read again.
    pub counted: &'a [u64],
}

/// Data of configured sources. As with [`super::durable::Store`], every method is one transaction or
/// one consistent read.
#[async_trait]
pub trait SourceStore {
    /// The position of a source, as JSON; `None` if it has not begun.
    async fn source_cursor(&self, source: &str) -> Result<Option<String>, StoreError>;

    /// Adds what a source read and moves its position, all or nothing. Returns whether it did: not if
    /// the stored position is another one than that at which the step began, because then another
    /// process reads the same source.
    async fn advance_source(
        &self,
        step: SourceStep<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Those of these hashes that the source has counted, ascending.
    async fn counted_by_source(&self, source: &str, hashes: &[u64])
    -> Result<Vec<u64>, StoreError>;

    /// Removes everything that a source counted under this vantage, and under vantages that continue
    /// this name after a colon, and its position, so that it begins again. Returns how many counts were
    /// removed; `None` if there is no such source.
    async fn forget_source(&self, source: &str, vantage: &str) -> Result<Option<u64>, StoreError>;

    /// Drops the hashes of what sources counted before `before`.
    async fn sweep_sources(&self, before: Timestamp) -> Result<(), StoreError>;
}
