//! Counts for peers.

use async_trait::async_trait;

use super::PostgresStore;
use crate::store::export::{BATCHES, Read, batches_from, begin};
use crate::store::row::{StoredObservation, told_columns};
use crate::store::{ExportPage, ExportPlace, ExportStore, StoreError};

#[async_trait]
impl ExportStore for PostgresStore {
    async fn export(
        &self,
        after: Option<&ExportPlace>,
        limit: u32,
    ) -> Result<Option<ExportPage>, StoreError> {
        let waiting = self.place_batches().await?;
        let mut snapshot = self.snapshot().await?;
        let of = sqlx::query_as::<_, (String, i64)>("SELECT database, last FROM exports LIMIT 1");
        let of = self
            .queries
            .named("export_position", of.fetch_one(&mut snapshot))
            .await?;
        let Some(from) = begin(after, &of) else {
            self.commit(snapshot).await?;
            return Ok(None);
        };
        let batches = sqlx::query_scalar::<_, i64>(
            "SELECT exported FROM batches WHERE exported >= $1::bigint
             ORDER BY exported LIMIT $2::bigint",
        )
        .bind(from.batch)
        .bind(batches_from(&from));
        let batches = self
            .queries
            .named("export_batches", batches.fetch_all(&mut snapshot))
            .await?;
        // The newest first: what is swept meanwhile is the oldest, and so has not been read yet. Rows
        // that are equal in all of this are one as good as another.
        let rows = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT exported, ",
            told_columns!(),
            " FROM batches JOIN observations ON batch = number
             WHERE exported BETWEEN $1::bigint AND $2::bigint AND source <> 'registrations'
               AND (vantage IS NULL OR vantage NOT LIKE 'peer:%')
             ORDER BY exported, started_at DESC, ended_at, kind, ca, source, endpoint, error_type,
                      vantage, count, latency_ms, latency_p95_ms
             LIMIT $3::bigint OFFSET $4::bigint"
        ))
        .bind(from.batch)
        .bind(batches.last().copied())
        .bind(i64::from(limit))
        .bind(from.rows);
        let rows = self
            .queries
            .named("export_rows", rows.fetch_all(&mut snapshot))
            .await?;
        self.commit(snapshot).await?;
        let rows = rows.into_iter().map(|row| (row.batch, row.observation));
        let read = Read {
            of,
            from,
            batches,
            rows: rows.collect(),
            limit,
            waiting,
        };
        Ok(Some(read.page()))
    }
}

impl PostgresStore {
    /// Gives places to batches that have none; whether some are left without. One at a time: the row of
    /// `exports` is locked until the commit, so whoever sees a place sees all before it.
    async fn place_batches(&self) -> Result<bool, StoreError> {
        let waiting = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM batches WHERE closed AND NOT silent AND exported IS NULL)",
        );
        let waiting = self
            .queries
            .named("export_waiting", waiting.fetch_one(&self.pool))
            .await?;
        if !waiting {
            return Ok(false);
        }
        let mut transaction = self.begin().await?;
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
        self.queries
            .named("export_placed", count.execute(&mut transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(i64::try_from(placed.len()) == Ok(BATCHES))
    }
}
