//! Orders that fail repeatedly.

use async_trait::async_trait;

use super::PostgresStore;
use crate::domain::time::Timestamp;
use crate::store::failures::{FailuresRow, failures};
use crate::store::{FailureStore, Failures, FailuresChange, StoreError};

#[async_trait]
impl FailureStore for PostgresStore {
    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError> {
        // Separate steps, in each of which rows are locked in the order of their keys, so that no two
        // processes wait for each other. Adding comes last, so that an error before it has added
        // nothing.
        self.drop_failures(changes).await?;
        let sweep = sqlx::query(
            "DELETE FROM gateway_failures WHERE (account, names) IN (
                 SELECT account, names FROM gateway_failures WHERE failed_at < $1
                 FOR UPDATE SKIP LOCKED)",
        )
        .bind(since.unix());
        self.write_alone("gateway_failures_sweep", sweep).await?;
        self.add_failures(changes, since).await
    }
}

impl PostgresStore {
    /// Removes the stored failures for accounts and names with a success.
    async fn drop_failures(&self, changes: &[FailuresChange]) -> Result<(), StoreError> {
        let of = |change: &&FailuresChange| change.succeeded;
        let (accounts, names) = keys(changes.iter().filter(of));
        if accounts.is_empty() {
            return Ok(());
        }
        let delete = sqlx::query(
            "DELETE FROM gateway_failures WHERE (account, names) IN (
                 SELECT account, names FROM gateway_failures
                 JOIN unnest($1::bytea[], $2::bytea[]) AS given (of, named)
                   ON account = of AND names = named
                 ORDER BY account, names FOR UPDATE OF gateway_failures)",
        )
        .bind(accounts)
        .bind(names);
        self.write_alone("gateway_failures_delete", delete).await
    }

    /// Adds failures to the stored ones, and returns the sums.
    async fn add_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError> {
        const QUERY: &str = "gateway_failures_upsert";
        let failed: Vec<&FailuresChange> =
            changes.iter().filter(|change| change.failed > 0).collect();
        if failed.is_empty() {
            return Ok(Vec::new());
        }
        let (accounts, names) = keys(failed.iter().copied());
        let counts: Vec<i64> = failed.iter().map(|change| change.failed.into()).collect();
        let at: Vec<i64> = failed.iter().map(|change| change.at.unix()).collect();
        let upsert = sqlx::query_as::<_, FailuresRow>(
            "INSERT INTO gateway_failures (account, names, failures, failed_at)
             SELECT given.* FROM unnest($1::bytea[], $2::bytea[], $3::bigint[], $4::bigint[])
                 AS given (account, names, failures, failed_at) ORDER BY 1, 2
             ON CONFLICT (account, names) DO UPDATE SET
                 failures = excluded.failures + CASE
                     WHEN gateway_failures.failed_at < $5 THEN 0 ELSE gateway_failures.failures END,
                 failed_at = greatest(gateway_failures.failed_at, excluded.failed_at)
             RETURNING account, names, failures, failed_at",
        )
        .bind(accounts)
        .bind(names)
        .bind(counts)
        .bind(at)
        .bind(since.unix());
        let rows = self.rows(QUERY, upsert).await?;
        rows.iter().map(failures).collect()
    }
}

/// The keys of changes, column by column.
fn keys<'a>(of: impl Iterator<Item = &'a FailuresChange>) -> (Vec<Vec<u8>>, Vec<Vec<u8>>) {
    of.map(|change| {
        let (account, names) = (change.account.to_be_bytes(), change.names.to_be_bytes());
        (account.to_vec(), names.to_vec())
    })
    .unzip()
}
