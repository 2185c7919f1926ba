//! Which messages to webhooks have been delivered.

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use crate::domain::time::{DAY, Timestamp};

/// How long deliveries are remembered, in seconds. What a message is about is over by then.
pub const DELIVERIES_KEPT_SECONDS: i64 = 30 * DAY;

/// Deliveries of messages to webhooks. Each has a key made of the message and its recipient.
#[async_trait]
pub trait DeliveryStore {
    /// Claims a delivery until a given time, or extends the claim. Returns `false` if another holder
    /// has it or it is done. Each process is a holder with its own number.
    async fn claim_delivery(
        &self,
        id: &str,
        holder: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Records that a message was delivered or given up, so that it is not claimed again.
    async fn end_delivery(&self, id: &str, now: Timestamp) -> Result<(), StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl DeliveryStore for ThisStore {
        async fn claim_delivery(
            &self,
            id: &str,
            holder: i64,
            now: Timestamp,
            until: Timestamp,
        ) -> Result<bool, StoreError> {
            let clean = sqlx::query("DELETE FROM delivery WHERE claimed_until < $1")
                .bind((now - DELIVERIES_KEPT_SECONDS).unix());
            self.write_alone("delivery_clean", clean).await?;
            let claim = sqlx::query_as::<_, (String,)>(
                "INSERT INTO delivery (id, claimed_until, holder)
                 VALUES ($1, CAST($2 AS bigint), CAST($4 AS bigint))
                 ON CONFLICT (id) DO UPDATE
                 SET claimed_until = excluded.claimed_until, holder = excluded.holder
                 WHERE delivery.delivered_at IS NULL
                   AND (delivery.claimed_until <= CAST($3 AS bigint)
                        OR delivery.holder = CAST($4 AS bigint))
                 RETURNING id",
            )
            .bind(id)
            .bind(until.unix())
            .bind(now.unix())
            .bind(holder);
            Ok(self.written_row("delivery_claim", claim).await?.is_some())
        }

        async fn end_delivery(&self, id: &str, now: Timestamp) -> Result<(), StoreError> {
            let end = sqlx::query("UPDATE delivery SET delivered_at = $2 WHERE id = $1")
                .bind(id)
                .bind(now.unix());
            self.write_alone("delivery_end", end).await
        }
    }
}
