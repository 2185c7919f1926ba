//! Observations, the batches that make them count, and how far files have come.

use sqlx::{SqliteConnection, SqliteExecutor};

use super::SqliteStore;
use super::certificates::four;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;
use crate::store::row::{file_column, key_column, observation_columns, sampled, sha256};
use crate::store::{BatchKey, ClosedBatch, Closing, ImportProgress, StoreError};

/// How many rows one statement inserts: 64 · 15 parameters.
const ROWS: usize = 4 * 4 * 4;

/// How many rows one step deletes. A row is in three trees, in each on a page of its own at worst:
/// 7,500 pages, of the 8,192 that a transaction should write at most.
const DELETED: u32 = 2_500;

/// A statement has one length; unused parts of it are NULL. No parameter is numbered: the driver
/// numbers the others itself.
const INSERT: &str = concat!(
    "INSERT INTO observations (batch, ",
    observation_columns!(),
    ") SELECT ?, column1, column2, column3, column4, column5, column6, column7, column8, \
     column9, column10, column11, column12, column13, column14, column15 FROM (VALUES ",
    four!(four!(four!(
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ))),
    ") WHERE column1 IS NOT NULL"
);

impl SqliteStore {
    pub(super) async fn insert_open_batch(&self, now: Timestamp) -> Result<i64, StoreError> {
        let insert = sqlx::query_scalar(
            "INSERT INTO batches (opened_at, closed) VALUES (?1, 0) RETURNING number",
        )
        .bind(now.unix());
        let mut transaction = self.write().await?;
        let number = self
            .queries
            .named("batch_open", insert.fetch_one(&mut *transaction))
            .await?;
        self.commit(transaction).await?;
        Ok(number)
    }

    pub(super) async fn insert_into_batch(
        &self,
        batch: i64,
        rows: &[Observation],
    ) -> Result<(), StoreError> {
        let mut transaction = self.write_many().await?;
        let select = sqlx::query_scalar::<_, bool>(
            "SELECT EXISTS (SELECT 1 FROM batches WHERE number = ?1 AND NOT closed)",
        )
        .bind(batch);
        let open = self
            .queries
            .named("batch_is_open", select.fetch_one(&mut *transaction))
            .await?;
        if !open {
            return Err(StoreError::NotOpen(batch));
        }
        self.insert_observations(&mut transaction, batch, rows)
            .await?;
        self.commit(transaction).await?;
        self.log.shorten().await;
        Ok(())
    }

    /// Stores observations that count at once. With `stamp` the feed reports them, without it only
    /// loads do. `now` is given if the time at which their source was first heard matters.
    pub(super) async fn insert_counted(
        &self,
        connection: &mut SqliteConnection,
        stamp: Option<i64>,
        file: Option<&[u8]>,
        (rows, now): (&[Observation], Option<Timestamp>),
    ) -> Result<(), StoreError> {
        let insert = sqlx::query_scalar(
            "INSERT INTO batches (closed, file, silent, changed, closed_at)
             VALUES (1, ?1, ?2 IS NULL, ?2, ?3) RETURNING number",
        )
        .bind(file)
        .bind(stamp)
        .bind(now.map(Timestamp::unix));
        let batch = self
            .queries
            .named("batch_insert", insert.fetch_one(&mut *connection))
            .await?;
        self.insert_observations(connection, batch, rows).await
    }

