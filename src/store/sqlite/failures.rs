//! Orders that fail repeatedly.

use async_trait::async_trait;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::failures::{FailuresRow, failures};
use crate::store::{FailureStore, Failures, FailuresChange, StoreError};

#[async_trait]
impl FailureStore for SqliteStore {
    async fn keep_failures(
        &self,
        changes: &[FailuresChange],
        since: Timestamp,
    ) -> Result<Vec<Failures>, StoreError> {
        let mut transaction = self.write().await?;
        let sweep =
            sqlx::query("DELETE FROM gateway_failures WHERE failed_at < ?1").bind(since.unix());
        self.run_in(&mut transaction, "gateway_failures_sweep", sweep)
            .await?;
        let mut kept = Vec::new();
        for change in changes {
            let (account, names) = (change.account.to_be_bytes(), change.names.to_be_bytes());
            if change.succeeded {
                let delete =
                    sqlx::query("DELETE FROM gateway_failures WHERE account = ?1 AND names = ?2")
                        .bind(account.to_vec())
                        .bind(names.to_vec());
                self.run_in(&mut transaction, "gateway_failures_delete", delete)
                    .await?;
            }
            if change.failed == 0 {
                continue;
            }
            let upsert = sqlx::query_as::<_, FailuresRow>(
                "INSERT INTO gateway_failures (account, names, failures, failed_at)
                 VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (account, names) DO UPDATE SET
                     failures = failures + excluded.failures,
                     failed_at = max(failed_at, excluded.failed_at)
                 RETURNING account, names, failures, failed_at",
            )
            .bind(account.to_vec())
            .bind(names.to_vec())
            .bind(i64::from(change.failed))
            .bind(change.at.unix());
            let row = self
                .queries
                .named(
                    "gateway_failures_upsert",
                    upsert.fetch_one(&mut *transaction),
                )
                .await?;
            kept.push(failures(&row)?);
        }
        self.commit(transaction).await?;
        Ok(kept)
    }
}
