//! Orders that fail repeatedly, as gateways count them.

use async_trait::async_trait;

use super::error::StoreError;
use super::row::hash;
use crate::domain::time::Timestamp;

/// Consecutive failed orders of an account for the same names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Failures {
    /// The account, as a keyed hash.
    pub account: u128,
    /// All names together, as a keyed hash.
    pub names: u128,
    /// The number of failures, at least 1.
    pub count: u32,
    /// When the last one failed.
    pub at: Timestamp,
}

/// The results of an account's orders for the same names since the last report.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FailuresChange {
    /// The account, as a keyed hash.
    pub account: u128,
    /// All names together, as a keyed hash.
    pub names: u128,
    /// Whether an order has succeeded; if so, earlier failures no longer count.
    pub succeeded: bool,
    /// How many orders in a row have failed since then.
    pub failed: u32,
    /// When the last one failed or succeeded.
    pub at: Timestamp,
}

/// Failed orders.
#[async_trait]
pub trait FailureStore {
    /// Adds the reports of several gateways. A success removes the stored failures of an account and
    /// names; new failures are added to the stored ones. Entries whose last failure was before `since`,
    /// and that get no new one, are removed. Each account and names may be given once. Returns what is
    /// stored now for those that failed.
    ///
    /// If the call is repeated after an error, failures that were stored in spite of the error count
    /// twice; successes do not.
    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError>;
}

/// A row of failures: account, names, number, time of the last.
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
