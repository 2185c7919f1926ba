//! Data of configured sources.

use async_trait::async_trait;

use super::SqliteStore;
use crate::domain::time::Timestamp;
use crate::store::{SourceStep, SourceStore, StoreError};

/// How many hashes one statement takes, as JSON: 21 bytes each.
const HASHES: usize = 10_000;

/// How many rows one step deletes. Each is in two trees, in one of them on a page of its own at worst;
/// a transaction should write at most 8,192 pages.
const DELETED: u32 = 4_000;

/// The same for counts, each of which is in three trees.
const DELETED_COUNTS: u32 = 2_500;

#[async_trait]
impl SourceStore for SqliteStore {
    async fn source_cursor(&self, source: &str) -> Result<Option<String>, StoreError> {
        let select = sqlx::query_scalar("SELECT body FROM source_cursors WHERE source = ?1");
        self.queries
            .named(
                "source_cursor_select",
                select.bind(source).fetch_optional(self.readers()),
            )
            .await
    }

    async fn advance_source(
        &self,
        step: SourceStep<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        let upsert = sqlx::query(
            "INSERT INTO source_cursors (source, body, moved_at)
             SELECT ?1, ?3, ?4
             WHERE ?2 IS (SELECT body FROM source_cursors WHERE source = ?1)
             ON CONFLICT (source) DO UPDATE SET body = excluded.body, moved_at = excluded.moved_at",
        )
        .bind(step.source)
        .bind(step.from)
        .bind(step.to)
        .bind(now.unix());
        let moved = self
            .run_in(&mut transaction, "source_cursor_move", upsert)
            .await?;
        if moved == 0 {
            self.rollback(transaction).await?;
            return Ok(false);
        }
        for hashes in step.counted.chunks(HASHES) {
            let insert = sqlx::query(
                "INSERT INTO source_counted (source, hash, counted_at)
                 SELECT ?1, value, ?3 FROM json_each(?2) WHERE true
                 ON CONFLICT (source, hash) DO NOTHING",
            )
            .bind(step.source)
            .bind(json(hashes))
            .bind(now.unix());
            self.run_in(&mut transaction, "source_counted_insert", insert)
                .await?;
        }
        if !step.observations.is_empty() {
            let stamp = self.stamp(&mut transaction).await?;
            self.insert_counted(
                &mut transaction,
                Some(stamp),
                None,
                (step.observations, Some(now)),
            )
            .await?;
        }
        self.commit(transaction).await?;
        self.log.shorten().await;
        Ok(true)
    }

    async fn counted_by_source(
        &self,
        source: &str,
        hashes: &[u64],
    ) -> Result<Vec<u64>, StoreError> {
        let mut found = Vec::new();
        for some in hashes.chunks(HASHES) {
            let select = sqlx::query_scalar::<_, i64>(
                "SELECT hash FROM source_counted
                 WHERE source = ?1 AND hash IN (SELECT value FROM json_each(?2))",
            )
            .bind(source)
            .bind(json(some));
            let some = self
                .queries
                .named("source_counted_select", select.fetch_all(self.readers()))
                .await?;
            found.extend(some.into_iter().map(i64::cast_unsigned));
        }
        found.sort_unstable();
        Ok(found)
    }

    async fn forget_source(&self, source: &str, vantage: &str) -> Result<Option<u64>, StoreError> {
        let count = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM observations
             WHERE vantage = ?1 OR substr(vantage, 1, length(?1) + 1) = ?1 || ':'",
        )
        .bind(vantage);
        let count = self
            .queries
            .named("source_count", count.fetch_one(self.readers()))
            .await?;
        // Most of them in steps; those counted in the meantime are removed together with the position.
        let of = vantage.to_owned();
        let some = move || {
            sqlx::query(
                "DELETE FROM observations WHERE rowid IN
                 (SELECT rowid FROM observations
                  WHERE vantage = ?1 OR substr(vantage, 1, length(?1) + 1) = ?1 || ':' LIMIT ?2)",
            )
            .bind(of.clone())
            .bind(DELETED_COUNTS)
        };
        self.write_in_steps("source_forget", DELETED_COUNTS, some)
            .await?;
        let mut transaction = self.write().await?;
        let rest = sqlx::query(
            "DELETE FROM observations
             WHERE vantage = ?1 OR substr(vantage, 1, length(?1) + 1) = ?1 || ':'",
        )
        .bind(vantage);
        self.run_in(&mut transaction, "source_forget", rest).await?;
        let hashes = sqlx::query("DELETE FROM source_counted WHERE source = ?1").bind(source);
        self.run_in(&mut transaction, "source_counted_forget", hashes)
            .await?;
        let cursor = sqlx::query("DELETE FROM source_cursors WHERE source = ?1").bind(source);
        let known = self
            .run_in(&mut transaction, "source_cursor_forget", cursor)
            .await?;
        if count == 0 && known == 0 {
            self.rollback(transaction).await?;
            return Ok(None);
        }
        self.record_forgetting(&mut transaction).await?;
        self.commit(transaction).await?;
        Ok(Some(count.unsigned_abs()))
    }

    async fn sweep_sources(&self, before: Timestamp) -> Result<(), StoreError> {
        let delete = move || {
            sqlx::query(
                "DELETE FROM source_counted WHERE (source, hash) IN
                 (SELECT source, hash FROM source_counted WHERE counted_at < ?1 LIMIT ?2)",
            )
            .bind(before.unix())
            .bind(DELETED)
        };
        self.write_in_steps("sweep_source_counted", DELETED, delete)
            .await
    }
}

fn json(hashes: &[u64]) -> String {
    let signed: Vec<String> = hashes
        .iter()
        .map(|hash| hash.cast_signed().to_string())
        .collect();
    format!("[{}]", signed.join(","))
}
