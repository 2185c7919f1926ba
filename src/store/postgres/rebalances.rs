//! What rebalances did.

use super::PostgresStore;
use super::certificates::{TRIES, contested};
use crate::domain::policy::ca::CaName;
use crate::domain::time::Timestamp;
use crate::store::{StoreError, StoredRebalance};

impl PostgresStore {
    pub(super) async fn insert_rebalance(
        &self,
        ca: &CaName,
        made_at: Timestamp,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        // Whoever takes the same number at the same moment waits until the first has it, and looks again.
        for _ in 0..TRIES {
            let insert = sqlx::query_as::<_, (Option<i64>, bool)>(
                "WITH fresh AS (
                     SELECT EXISTS (
                         SELECT 1 FROM rebalances WHERE ca = $1::text AND made_at >= $3::bigint
                     ) AS made
                 ), new AS (
                     INSERT INTO rebalances (number, ca, made_at)
                     SELECT (SELECT coalesce(max(number), 0) + 1 FROM rebalances),
                            $1::text, $2::bigint
                     FROM fresh WHERE NOT made
                     ON CONFLICT DO NOTHING RETURNING number
                 )
                 SELECT (SELECT number FROM new), made FROM fresh",
            )
            .bind(ca.as_str())
            .bind(made_at.unix())
            .bind(unless_since.map(Timestamp::unix));
            let (number, made) = self
                .queries
                .named("rebalance_insert", insert.fetch_one(&self.pool))
                .await?;
            if made || number.is_some() {
                return Ok(number);
            }
        }
        Err(contested())
    }

    pub(super) async fn update_rebalance(&self, number: i64, body: &str) -> Result<(), StoreError> {
        let update = sqlx::query("UPDATE rebalances SET body = $2 WHERE number = $1")
            .bind(number)
            .bind(body);
        self.queries
            .named("rebalance_update", update.execute(&self.pool))
            .await
            .map(drop)
    }

    pub(super) async fn read_rebalances(
        &self,
        limit: u32,
    ) -> Result<Vec<StoredRebalance>, StoreError> {
        let select = sqlx::query_as::<_, StoredRebalance>(
            "SELECT number, ca, made_at, body FROM rebalances ORDER BY number DESC LIMIT $1",
        )
        .bind(i64::from(limit));
        self.queries
            .named("rebalances_select", select.fetch_all(&self.pool))
            .await
    }

    pub(super) async fn read_rebalance(
        &self,
        number: i64,
    ) -> Result<Option<StoredRebalance>, StoreError> {
        let select = sqlx::query_as::<_, StoredRebalance>(
            "SELECT number, ca, made_at, body FROM rebalances WHERE number = $1",
        )
        .bind(number);
        self.queries
            .named("rebalance_select", select.fetch_optional(&self.pool))
            .await
    }
}
