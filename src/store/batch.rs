//! Batches of observations: files and requests, each counted once.

use async_trait::async_trait;

use super::both::{SqlTypes, for_both_stores};
use super::error::StoreError;
use super::row::{file_column, key_column, sha256};
use crate::domain::demand::observation::Observation;
use crate::domain::time::Timestamp;

/// How much of a file has been imported.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ImportProgress {
    /// The SHA-256 of the file.
    pub sha256: [u8; 32],
    /// Bytes of the file that are durable.
    pub offset: u64,
    /// Lines (or records) before `offset`.
    pub line: u64,
    /// Whether the whole file has been imported.
    pub complete: bool,
    /// The report so far, as JSON.
    pub report: String,
}

/// The key by which a repeated request or file is recognised, so that it counts once.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum BatchKey {
    /// A file, by its SHA-256; kept as long as its observations.
    File([u8; 32]),
    /// A request, by its `Idempotency-Key`; kept for 7 days.
    Request(String),
}

/// A batch of observations that counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClosedBatch {
    /// The SHA-256 of the body.
    pub sha256: [u8; 32],
    /// The answer that was given, as JSON.
    pub report: String,
}

/// The result of closing a batch.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Closing {
    /// The batch counts from now on.
    Counted,
    /// Another batch with the same key was closed before; nothing of this one is kept.
    Repeated(ClosedBatch),
}

/// Changes to observations that batches brought.
#[async_trait]
pub trait ObservationStore {
    /// Adds observations to an open batch.
    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), StoreError>;

    /// Removes a file: its progress, and the observations counted under it. Returns whether it was
    /// known.
    async fn forget_file(&self, sha256: &[u8; 32]) -> Result<bool, StoreError>;

    /// Removes observations before `observed_before`, batches that are still open and were opened
    /// before `opened_before`, and the keys of requests closed before `keys_before`.
    async fn sweep_observations(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError>;
}

/// Batches of observations. A batch counts once it is closed.
#[async_trait]
pub trait BatchStore {
    /// Opens a batch of observations. Its observations do not count until it is closed.
    async fn open_batch(&self, now: Timestamp) -> Result<i64, StoreError>;

    /// Closes a batch: all its observations count from now on, under `key` if one is given.
    async fn close_batch(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
        now: Timestamp,
    ) -> Result<Closing, StoreError>;

    /// The batch that was closed under this key.
    async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, StoreError>;

    /// How far a file has been imported.
    async fn import_progress(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportProgress>, StoreError>;
}

for_both_stores! {
    #[async_trait]
    impl BatchStore for ThisStore {
        async fn open_batch(&self, now: Timestamp) -> Result<i64, StoreError> {
            let insert = sqlx::query_as::<_, (i64,)>(
                "INSERT INTO batches (opened_at, closed) VALUES ($1, false) RETURNING number",
            )
            .bind(now.unix());
            let row = self.written_row("batch_open", insert).await?;
            let (number,) = row.ok_or_else(|| {
                StoreError::from_driver("batch_open", sqlx::Error::RowNotFound)
            })?;
            Ok(number)
        }

        async fn close_batch(
            &self,
            batch: i64,
            key: Option<&BatchKey>,
            closed: &ClosedBatch,
            now: Timestamp,
        ) -> Result<Closing, StoreError> {
            // Two tries: another process may take the key between the check and the update. Then the
            // second check finds it.
            match self.try_close(batch, key, closed, now).await {
                Err(error) if error.code().as_deref() == Some(UNIQUE_VIOLATION) => {
                    self.try_close(batch, key, closed, now).await
                }
                closing => closing,
            }
        }

        async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, StoreError> {
            let row = self.row("batch_select", sqlx::query_as(BATCH).bind(key_column(key))).await?;
            Ok(row.map(numbered).transpose()?.map(|(_, closed)| closed))
        }

        async fn import_progress(
            &self,
            sha256: &[u8; 32],
        ) -> Result<Option<ImportProgress>, StoreError> {
            let select = sqlx::query_as::<_, (i64, i64, bool, String)>(
                "SELECT byte_offset, line, complete, report FROM imports WHERE sha256 = $1",
            )
            .bind(&sha256[..]);
            let row = self.row("import_select", select).await?;
            Ok(row.map(|(offset, line, complete, report)| ImportProgress {
                sha256: *sha256,
                offset: offset.cast_unsigned(),
                line: line.cast_unsigned(),
                complete,
                report,
            }))
        }
    }

    impl ThisStore {
        async fn try_close(
            &self,
            batch: i64,
            key: Option<&BatchKey>,
            closed: &ClosedBatch,
            now: Timestamp,
        ) -> Result<Closing, StoreError> {
            let mut transaction = self.write().await?;
            if let Some((number, earlier)) = self.batch_under(&mut transaction, key).await? {
                // The client asks again because it lost the first answer: this batch itself counts.
                if number == batch {
                    return Ok(Closing::Counted);
                }
                self.delete_open_batch(transaction, batch).await?;
                return Ok(Closing::Repeated(earlier));
            }
            let update = sqlx::query(
                "UPDATE batches SET closed = true, closed_at = $2, key = $3, file = $4,
                                    sha256 = $5, report = $6
                 WHERE number = $1 AND NOT closed",
            )
            .bind(batch)
            .bind(now.unix())
            .bind(key.map(key_column))
            .bind(file_column(key))
            .bind(&closed.sha256[..])
            .bind(&closed.report);
            if self.run_in(&mut transaction, "batch_close", update).await? == 0 {
                return Err(StoreError::NotOpen(batch));
            }
            self.commit_closed(transaction, batch).await?;
            Ok(Closing::Counted)
        }

        /// The number and the answer of the batch that was closed under this key.
        async fn batch_under(
            &self,
            connection: &mut <Self as SqlTypes>::Connection,
            key: Option<&BatchKey>,
        ) -> Result<Option<(i64, ClosedBatch)>, StoreError> {
            let Some(key) = key else { return Ok(None) };
            let select = sqlx::query_as(BATCH).bind(key_column(key));
            let row = self.row_in(connection, "batch_select", select).await?;
            row.map(numbered).transpose()
        }

        pub(in crate::store) async fn upsert_progress(
            &self,
            connection: &mut <Self as SqlTypes>::Connection,
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
            self.run_in(connection, "import_upsert", upsert).await.map(drop)
        }
    }
}

/// The SQLSTATE of an insert whose unique key exists already.
const UNIQUE_VIOLATION: &str = "23505";

/// The batch that was closed under a key.
const BATCH: &str = "SELECT number, sha256, report FROM batches WHERE key = $1 AND closed";

/// Its number and its answer.
fn numbered(row: (i64, Vec<u8>, String)) -> Result<(i64, ClosedBatch), StoreError> {
    let (number, octets, report) = row;
    let sha256 = sha256(&octets).map_err(|error| StoreError::from_driver("batch_select", error))?;
    Ok((number, ClosedBatch { sha256, report }))
}
