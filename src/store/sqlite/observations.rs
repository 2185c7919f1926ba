//! Observations, their batches, and the progress of files.

use async_trait::async_trait;
use sqlx::{Sqlite, SqliteConnection, Transaction};

use super::SqliteStore;
use super::certificates::four;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;
use crate::store::row::{observation_columns, sampled};
use crate::store::{ObservationStore, StoreError};

/// How many rows one statement inserts: 64 · 15 parameters.
const ROWS: usize = 4 * 4 * 4;

/// How many rows one step deletes. A row is in three trees; if each is on a page of its own, this
/// writes 7,500 of the 8,192 pages that a transaction should write at most.
const DELETED: u32 = 2_500;

/// The statement has a fixed length; unused rows are NULL. Parameters have no numbers, because the
/// driver numbers the others itself.
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

#[async_trait]
impl ObservationStore for SqliteStore {
    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), StoreError> {
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

    async fn forget_file(&self, file: &[u8; 32]) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let progress = sqlx::query("DELETE FROM imports WHERE sha256 = ?1").bind(&file[..]);
        let imports = self
            .run_in(&mut transaction, "import_delete", progress)
            .await?;
        let batches =
            sqlx::query_scalar::<_, i64>("DELETE FROM batches WHERE file = ?1 RETURNING number")
                .bind(&file[..]);
        let batches = self
            .queries
            .named("batch_forget", batches.fetch_all(&mut *transaction))
            .await?;
        if !batches.is_empty() {
            self.record_forgetting(&mut transaction).await?;
        }
        self.commit(transaction).await?;
        // From here on they no longer count.
        self.delete_observations_of(&batches).await?;
        Ok(imports > 0 || !batches.is_empty())
    }

    async fn sweep_observations(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError> {
        // Each step is complete in itself, so the write lock is released between them.
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
        // Older than a day: no reader of the feed is that far behind. Measured by the database's clock,
        // which also wrote the time.
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
}

impl SqliteStore {
    /// Deletes a batch that is still open, and commits.
    pub(in crate::store) async fn delete_open_batch(
        &self,
        mut transaction: Transaction<'static, Sqlite>,
        batch: i64,
    ) -> Result<(), StoreError> {
        let delete =
            sqlx::query("DELETE FROM batches WHERE number = ?1 AND NOT closed").bind(batch);
        let deleted = self
            .run_in(&mut transaction, "batch_delete", delete)
            .await?;
        self.commit(transaction).await?;
        if deleted > 0 {
            self.delete_observations_of(&[batch]).await?;
        }
        Ok(())
    }

    /// Records in the feed that a batch was closed, and commits.
    pub(in crate::store) async fn commit_closed(
        &self,
        mut transaction: Transaction<'static, Sqlite>,
        batch: i64,
    ) -> Result<(), StoreError> {
        let stamp = self.stamp(&mut transaction).await?;
        let update = sqlx::query("UPDATE batches SET changed = ?2 WHERE number = ?1")
            .bind(batch)
            .bind(stamp);
        self.run_in(&mut transaction, "batch_stamp", update).await?;
        self.commit(transaction).await
    }

    /// Stores observations that count at once. With `stamp` the feed contains them, without it only
    /// loads do. `now` is given if it matters when their source first reported.
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
                    .bind(row.and_then(|one| one.reported_by.as_deref()))
                    .bind(row.and_then(sampled));
            }
            self.run_in(connection, "observation_insert", insert)
                .await?;
        }
        Ok(())
    }

    /// Records in the feed that observations were removed.
    pub(super) async fn record_forgetting(
        &self,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let stamp = self.stamp(connection).await?;
        let insert = sqlx::query("INSERT INTO forgettings (changed) VALUES (?1)").bind(stamp);
        self.run_in(connection, "forgetting_insert", insert)
            .await
            .map(drop)
    }

    /// Deletes the observations of deleted batches, which no longer count. If this is interrupted, the
    /// rest is removed once it is old.
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
}
