//! Which messages were delivered to webhooks.

use std::fmt::Debug;

use async_trait::async_trait;

use super::error::StoreError;
use crate::domain::time::{DAY, Timestamp};

/// How long it is remembered that a message was delivered. What messages are about is over by then.
pub const DELIVERIES_KEPT_SECONDS: i64 = 30 * DAY;

/// Messages to webhooks, each under a key that names the message and its recipient.
#[async_trait]
pub trait DeliveryStore: Debug + Send + Sync {
    /// Takes the delivery of a message over until then, or keeps it: `false` where another holder has it,
    /// or it was delivered. Each process is a holder with a number of its own.
    async fn claim_delivery(
        &self,
        id: &str,
        holder: i64,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<bool, StoreError>;

    /// Notes that a message was delivered, or is given up: nobody claims it again.
    async fn end_delivery(&self, id: &str, now: Timestamp) -> Result<(), StoreError>;
}
