//! Counts for peers.

use super::PostgresStore;
use crate::store::StoreError;
use crate::store::export::BATCHES;
use crate::store::row::counted_columns;

impl PostgresStore {
    /// Selects the rows of a page, newest first: a sweep removes the oldest rows, so it does not shift
    /// rows that have been read. The order of rows that are equal in all columns does not matter.
    pub(in crate::store) const EXPORTED_ROWS: &'static str = concat!(
        "SELECT exported, ",
        counted_columns!(),
        " FROM batches JOIN observations ON batch = number
         WHERE exported BETWEEN $1::bigint AND $2::bigint AND source <> 'registrations'
           AND (vantage IS NULL OR vantage NOT LIKE 'peer:%')
         ORDER BY exported, started_at DESC, ended_at, kind, ca, source, endpoint, error_type,
                  vantage, count, latency_ms, latency_p95_ms
         LIMIT $3::bigint OFFSET $4::bigint"
    );

    /// Gives positions to batches that have none; returns whether some still have none. The row of
    /// `exports` is locked until the commit, so whoever sees a position sees all before it.
    pub(in crate::store) async fn place_batches(&self) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let lock =
            sqlx::query_scalar::<_, i64>("SELECT last FROM exports WHERE only_row = 1 FOR UPDATE");
        let last = self
            .queries
            .named("export_lock", lock.fetch_one(&mut transaction))
            .await?;
        let place = sqlx::query_scalar::<_, i64>(
            "UPDATE batches SET exported = $1::bigint + waiting.rank
             FROM (SELECT number AS unplaced, row_number() OVER (ORDER BY number) AS rank
                   FROM (SELECT number FROM batches
                         WHERE closed AND NOT silent AND exported IS NULL
                         ORDER BY number LIMIT $2::bigint) AS unnumbered) AS waiting
             WHERE number = waiting.unplaced AND exported IS NULL
             RETURNING exported",
        )
        .bind(last)
        .bind(BATCHES);
        let placed = self
            .queries
            .named("export_place", place.fetch_all(&mut transaction))
            .await?;
        let count = sqlx::query("UPDATE exports SET last = $1::bigint WHERE only_row = 1")
            .bind(placed.iter().copied().max().unwrap_or(last));
        self.run_in(&mut transaction, "export_placed", count)
            .await?;
        self.commit(transaction).await?;
        Ok(i64::try_from(placed.len()) == Ok(BATCHES))
    }
}
