//! The tables that windows were drawn from.

use std::sync::Arc;

use sqlx::PgExecutor;

use super::PostgresStore;
use crate::domain::table::StoredTable;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

impl PostgresStore {
    pub(super) async fn insert_table(
        &self,
        executor: impl PgExecutor<'_>,
        table: &StoredTable,
    ) -> Result<(), StoreError> {
        let insert = sqlx::query(
            "INSERT INTO allocation_tables AS present (number, bytes, needed_until)
             VALUES ($1, $2, $3)
             ON CONFLICT (number) DO UPDATE SET needed_until = excluded.needed_until
             WHERE excluded.needed_until > present.needed_until",
        )
        .bind(table.number)
        .bind(&table.bytes[..])
        .bind(table.needed_until.unix());
        self.queries
            .named("table_insert", insert.execute(executor))
            .await
            .map(drop)
    }

    pub(super) async fn read_table(&self, number: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
        let select = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT bytes FROM allocation_tables WHERE number = $1",
        )
        .bind(number);
        let bytes = self
            .queries
            .named("table_select", select.fetch_optional(&self.pool))
            .await?;
        Ok(bytes.map(Into::into))
    }

    pub(super) async fn delete_tables(&self, now: Timestamp) -> Result<(), StoreError> {
        let delete =
            sqlx::query("DELETE FROM allocation_tables WHERE needed_until < $1").bind(now.unix());
        self.queries
            .at_leisure("sweep_tables", delete.execute(&self.pool))
            .await
            .map(drop)
    }
}
