//! What polls of certificates have shown.

use futures_util::StreamExt as _;
use sqlx::PgConnection;

use super::PostgresStore;
use super::certificates::{ROWS, TRIES, column, may_pass};
use super::feed::is_news;
use crate::domain::time::Timestamp;
use crate::store::outcome::latest_records;
use crate::store::row::polls;
use crate::store::{Change, FeedPosition, StoreError};

impl PostgresStore {
    pub(super) async fn upsert_polls(
        &self,
        records: &[(u128, u64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let records = latest_records(records);
        let mut tries = 0;
        loop {
            let attempt = self.try_upsert_polls(&records, now).await;
            tries += 1;
            match attempt {
                Err(error) if tries < TRIES && may_pass(&error) => {}
                attempt => return attempt,
            }
        }
    }

    async fn try_upsert_polls(
        &self,
        records: &[(u128, u64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin().await?;
        for chunk in records.chunks(ROWS) {
            // The same record again is no news, but keeps it from being swept.
            let upsert = sqlx::query(
                "INSERT INTO polls AS present (fingerprint, record, written_at)
                 SELECT rows.*, $3 FROM unnest($1::bytea[], $2::bigint[]) AS rows
                 ON CONFLICT (fingerprint) DO UPDATE SET
                     record = excluded.record,
                     written_at = greatest(present.written_at, excluded.written_at),
                     changed = CASE WHEN present.record = excluded.record
                                    THEN present.changed ELSE excluded.changed END",
            )
            .bind(column(chunk, |one| one.0.to_be_bytes()))
            .bind(column(chunk, |one| one.1.cast_signed()))
            .bind(now.unix());
            self.queries
                .named("polls_upsert", upsert.execute(&mut *transaction))
                .await?;
        }
        self.commit(transaction).await
    }

    pub(super) async fn delete_polls(&self, before: Timestamp) -> Result<(), StoreError> {
        // One that somebody writes at this moment is not stale, and not waited for.
        let delete = sqlx::query(
            "WITH stale AS (
                 SELECT fingerprint FROM polls WHERE written_at < $1 FOR UPDATE SKIP LOCKED
             )
             DELETE FROM polls USING stale WHERE polls.fingerprint = stale.fingerprint",
        )
        .bind(before.unix());
        self.queries
            .at_leisure("sweep_polls", delete.execute(&self.pool))
            .await
            .map(drop)
    }

    /// Tells the records that changed since then, or all.
    pub(super) async fn tell_polls(
        &self,
        connection: &mut PgConnection,
        since: Option<FeedPosition>,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let rows = match since {
            None => sqlx::query_as::<_, (Vec<u8>, i64)>("SELECT fingerprint, record FROM polls"),
            Some(since) => sqlx::query_as::<_, (Vec<u8>, i64)>(concat!(
                "SELECT fingerprint, record FROM polls WHERE ",
                is_news!()
            ))
            .bind(since.0.to_string()),
        };
        let changed = rows.fetch(connection).map(|row| row.and_then(polls));
        self.queries
            .each("changed_polls", changed.boxed(), tell)
            .await
    }
}
