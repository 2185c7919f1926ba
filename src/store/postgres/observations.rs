//! Observations, the batches that make them count, and how far files have come.

use sqlx::PgExecutor;

use super::PostgresStore;
use super::outbox::{Kind, Outbox};
use super::session::Transaction;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;
use crate::store::row::{file_column, key_column, observation_columns, sampled, sha256};
use crate::store::{BatchKey, ClosedBatch, Closing, ImportProgress, StoreError};

/// The SQLSTATE of a key that is taken.
const UNIQUE_VIOLATION: &str = "23505";
/// Rows sent in one statement: 1 MB or so.
const ROWS: usize = 10_000;

/// How readers learn of observations that count at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Telling {
    /// The feed and every load.
    ByFeedAndLoads,
    /// Loads: whoever follows the feed has counted it already, as certificates.
    ByLoadsAlone,
}

impl PostgresStore {
    pub(super) async fn insert_open_batch(&self, now: Timestamp) -> Result<i64, StoreError> {
        let insert = sqlx::query_scalar(
            "INSERT INTO batches (opened_at, closed) VALUES ($1, false) RETURNING number",
        )
        .bind(now.unix());
        self.queries
            .named("batch_open", insert.fetch_one(&self.pool))
            .await
    }

    pub(super) async fn insert_into_batch(
        &self,
        batch: i64,
        rows: &[Observation],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        // The lock keeps a sweep away until the rows are in.
        let select = sqlx::query_scalar::<_, i64>(
            "SELECT number FROM batches WHERE number = $1 AND NOT closed FOR SHARE",
        )
        .bind(batch);
        let open = self
            .queries
            .named("batch_is_open", select.fetch_optional(&mut transaction))
            .await?;
        if open.is_none() {
            return Err(StoreError::NotOpen(batch));
        }
        self.insert_observations(&mut transaction, batch, rows)
            .await?;
        self.commit(transaction).await
    }

    /// Stores observations that count at once; the number of their batch. `now` where it matters since when their
    /// source is heard.
    pub(super) async fn insert_counted(
        &self,
        connection: &mut Transaction,
        telling: Telling,
        file: Option<&[u8]>,
        (rows, now): (&[Observation], Option<Timestamp>),
    ) -> Result<i64, StoreError> {
        let insert = sqlx::query_scalar(
            "INSERT INTO batches (closed, file, closed_at, silent) VALUES (true, $1, $3, $2)
             RETURNING number",
        )
        .bind(file)
        .bind(telling == Telling::ByLoadsAlone)
        .bind(now.map(Timestamp::unix));
        let batch = self
            .queries
            .named("batch_insert", insert.fetch_one(&mut *connection))
            .await?;
        self.insert_observations(connection, batch, rows).await?;
        Ok(batch)
    }

