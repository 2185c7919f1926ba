//! The tables that windows were drawn from.

use sqlx::SqliteConnection;

use super::SqliteStore;
use super::certificates::four;
use crate::domain::allocation::table::StoredTable;
use crate::store::StoreError;

/// How many rows one statement inserts; unused rows are NULL. A step of an import brings hundreds of
/// rows.
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
    /// Inserts those that are not stored.
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
            self.run_in(connection, "table_insert", insert).await?;
        }
        Ok(())
    }
}
