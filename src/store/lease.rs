//! Work that one of several processes does for all of them.

use async_trait::async_trait;
use sqlx::{Postgres, Transaction};

use super::error::StoreError;

/// Work that only one of the processes sharing a store needs to do. A lease only saves duplicate work.
/// Correctness does not depend on it: the rows prevent that something happens twice, so a process that
/// loses its lease without noticing does no harm.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lease {
    /// Planning again for outages that last longer than expected.
    Incidents,
    /// Making a publication.
    Publication,
    /// Removing expired certificates.
    Purge,
    /// Automatic rebalancing.
    Rebalance,
    /// Moving the windows of certificates that a revocation list contains.
    Revocations,
    /// Copying a publication into a bucket.
    StaticTree,
    /// Reading status pages.
    StatusPages,
    /// Dropping old observations, tables and records.
    Sweep,
}

/// What to do if another process holds the lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// Give up.
    Now,
    /// Wait until it is free.
    Wait,
}

/// Leases.
#[async_trait]
pub trait LeaseStore {
    /// Takes a lease; `None` if another process holds it.
    async fn take_lease(&self, duty: Lease, turn: Turn) -> Result<Option<LeaseGuard>, StoreError>;
}

/// A lease that is held until this is dropped, or until the process or its connection ends.
#[derive(Debug)]
#[must_use = "a duty is given back when this is dropped"]
pub struct LeaseGuard {
    /// The transaction that holds the lock; none if there is only one process.
    _held: Option<Transaction<'static, Postgres>>,
}

impl LeaseGuard {
    /// For a store that only one process uses.
    pub(super) const fn alone() -> Self {
        Self { _held: None }
    }

    pub(super) const fn held(transaction: Transaction<'static, Postgres>) -> Self {
        Self {
            _held: Some(transaction),
        }
    }
}
