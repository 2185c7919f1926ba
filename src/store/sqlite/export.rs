//! Counts for peers.

use async_trait::async_trait;

use super::SqliteStore;
use crate::store::export::{BATCHES, Read, batches_from, begin};
use crate::store::row::{StoredObservation, told_columns};
use crate::store::{ExportPage, ExportPlace, ExportStore, StoreError};

#[async_trait]
impl ExportStore for SqliteStore {
    async fn export(
        &self,
        after: Option<&ExportPlace>,
        limit: u32,
    ) -> Result<Option<ExportPage>, StoreError> {
        let waiting = self.place_batches().await?;
        let mut snapshot = self.read().await?;
        let of = sqlx::query_as::<_, (String, i64)>("SELECT database, last FROM exports LIMIT 1");
        let of = self
            .queries
            .named("export_position", of.fetch_one(&mut *snapshot))
            .await?;
        let Some(from) = begin(after, &of) else {
            self.end(snapshot).await?;
            return Ok(None);
        };
        let batches = sqlx::query_scalar::<_, i64>(
            "SELECT exported FROM batches WHERE exported >= ?1 ORDER BY exported LIMIT ?2",
        )
        .bind(from.batch)
        .bind(batches_from(&from));
        let batches = self
            .queries
            .named("export_batches", batches.fetch_all(&mut *snapshot))
            .await?;
        // The newest first: what is swept meanwhile is the oldest, and so has not been read yet.
        let rows = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT exported, ",
            told_columns!(),
            " FROM (SELECT number, exported, closed_at FROM batches WHERE exported BETWEEN ?1 AND ?2) AS chosen
             CROSS JOIN observations ON batch = chosen.number
             WHERE source <> 'registrations' AND (vantage IS NULL OR vantage NOT LIKE 'peer:%')
             ORDER BY exported, started_at DESC, observations.rowid LIMIT ?3 OFFSET ?4"
        ))
        .bind(from.batch)
        .bind(batches.last())
        .bind(limit)
        .bind(from.rows);
        let rows = self
            .queries
            .named("export_rows", rows.fetch_all(&mut *snapshot))
            .await?;
        self.end(snapshot).await?;
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

impl SqliteStore {
    /// Gives places to batches that have none; whether some are left without.
    async fn place_batches(&self) -> Result<bool, StoreError> {
        let waiting = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM batches WHERE closed AND NOT silent AND exported IS NULL)",
        );
        let waiting = self
            .queries
            .named("export_waiting", waiting.fetch_one(self.readers()))
            .await?;
        if !waiting {
            return Ok(false);
        }
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
        let placed = self
            .queries
            .named("export_place", place.execute(&mut *transaction))
            .await?
            .rows_affected();
        let count = sqlx::query("UPDATE exports SET last = last + ?1 WHERE only_row = 1")
            .bind(placed.cast_signed());
        self.queries
            .named("export_placed", count.execute(&mut *transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(placed.cast_signed() == BATCHES)
    }
}
