//! Observations, their batches, and the progress of files.

use async_trait::async_trait;

use super::PostgresStore;
use super::columns::{ROWS, column};
use super::outbox::{Kind, Outbox};
use super::session::Transaction;
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;
use crate::store::row::{observation_columns, sampled};
use crate::store::{ObservationStore, StoreError};

/// How readers learn of observations that count at once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Visibility {
    /// By the feed, and by loads.
    FeedAndLoads,
    /// By loads only: readers of the feed have counted them already, as certificates.
    LoadsOnly,
}

#[async_trait]
impl ObservationStore for PostgresStore {
    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        // The lock keeps a sweep from removing the batch until the rows are inserted.
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

    async fn forget_file(&self, file: &[u8; 32]) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let progress = sqlx::query("DELETE FROM imports WHERE sha256 = $1").bind(&file[..]);
        let imports = self
            .run_in(&mut transaction, "import_delete", progress)
            .await?;
        let rows = sqlx::query(
            "DELETE FROM observations WHERE batch IN (SELECT number FROM batches WHERE file = $1)",
        )
        .bind(&file[..]);
        self.queries
            .at_leisure("observation_forget", rows.execute(&mut transaction))
            .await?;
        let batches = sqlx::query("DELETE FROM batches WHERE file = $1").bind(&file[..]);
        let batches = self
            .run_in(&mut transaction, "batch_forget", batches)
            .await?;
        let mut outbox = Outbox::default();
        if batches > 0 {
            outbox.forgotten();
        }
        self.commit_changes(transaction, &outbox).await?;
        Ok(imports + batches > 0)
    }

    async fn sweep_observations(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError> {
        // The batch first, so that a batch that is just being closed keeps its rows.
        let left_open = sqlx::query(
            "WITH stale AS (
                 DELETE FROM batches WHERE NOT closed AND opened_at < $1 RETURNING number
             )
             DELETE FROM observations USING stale WHERE batch = number",
        )
        .bind(opened_before.unix());
        self.sweep("sweep_left_open", left_open).await?;
        let old = sqlx::query("DELETE FROM observations WHERE ended_at <= $1")
            .bind(observed_before.unix());
        self.sweep("sweep_observations", old).await?;
        let keys = sqlx::query(
            "UPDATE batches SET key = NULL
             WHERE closed AND key IS NOT NULL AND file IS NULL AND closed_at < $1",
        )
        .bind(keys_before.unix());
        self.sweep("sweep_keys", keys).await?;
        let batches = sqlx::query(
            "DELETE FROM batches WHERE closed AND (key IS NULL OR file IS NOT NULL)
             AND NOT EXISTS (SELECT 1 FROM observations WHERE batch = number)",
        );
        self.sweep("sweep_batches", batches).await?;
        self.trim_outbox().await
    }
}

impl PostgresStore {
    /// Deletes a batch that is still open, and commits.
    pub(in crate::store) async fn delete_open_batch(
        &self,
        mut transaction: Transaction,
        batch: i64,
    ) -> Result<(), StoreError> {
        let delete = sqlx::query(
            "WITH open AS (DELETE FROM batches WHERE number = $1 AND NOT closed RETURNING number)
             DELETE FROM observations USING open WHERE batch = number",
        )
        .bind(batch);
        self.run_in(&mut transaction, "batch_delete", delete)
            .await?;
        self.commit(transaction).await
    }

    /// Adds to the outbox that a batch was closed, and commits.
    pub(in crate::store) async fn commit_closed(
        &self,
        transaction: Transaction,
        batch: i64,
    ) -> Result<(), StoreError> {
        let mut outbox = Outbox::default();
        outbox.refer(Kind::Batch, batch);
        self.commit_changes(transaction, &outbox).await
    }

    /// Stores observations that count at once; returns the number of their batch. `now` is given if it
    /// matters when their source first reported.
    pub(super) async fn insert_counted(
        &self,
        connection: &mut Transaction,
        visibility: Visibility,
        file: Option<&[u8]>,
        (rows, now): (&[Observation], Option<Timestamp>),
    ) -> Result<i64, StoreError> {
        let insert = sqlx::query_scalar(
            "INSERT INTO batches (closed, file, closed_at, silent) VALUES (true, $1, $3, $2)
             RETURNING number",
        )
        .bind(file)
        .bind(visibility == Visibility::LoadsOnly)
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
            .bind(column(chunk, |one| one.reported_by.as_deref()))
            .bind(column(chunk, sampled));
            self.run_in(connection, "observation_insert", insert)
                .await?;
        }
        Ok(())
    }
}
