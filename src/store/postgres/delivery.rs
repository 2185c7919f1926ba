//! Which messages were delivered to webhooks.

use async_trait::async_trait;

use super::PostgresStore;
use crate::domain::time::Timestamp;
use crate::store::{DELIVERIES_KEPT_SECONDS, DeliveryStore, StoreError};

#[async_trait]
impl DeliveryStore for PostgresStore {
    async fn claim_delivery(
        &self,
        id: &str,
        holder: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError> {
        let claim = sqlx::query(
            "INSERT INTO delivery (id, claimed_until, holder) VALUES ($1, $2::bigint, $4::bigint)
             ON CONFLICT (id) DO UPDATE SET claimed_until = excluded.claimed_until, holder = excluded.holder
             WHERE delivery.delivered_at IS NULL
               AND (delivery.claimed_until <= $3::bigint OR delivery.holder = $4::bigint)
             RETURNING id",
        )
        .bind(id)
        .bind(until.unix())
        .bind(now.unix())
        .bind(holder);
        let clean = sqlx::query("DELETE FROM delivery WHERE claimed_until < $1::bigint")
            .bind((now - DELIVERIES_KEPT_SECONDS).unix());
        self.queries
            .named("delivery_clean", clean.execute(&self.pool))
            .await?;
        let claimed = self
            .queries
            .named("delivery_claim", claim.fetch_optional(&self.pool))
            .await?;
        Ok(claimed.is_some())
    }

    async fn end_delivery(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        let end = sqlx::query("UPDATE delivery SET delivered_at = $2::bigint WHERE id = $1")
            .bind(id)
            .bind(now.unix());
        self.queries
            .named("delivery_end", end.execute(&self.pool))
            .await?;
        Ok(())
    }
}
