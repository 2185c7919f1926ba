//! The tables that windows were drawn from.

use std::sync::Arc;

use async_trait::async_trait;

use super::both::for_both_stores;
use super::error::StoreError;
use crate::domain::time::Timestamp;

/// Tables. They are stored with the registrations and moves that name them.
#[async_trait]
pub trait TableStore {
    /// The bytes of the table with this number.
    async fn table(&self, number: i64) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// Drops the tables that no certificate needs at `now`.
    async fn sweep_tables(&self, now: Timestamp) -> Result<(), StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl TableStore for ThisStore {
        async fn table(&self, number: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
            let select = sqlx::query_as::<_, (Vec<u8>,)>(
                "SELECT bytes FROM allocation_tables WHERE number = $1",
            )
            .bind(number);
            let row = self.row("table_select", select).await?;
            Ok(row.map(|(bytes,)| bytes.into()))
        }

        async fn sweep_tables(&self, now: Timestamp) -> Result<(), StoreError> {
            let delete = sqlx::query("DELETE FROM allocation_tables WHERE needed_until < $1")
                .bind(now.unix());
            self.sweep("sweep_tables", delete).await
        }
    }
}
