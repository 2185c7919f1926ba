//! Records of certificates' polls.

use std::fmt::Write as _;

use async_trait::async_trait;
use futures_util::StreamExt as _;
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::outcome::latest_records;
use crate::store::row::polls;
use crate::store::{Change, FeedPosition, PollStore, StoreError};

/// How many records one JSON text contains, at about 60 bytes each, and how many one step removes. If
/// each has two pages of its own, that is 8,000 of the 8,192 pages that a transaction should write at
/// most. The write lock is held for some tens of milliseconds.
const ROWS: usize = 4_000;

#[async_trait]
impl PollStore for SqliteStore {
    async fn note_polls(&self, records: &[(u128, u64)], now: Timestamp) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        let stamp = self.stamp(&mut transaction).await?;
        for records in latest_records(records).chunks(ROWS) {
            // An unchanged record is not a change, but is kept from being removed.
            let upsert = sqlx::query(
                "INSERT INTO polls (fingerprint, record, written_at, changed)
                 SELECT unhex(value ->> 0), CAST(value ->> 1 AS INTEGER), ?1, ?2
                 FROM json_each(?3) WHERE true
                 ON CONFLICT (fingerprint) DO UPDATE SET
                     record = excluded.record,
                     written_at = max(polls.written_at, excluded.written_at),
                     changed = iif(polls.record = excluded.record,
                                   polls.changed, excluded.changed)",
            )
            .bind(now.unix())
            .bind(stamp)
            .bind(json(records));
            self.run_in(&mut transaction, "polls_upsert", upsert)
                .await?;
        }
        self.commit(transaction).await
    }

    async fn sweep_polls(&self, before: Timestamp) -> Result<(), StoreError> {
        // They are found without the write lock and removed in steps, because there may be one for each
        // certificate, and registrations wait for the lock.
        let mut after = Vec::new();
        loop {
            let select = sqlx::query_scalar::<_, Vec<u8>>(
                "SELECT fingerprint FROM polls WHERE fingerprint > ?1 AND written_at < ?2
                 ORDER BY fingerprint LIMIT ?3",
            )
            .bind(&after)
            .bind(before.unix())
            .bind(i64::try_from(ROWS).unwrap_or(i64::MAX));
            let mut stale = self
                .queries
                .named("sweep_polls_select", select.fetch_all(self.readers()))
                .await?;
            let Some(last) = stale.pop() else {
                return Ok(());
            };
            let delete = sqlx::query(
                "DELETE FROM polls
                 WHERE fingerprint > ?1 AND fingerprint <= ?2 AND written_at < ?3",
            )
            .bind(&after)
            .bind(&last)
            .bind(before.unix());
            self.write_alone("sweep_polls", delete).await?;
            after = last;
        }
    }
}

impl SqliteStore {
    /// Passes on the records that changed after `since`, or all.
    pub(super) async fn emit_polls(
        &self,
        connection: &mut SqliteConnection,
        since: Option<FeedPosition>,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let rows = match since {
            None => sqlx::query_as::<_, (Vec<u8>, i64)>("SELECT fingerprint, record FROM polls"),
            Some(since) => sqlx::query_as::<_, (Vec<u8>, i64)>(
                "SELECT fingerprint, record FROM polls WHERE changed > ?1",
            )
            .bind(since.0),
        };
        let changed = rows.fetch(connection).map(|row| row.and_then(polls));
        self.queries
            .each("changed_polls", changed.boxed(), emit)
            .await
    }
}

/// Records as a JSON array of pairs: a fingerprint in hexadecimal, and a number.
fn json(records: &[(u128, u64)]) -> String {
    let mut text = String::from("[");
    for (index, (fingerprint, record)) in records.iter().enumerate() {
        let comma = if index > 0 { "," } else { "" };
        let record = record.cast_signed();
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}[\"{fingerprint:032x}\",\"{record}\"]");
    }
    text.push(']');
    text
}
