//! Counts for peers.

use super::SqliteStore;
use crate::store::StoreError;
use crate::store::export::BATCHES;
use crate::store::row::counted_columns;

impl SqliteStore {
    /// Selects the rows of a page, newest first: a sweep removes the oldest rows, so it does not shift
    /// rows that have been read.
    pub(in crate::store) const EXPORTED_ROWS: &'static str = concat!(
        "SELECT exported, ",
        counted_columns!(),
        " FROM (SELECT number, exported, closed_at FROM batches WHERE exported BETWEEN ?1 AND ?2) AS chosen
         CROSS JOIN observations ON batch = chosen.number
         WHERE source <> 'registrations' AND (vantage IS NULL OR vantage NOT LIKE 'peer:%')
         ORDER BY exported, started_at DESC, observations.rowid LIMIT ?3 OFFSET ?4"
    );

    /// Gives positions to batches that have none; returns whether some still have none.
    pub(in crate::store) async fn place_batches(&self) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let place = sqlx::query(
            "UPDATE batches SET exported = (SELECT last FROM exports) + waiting.rank
             FROM (SELECT number AS unplaced, row_number() OVER (ORDER BY number) AS rank
                   FROM (SELECT number FROM batches
                         WHERE closed AND NOT silent AND exported IS NULL
                         ORDER BY number LIMIT ?1)) AS waiting
             WHERE number = waiting.unplaced",
        )
        .bind(BATCHES);
        let placed = self.run_in(&mut transaction, "export_place", place).await?;
        let count = sqlx::query("UPDATE exports SET last = last + ?1 WHERE only_row = 1")
            .bind(placed.cast_signed());
        self.run_in(&mut transaction, "export_placed", count)
            .await?;
        self.commit(transaction).await?;
        Ok(placed.cast_signed() == BATCHES)
    }
}