    async fn insert_observations(
        &self,
        connection: &mut Transaction,
        batch: i64,
        rows: &[Observation],
    ) -> Result<(), StoreError> {
        for chunk in rows.chunks(ROWS) {
            let insert = sqlx::query(concat!(
                "INSERT INTO observations (batch, ",
                observation_columns!(),
                ") SELECT $1, rows.* FROM unnest($2::bigint[], $3::bigint[], $4::text[],
                 $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                 $11::float8[], $12::float8[], $13::boolean[],
                 $14::text[], $15::text[], $16::float8[]) AS rows"
            ))
            .bind(batch)
            .bind(column(chunk, |one| one.at.unix()))
            .bind(column(chunk, |one| one.at.unix() + i64::from(one.seconds)))
            .bind(column(chunk, |one| one.kind.name()))
            .bind(column(chunk, |one| one.count.cast_signed()))
            .bind(column(chunk, |one| one.ca.as_str()))
            .bind(column(chunk, |one| one.source.name()))
            .bind(column(chunk, |one| one.endpoint.as_deref()))
            .bind(column(chunk, |one| one.error_type.as_deref()))
            .bind(column(chunk, |one| one.vantage.as_deref()))
            .bind(column(chunk, |one| one.latency_ms))
            .bind(column(chunk, |one| one.latency_p95_ms))
            .bind(column(chunk, |one| one.steered))
            .bind(column(chunk, |one| one.dimension.as_deref()))
            .bind(column(chunk, |one| one.told_by.as_deref()))
            .bind(column(chunk, sampled));
            self.queries
                .named("observation_insert", insert.execute(&mut *connection))
                .await?;
        }
        Ok(())
    }

    pub(super) async fn read_closed_batch(
        &self,
        key: &BatchKey,
    ) -> Result<Option<ClosedBatch>, StoreError> {
        let found = self.batch_under(&self.pool, key).await?;
        Ok(found.map(|(_, closed)| closed))
    }

    /// The number and the answer of the batch that was closed under this key.
    async fn batch_under(
        &self,
        executor: impl PgExecutor<'_>,
        key: &BatchKey,
    ) -> Result<Option<(i64, ClosedBatch)>, StoreError> {
        let select = sqlx::query_as::<_, (i64, Vec<u8>, String)>(
            "SELECT number, sha256, report FROM batches WHERE key = $1 AND closed",
        )
        .bind(key_column(key));
        let row = self
            .queries
            .named("batch_select", select.fetch_optional(executor))
            .await?;
        row.map(|(number, octets, report)| {
            let sha256 = sha256(&octets)?;
            Ok((number, ClosedBatch { sha256, report }))
        })
        .transpose()
        .map_err(|error| StoreError::from_driver("batch_select", error))
    }

    pub(super) async fn update_batch_closed(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
        now: Timestamp,
    ) -> Result<Closing, StoreError> {
        // Twice: the key may be taken between the look and the update. Then the second look finds
        // it.
        match self.try_close(batch, key, closed, now).await {
            Err(error) if error.code().as_deref() == Some(UNIQUE_VIOLATION) => {
                self.try_close(batch, key, closed, now).await
            }
            closing => closing,
        }
    }

    async fn try_close(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
        now: Timestamp,
    ) -> Result<Closing, StoreError> {
        let mut transaction = self.begin().await?;
        let earlier = match key {
            Some(key) => self.batch_under(&mut transaction, key).await?,
            None => None,
        };
        if let Some((number, earlier)) = earlier {
            // Asked again, because the first answer was lost: this very batch counts.
            if number == batch {
                return Ok(Closing::Counted);
            }
            self.delete_open_batch(&mut transaction, batch).await?;
            self.commit(transaction).await?;
            return Ok(Closing::Repeated(earlier));
        }
        let update = sqlx::query(
            "UPDATE batches SET closed = true, closed_at = $2, key = $3, file = $4, sha256 = $5,
                                report = $6
             WHERE number = $1 AND NOT closed",
        )
        .bind(batch)
        .bind(now.unix())
        .bind(key.map(key_column))
        .bind(file_column(key))
        .bind(&closed.sha256[..])
        .bind(&closed.report);
        let updated = self
            .queries
            .named("batch_close", update.execute(&mut transaction))
            .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::NotOpen(batch));
        }
        let mut outbox = Outbox::default();
        outbox.refer(Kind::Batch, batch);
        self.append(&mut transaction, &outbox).await?;
        self.commit(transaction).await?;
        Ok(Closing::Counted)
    }

    async fn delete_open_batch(
        &self,
        connection: &mut Transaction,
        batch: i64,
    ) -> Result<(), StoreError> {
        let delete = sqlx::query(
            "WITH open AS (DELETE FROM batches WHERE number = $1 AND NOT closed RETURNING number)
             DELETE FROM observations USING open WHERE batch = number",
        )
        .bind(batch);
        self.queries
            .named("batch_delete", delete.execute(connection))
            .await
            .map(drop)
    }

    pub(super) async fn delete_stale(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError> {
        // The batch first: one that is being closed meanwhile keeps its rows.
        let left_open = sqlx::query(
            "WITH stale AS (
                 DELETE FROM batches WHERE NOT closed AND opened_at < $1 RETURNING number
             )
             DELETE FROM observations USING stale WHERE batch = number",
        )
        .bind(opened_before.unix());
        self.queries
            .at_leisure("sweep_left_open", left_open.execute(&self.pool))
            .await?;
        let old = sqlx::query("DELETE FROM observations WHERE ended_at <= $1")
            .bind(observed_before.unix());
        self.queries
            .at_leisure("sweep_observations", old.execute(&self.pool))
            .await?;
        let keys = sqlx::query(
            "UPDATE batches SET key = NULL
             WHERE closed AND key IS NOT NULL AND file IS NULL AND closed_at < $1",
        )
        .bind(keys_before.unix());
        self.queries
            .at_leisure("sweep_keys", keys.execute(&self.pool))
            .await?;
        let batches = sqlx::query(
            "DELETE FROM batches WHERE closed AND (key IS NULL OR file IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM observations WHERE batch = number)",
        );
        self.queries
            .at_leisure("sweep_batches", batches.execute(&self.pool))
            .await?;
        self.trim_outbox().await
    }

    pub(super) async fn read_import_progress(
        &self,
        file: &[u8; 32],
    ) -> Result<Option<ImportProgress>, StoreError> {
        let select = sqlx::query_as::<_, (i64, i64, bool, String)>(
            "SELECT byte_offset, line, complete, report FROM imports WHERE sha256 = $1",
        )
        .bind(&file[..]);
        let row = self
            .queries
            .named("import_select", select.fetch_optional(&self.pool))
            .await?;
        Ok(row.map(|(offset, line, complete, report)| ImportProgress {
            sha256: *file,
            offset: offset.cast_unsigned(),
            line: line.cast_unsigned(),
            complete,
            report,
        }))
    }

    pub(super) async fn upsert_progress(
        &self,
        connection: &mut Transaction,
        progress: &ImportProgress,
    ) -> Result<(), StoreError> {
        let upsert = sqlx::query(
            "INSERT INTO imports (sha256, byte_offset, line, complete, report)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (sha256) DO UPDATE SET byte_offset = excluded.byte_offset,
                 line = excluded.line, complete = excluded.complete, report = excluded.report",
        )
        .bind(&progress.sha256[..])
        .bind(progress.offset.cast_signed())
        .bind(progress.line.cast_signed())
        .bind(progress.complete)
        .bind(&progress.report);
        self.queries
            .named("import_upsert", upsert.execute(connection))
            .await
            .map(drop)
    }

    pub(super) async fn delete_file(&self, file: &[u8; 32]) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let progress = sqlx::query("DELETE FROM imports WHERE sha256 = $1").bind(&file[..]);
        let imports = self
            .queries
            .named("import_delete", progress.execute(&mut transaction))
            .await?
            .rows_affected();
        let rows = sqlx::query(
            "DELETE FROM observations WHERE batch IN (SELECT number FROM batches WHERE file = $1)",
        )
        .bind(&file[..]);
        self.queries
            .at_leisure("observation_forget", rows.execute(&mut transaction))
            .await?;
        let batches = sqlx::query("DELETE FROM batches WHERE file = $1").bind(&file[..]);
        let batches = self
            .queries
            .named("batch_forget", batches.execute(&mut transaction))
            .await?
            .rows_affected();
        if batches > 0 {
            let mut outbox = Outbox::default();
            outbox.forgotten();
            self.append(&mut transaction, &outbox).await?;
        }
        self.commit(transaction).await?;
        Ok(imports + batches > 0)
    }
}

/// One field of all rows: a column on its way into an array parameter.
fn column<'a, T>(rows: &'a [Observation], field: impl Fn(&'a Observation) -> T) -> Vec<T> {
    rows.iter().map(field).collect()
}
