//! The tables that windows were drawn from.

use std::sync::Arc;

use sqlx::SqliteConnection;

use super::SqliteStore;
use super::certificates::four;
use crate::domain::allocation::table::StoredTable;
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// Rows that one statement inserts; unused parts are NULL. An import brings hundreds of rows a
/// step.
const ROWS: usize = 4 * 4;
const INSERT: &str = concat!(
    "INSERT OR FAIL INTO allocation_tables (number, bytes, needed_until)
     SELECT column1, column2, column3 FROM (VALUES ",
    four!(four!("(?, ?, ?)")),
    ") WHERE column1 IS NOT NULL
     ON CONFLICT (number) DO UPDATE SET needed_until = excluded.needed_until
     WHERE excluded.needed_until > needed_until"
);

impl SqliteStore {
    /// Inserts those that are not there.
    pub(super) async fn insert_tables(
        &self,
        connection: &mut SqliteConnection,
        tables: &[StoredTable],
    ) -> Result<(), StoreError> {
        for chunk in tables.chunks(ROWS) {
            let mut insert = sqlx::query(INSERT);
            for row in 0..ROWS {
                let table = chunk.get(row);
                insert = insert
                    .bind(table.map(|table| table.number))
                    .bind(table.map(|table| &table.bytes[..]))
                    .bind(table.map(|table| table.needed_until.unix()));
            }
            self.queries
                .named("table_insert", insert.execute(&mut *connection))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn read_table(&self, number: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
        let select = sqlx::query_scalar::<_, Vec<u8>>(
            "SELECT bytes FROM allocation_tables WHERE number = ?1",
        )
        .bind(number);
        let bytes = self
            .queries
            .named("table_select", select.fetch_optional(self.readers()))
            .await?;
        Ok(bytes.map(Into::into))
    }

    pub(super) async fn delete_tables(&self, now: Timestamp) -> Result<(), StoreError> {
        let delete =
            sqlx::query("DELETE FROM allocation_tables WHERE needed_until < ?1").bind(now.unix());
        self.write_alone("sweep_tables", delete).await
    }
}
