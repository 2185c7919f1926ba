//! Work that one of several processes does for all.

use async_trait::async_trait;
use sqlx::{Postgres, Transaction};

use super::error::StoreError;

/// Work that only one of the processes sharing a store needs to do; the others would repeat it in
/// vain. A lease only saves work. Where correctness depends on it the rows protect it, so a process
/// that lost its lease without noticing does no harm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lease {
    /// Planning outages again that last.
    Incidents,
    /// Making a publication.
    Publication,
    /// Removing expired certificates.
    Purge,
    /// Rebalancing by itself.
    Rebalance,
    /// Moving the windows of what a list says is revoked.
    Revocations,
    /// Bringing a publication into a bucket.
    StaticTree,
    /// Following status pages.
    StatusPages,
    /// Dropping old observations, tables and records.
    Sweep,
}

/// What to do while another process is at it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Leave it to that one.
    Now,
    /// Wait until that one is done, or gone.
    Wait,
}

/// Leases.
#[async_trait]
pub trait LeaseStore {
    /// Takes a duty on; `None` where another process is at it.
    async fn take_lease(&self, duty: Lease, turn: Turn) -> Result<Option<LeaseGuard>, StoreError>;
}

/// A duty as long as it is held: until it is dropped, and no longer than the process and its
/// connection live.
#[derive(Debug)]
#[must_use = "a duty is given back when this is dropped"]
pub struct LeaseGuard {
    /// The transaction that holds the lock; none where there is one process only.
    _held: Option<Transaction<'static, Postgres>>,
}

impl LeaseGuard {
    /// For a store without other processes that run tasks.
    pub(super) const fn alone() -> Self {
        Self { _held: None }
    }

    pub(super) const fn held(transaction: Transaction<'static, Postgres>) -> Self {
        Self {
            _held: Some(transaction),
        }
    }
}
