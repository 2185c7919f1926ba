//! Records of certificates' polls.

use std::collections::HashSet;

use async_trait::async_trait;
use futures_util::StreamExt as _;

use super::PostgresStore;
use super::again::tried_again;
use super::columns::{ROWS, column};
use super::outbox::Outbox;
use super::session::Transaction;
use crate::domain::time::Timestamp;
use crate::store::outcome::latest_records;
use crate::store::row::polls;
use crate::store::{Change, PollStore, StoreError};

#[async_trait]
impl PollStore for PostgresStore {
    async fn note_polls(&self, records: &[(u128, u64)], now: Timestamp) -> Result<(), StoreError> {
        if records.is_empty() {
            return Ok(());
        }
        let records = latest_records(records);
        tried_again(|| self.try_upsert_polls(&records, now)).await
    }

    async fn sweep_polls(&self, before: Timestamp) -> Result<(), StoreError> {
        // If another process is writing a record, this waits and checks it again. In a deadlock, the
        // sweep is the one that can be repeated.
        let delete = || sqlx::query("DELETE FROM polls WHERE written_at < $1").bind(before.unix());
        tried_again(|| self.sweep("sweep_polls", delete())).await
    }
}

impl PostgresStore {
    async fn try_upsert_polls(
        &self,
        records: &[(u128, u64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        let mut outbox = Outbox::default();
        for chunk in records.chunks(ROWS) {
            let upsert = sqlx::query_scalar::<_, Vec<u8>>(
                "INSERT INTO polls AS present (fingerprint, record, written_at)
                 SELECT rows.*, $3 FROM unnest($1::bytea[], $2::bigint[]) AS rows
                 ON CONFLICT (fingerprint) DO UPDATE SET
                     record = excluded.record,
                     written_at = greatest(present.written_at, excluded.written_at)
                 WHERE present.record <> excluded.record
                 RETURNING fingerprint",
            )
            .bind(column(chunk, |one| one.0.to_be_bytes()))
            .bind(column(chunk, |one| one.1.cast_signed()))
            .bind(now.unix());
            let written = self
                .queries
                .named("polls_upsert", upsert.fetch_all(&mut transaction))
                .await?;
            let written: HashSet<Vec<u8>> = written.into_iter().collect();
            let (new, same): (Vec<_>, Vec<_>) = chunk
                .iter()
                .copied()
                .partition(|one| written.contains(&one.0.to_be_bytes()[..]));
            outbox.polls(&new);
            // An unchanged record is not a change, but is kept from being removed.
            if !same.is_empty() {
                self.keep_polls(&mut transaction, &same, now).await?;
            }
        }
        self.append(&mut transaction, &outbox).await?;
        self.commit(transaction).await
    }

    async fn keep_polls(
        &self,
        connection: &mut Transaction,
        records: &[(u128, u64)],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = sqlx::query(
            "UPDATE polls SET written_at = $2
             FROM unnest($1::bytea[]) AS kept (one)
             WHERE fingerprint = one AND written_at < $2",
        )
        .bind(column(records, |one| one.0.to_be_bytes()))
        .bind(now.unix());
        self.run_in(connection, "polls_keep", update)
            .await
            .map(drop)
    }

    /// Passes on all records.
    pub(super) async fn emit_polls(
        &self,
        connection: &mut Transaction,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<(), StoreError> {
        let rows = sqlx::query_as::<_, (Vec<u8>, i64)>("SELECT fingerprint, record FROM polls");
        let records = rows.fetch(connection).map(|row| row.and_then(polls));
        self.queries.each("load_polls", records.boxed(), emit).await
    }
}