    async fn insert_observations(
        &self,
        connection: &mut SqliteConnection,
        batch: i64,
        rows: &[Observation],
    ) -> Result<(), StoreError> {
        for chunk in rows.chunks(ROWS) {
            let mut insert = sqlx::query(INSERT).bind(batch);
            for row in 0..ROWS {
                let row = chunk.get(row);
                insert = insert
                    .bind(row.map(|one| one.at.unix()))
                    .bind(row.map(|one| one.at.unix() + i64::from(one.seconds)))
                    .bind(row.map(|one| one.kind.name()))
                    .bind(row.map(|one| one.count.cast_signed()))
                    .bind(row.map(|one| one.ca.as_str()))
                    .bind(row.map(|one| one.source.name()))
                    .bind(row.and_then(|one| one.endpoint.as_deref()))
                    .bind(row.and_then(|one| one.error_type.as_deref()))
                    .bind(row.and_then(|one| one.vantage.as_deref()))
                    .bind(row.and_then(|one| one.latency_ms))
                    .bind(row.and_then(|one| one.latency_p95_ms))
                    .bind(row.map(|one| one.steered))
                    .bind(row.and_then(|one| one.dimension.as_deref()))
                    .bind(row.and_then(|one| one.told_by.as_deref()))
                    .bind(row.and_then(sampled));
            }
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
        let found = self.batch_under(self.readers(), key).await?;
        Ok(found.map(|(_, closed)| closed))
    }

    /// The number and the answer of the batch that was closed under this key.
    async fn batch_under(
        &self,
        executor: impl SqliteExecutor<'_>,
        key: &BatchKey,
    ) -> Result<Option<(i64, ClosedBatch)>, StoreError> {
        let select = sqlx::query_as::<_, (i64, Vec<u8>, String)>(
            "SELECT number, sha256, report FROM batches WHERE key = ?1 AND closed",
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
        let mut transaction = self.write().await?;
        let earlier = match key {
            Some(key) => self.batch_under(&mut *transaction, key).await?,
            None => None,
        };
        if let Some((number, earlier)) = earlier {
            // Asked again, because the first answer was lost: this very batch counts.
            if number == batch {
                return Ok(Closing::Counted);
            }
            let drop = sqlx::query("DELETE FROM batches WHERE number = ?1 AND NOT closed");
            let dropped = self
                .queries
                .named("batch_delete", drop.bind(batch).execute(&mut *transaction))
                .await?;
            self.commit(transaction).await?;
            if dropped.rows_affected() > 0 {
                self.delete_observations_of(&[batch]).await?;
            }
            return Ok(Closing::Repeated(earlier));
        }
        let stamp = self.stamp(&mut transaction).await?;
        let update = sqlx::query(
            "UPDATE batches SET closed = 1, closed_at = ?2, key = ?3, file = ?4, sha256 = ?5,
                                report = ?6, changed = ?7
             WHERE number = ?1 AND NOT closed",
        )
        .bind(batch)
        .bind(now.unix())
        .bind(key.map(key_column))
        .bind(file_column(key))
        .bind(&closed.sha256[..])
        .bind(&closed.report)
        .bind(stamp);
        let updated = self
            .queries
            .named("batch_close", update.execute(&mut *transaction))
            .await?;
        if updated.rows_affected() == 0 {
            return Err(StoreError::NotOpen(batch));
        }
        self.commit(transaction).await?;
        Ok(Closing::Counted)
    }

    /// Tells the feed that observations were taken back.
    pub(super) async fn tell_forgetting(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let stamp = self.stamp(connection).await?;
        let tell = sqlx::query("INSERT INTO forgettings (changed) VALUES (?1)").bind(stamp);
        self.queries
            .named("forgetting_insert", tell.execute(connection))
            .await
            .map(drop)
    }

    /// Deletes the observations of deleted batches, which no longer count. If this is interrupted,
    /// the rest is removed when it is old.
    async fn delete_observations_of(&self, batches: &[i64]) -> Result<(), StoreError> {
        for &batch in batches {
            let rows = move || {
                sqlx::query(
                    "DELETE FROM observations WHERE rowid IN
                     (SELECT rowid FROM observations WHERE batch = ?1 LIMIT ?2)",
                )
                .bind(batch)
                .bind(DELETED)
            };
            self.write_in_steps("observation_delete", DELETED, rows)
                .await?;
        }
        Ok(())
    }

    pub(super) async fn delete_stale(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError> {
        // Each step is whole in itself, so the write lock is given back between them.
        let left_open = sqlx::query_scalar::<_, i64>(
            "DELETE FROM batches WHERE NOT closed AND opened_at < ?1 RETURNING number",
        )
        .bind(opened_before.unix());
        let mut transaction = self.write().await?;
        let left_open = self
            .queries
            .named(
                "sweep_batches_left_open",
                left_open.fetch_all(&mut *transaction),
            )
            .await?;
        self.commit(transaction).await?;
        self.delete_observations_of(&left_open).await?;

        let old = move || {
            sqlx::query(
                "DELETE FROM observations WHERE rowid IN
                 (SELECT rowid FROM observations WHERE ended_at <= ?1 LIMIT ?2)",
            )
            .bind(observed_before.unix())
            .bind(DELETED)
        };
        self.write_in_steps("sweep_observations", DELETED, old)
            .await?;
        let keys = sqlx::query(
            "UPDATE batches SET key = NULL
             WHERE closed AND key IS NOT NULL AND file IS NULL AND closed_at < ?1",
        )
        .bind(keys_before.unix());
        self.write_alone("sweep_keys", keys).await?;
        let batches = sqlx::query(
            "DELETE FROM batches WHERE closed AND (key IS NULL OR file IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM observations WHERE batch = number)",
        );
        self.write_alone("sweep_batches", batches).await?;
        // A day: no reader of the feed is that far behind. By the database's own clock, since it
        // wrote the time.
        let removals = || {
            sqlx::query(
                "DELETE FROM removals WHERE (key_identifier, serial) IN
                 (SELECT key_identifier, serial FROM removals
                  WHERE removed_at < unixepoch() - 86400 LIMIT ?1)",
            )
            .bind(DELETED)
        };
        self.write_in_steps("sweep_removals", DELETED, removals)
            .await?;
        let forgettings =
            sqlx::query("DELETE FROM forgettings WHERE forgotten_at < unixepoch() - 86400");
        self.write_alone("sweep_forgettings", forgettings).await
    }

    pub(super) async fn read_import_progress(
        &self,
        file: &[u8; 32],
    ) -> Result<Option<ImportProgress>, StoreError> {
        let select = sqlx::query_as::<_, (i64, i64, bool, String)>(
            "SELECT byte_offset, line, complete, report FROM imports WHERE sha256 = ?1",
        )
        .bind(&file[..]);
        let row = self
            .queries
            .named("import_select", select.fetch_optional(self.readers()))
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
        connection: &mut SqliteConnection,
        progress: &ImportProgress,
    ) -> Result<(), StoreError> {
        let upsert = sqlx::query(
            "INSERT INTO imports (sha256, byte_offset, line, complete, report)
             VALUES (?1, ?2, ?3, ?4, ?5)
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
        let mut transaction = self.write().await?;
        let progress = sqlx::query("DELETE FROM imports WHERE sha256 = ?1").bind(&file[..]);
        let imports = self
            .queries
            .named("import_delete", progress.execute(&mut *transaction))
            .await?
            .rows_affected();
        let batches =
            sqlx::query_scalar::<_, i64>("DELETE FROM batches WHERE file = ?1 RETURNING number")
                .bind(&file[..]);
        let batches = self
            .queries
            .named("batch_forget", batches.fetch_all(&mut *transaction))
            .await?;
        if !batches.is_empty() {
            self.tell_forgetting(&mut transaction).await?;
        }
        self.commit(transaction).await?;
        // They count no more from here on.
        self.delete_observations_of(&batches).await?;
        Ok(imports > 0 || !batches.is_empty())
    }
}
