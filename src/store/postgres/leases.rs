//! Leases: advisory locks that end with a transaction. So they need no connection of their own, and
//! work behind a transaction pooler. If the process or its connection dies, the server rolls the
//! transaction back, and another process gets the lease at once.

use async_trait::async_trait;

use super::PostgresStore;
use crate::store::{Lease, LeaseGuard, LeaseStore, StoreError, Turn};

/// The first half of the locks' keys, `offp` in ASCII, because other programs may use advisory locks in
/// the same database. The driver's own lock for migrations has a key of one part.
const KEYS: i32 = 0x6f66_6670;

#[async_trait]
impl LeaseStore for PostgresStore {
    async fn take_lease(&self, duty: Lease, turn: Turn) -> Result<Option<LeaseGuard>, StoreError> {
        let mut transaction = self.write().await?;
        let taken = match turn {
            Turn::Now => {
                let lock = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1, $2)")
                    .bind(KEYS)
                    .bind(key(duty));
                self.queries
                    .named("duty_take", lock.fetch_one(&mut transaction))
                    .await?
            }
            Turn::Wait => {
                let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
                    .bind(KEYS)
                    .bind(key(duty));
                self.run_in(&mut transaction, "duty_wait", lock).await?;
                true
            }
        };
        Ok(taken.then(|| LeaseGuard::held(transaction.into_inner())))
    }
}

/// The second half. The numbers must not change: replicas of two versions share a database during an
/// update.
const fn key(duty: Lease) -> i32 {
    match duty {
        Lease::Incidents => 1,
        Lease::Publication => 2,
        Lease::Purge => 3,
        Lease::Rebalance => 4,
        Lease::Sweep => 5,
        Lease::StaticTree => 6,
        Lease::Revocations => 7,
        Lease::StatusPages => 8,
    }
}
