//! Orders that fail again and again, as gateways count them.

use async_trait::async_trait;

use super::error::StoreError;
use super::row::hash;
use crate::domain::time::Timestamp;

/// Orders of an account for the same names that failed one after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failures {
    /// The account, as a keyed hash.
    pub account: u128,
    /// All names together, as a keyed hash.
    pub names: u128,
    /// How many; at least 1.
    pub count: u32,
    /// When the last one failed.
    pub at: Timestamp,
}

/// The results of orders of an account for the same names since the last report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailuresChange {
    /// The account, as a keyed hash.
    pub account: u128,
    /// All names together, as a keyed hash.
    pub names: u128,
    /// Whether one has succeeded: nothing counts that was kept before.
    pub succeeded: bool,
    /// How many have failed since, one after the other.
    pub failed: u32,
    /// When the last one failed or succeeded.
    pub at: Timestamp,
}

/// Orders that fail.
#[async_trait]
pub trait FailureStore {
    /// Adds the reports of several gateways. A success drops the failures that were kept for an
    /// account and names; failures are added to those that are kept. Drops all entries whose last
    /// failure was before `since` and that get no new one. Each account and names may be given
    /// once. Returns what is kept now for those that failed.
    ///
    /// If it is repeated after an error, successes are not counted twice; failures that were stored
    /// in spite of the error are.
    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError>;
}

/// Failures: account, names, how many, when last.
pub(super) type FailuresRow = (Vec<u8>, Vec<u8>, i64, i64);

pub(super) fn failures(row: &FailuresRow) -> Result<Failures, StoreError> {
    const QUERY: &str = "gateway_failures_select";
    let (account, names, count, at) = row;
    Ok(Failures {
        account: hash(QUERY, account)?,
        names: hash(QUERY, names)?,
        count: u32::try_from(*count).unwrap_or(u32::MAX),
        at: Timestamp::from_unix(*at),
    })
}
