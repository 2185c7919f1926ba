//! What rebalances did.

use super::SqliteStore;
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::store::{StoreError, StoredRebalance};

impl SqliteStore {
    pub(super) async fn insert_rebalance(
        &self,
        ca: &CaName,
        made_at: Timestamp,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        let insert = sqlx::query_scalar::<_, i64>(
            "INSERT INTO rebalances (number, ca, made_at)
             SELECT (SELECT coalesce(max(number), 0) + 1 FROM rebalances), ?1, ?2
             WHERE ?3 IS NULL
                OR NOT EXISTS (SELECT 1 FROM rebalances WHERE ca = ?1 AND made_at >= ?3)
             RETURNING number",
        )
        .bind(ca.as_str())
        .bind(made_at.unix())
        .bind(unless_since.map(Timestamp::unix));
        let mut transaction = self.write().await?;
        let number = self
            .queries
            .named("rebalance_insert", insert.fetch_optional(&mut *transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(number)
    }

    pub(super) async fn update_rebalance(&self, number: i64, body: &str) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE rebalances SET body = ?2 WHERE number = ?1")
            .bind(number)
            .bind(body);
        self.write_alone("rebalance_update", update).await
    }

    pub(super) async fn read_rebalances(
        &self,
        limit: u32,
    ) -> Result<Vec<StoredRebalance>, StoreError> {
        let select = sqlx::query_as::<_, StoredRebalance>(
            "SELECT number, ca, made_at, body FROM rebalances ORDER BY number DESC LIMIT ?1",
        )
        .bind(i64::from(limit));
        self.queries
            .named("rebalances_select", select.fetch_all(self.readers()))
            .await
    }

    pub(super) async fn read_rebalance(
        &self,
        number: i64,
    ) -> Result<Option<StoredRebalance>, StoreError> {
        let select = sqlx::query_as::<_, StoredRebalance>(
            "SELECT number, ca, made_at, body FROM rebalances WHERE number = ?1",
        )
        .bind(number);
        self.queries
            .named("rebalance_select", select.fetch_optional(self.readers()))
            .await
    }
}
