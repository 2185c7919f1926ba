//! Data of configured sources.

use async_trait::async_trait;

use super::PostgresStore;
use super::observations::Visibility;
use super::outbox::{Kind, Outbox};
use crate::domain::time::Timestamp;
use crate::store::{SourceStep, SourceStore, StoreError};

#[async_trait]
impl SourceStore for PostgresStore {
    async fn source_cursor(&self, source: &str) -> Result<Option<String>, StoreError> {
        let select = sqlx::query_scalar("SELECT body FROM source_cursors WHERE source = $1");
        self.queries
            .named(
                "source_cursor_select",
                select.bind(source).fetch_optional(&self.pool),
            )
            .await
    }

    async fn advance_source(
        &self,
        step: SourceStep<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.write().await?;
        // If two processes begin the same source at once, one inserts; the other waits for it, and then
        // finds a row whose body is not the one that it expects.
        let advance = match step.from {
            None => {
                "INSERT INTO source_cursors (source, body, moved_at) VALUES ($1, $2, $3)
                 ON CONFLICT (source) DO NOTHING RETURNING source"
            }
            Some(_) => {
                "UPDATE source_cursors SET body = $2, moved_at = $3
                 WHERE source = $1 AND body = $4 RETURNING source"
            }
        };
        let mut advance = sqlx::query_scalar::<_, String>(advance)
            .bind(step.source)
            .bind(step.to)
            .bind(now.unix());
        if let Some(from) = step.from {
            advance = advance.bind(from);
        }
        let moved = self
            .queries
            .named(
                "source_cursor_move",
                advance.fetch_optional(&mut transaction),
            )
            .await?;
        if moved.is_none() {
            self.rollback(transaction).await?;
            return Ok(false);
        }
        if !step.counted.is_empty() {
            let insert = sqlx::query(
                "INSERT INTO source_counted (source, hash, counted_at)
                 SELECT $1, hash, $3 FROM unnest($2::bigint[]) AS hash
                 ON CONFLICT (source, hash) DO NOTHING",
            )
            .bind(step.source)
            .bind(signed(step.counted))
            .bind(now.unix());
            self.run_in(&mut transaction, "source_counted_insert", insert)
                .await?;
        }
        let mut outbox = Outbox::default();
        if !step.observations.is_empty() {
            let batch = self
                .insert_counted(
                    &mut transaction,
                    Visibility::FeedAndLoads,
                    None,
                    (step.observations, Some(now)),
                )
                .await?;
            outbox.refer(Kind::Batch, batch);
        }
        self.commit_changes(transaction, &outbox).await?;
        Ok(true)
    }

    async fn counted_by_source(
        &self,
        source: &str,
        hashes: &[u64],
    ) -> Result<Vec<u64>, StoreError> {
        let select = sqlx::query_scalar::<_, i64>(
            "SELECT hash FROM source_counted WHERE source = $1 AND hash = ANY($2::bigint[])",
        )
        .bind(source)
        .bind(signed(hashes));
        let found = self
            .queries
            .named("source_counted_select", select.fetch_all(&self.pool))
            .await?;
        let mut found: Vec<u64> = found.into_iter().map(i64::cast_unsigned).collect();
        found.sort_unstable();
        Ok(found)
    }

    async fn forget_source(&self, source: &str, vantage: &str) -> Result<Option<u64>, StoreError> {
        let mut transaction = self.write().await?;
        // The position first: a process that is counting for this source finishes before, or finds that
        // the position has moved.
        let cursor = sqlx::query("DELETE FROM source_cursors WHERE source = $1").bind(source);
        let known = self
            .run_in(&mut transaction, "source_cursor_forget", cursor)
            .await?;
        let hashes = sqlx::query("DELETE FROM source_counted WHERE source = $1").bind(source);
        self.queries
            .at_leisure("source_counted_forget", hashes.execute(&mut transaction))
            .await?;
        let rows = sqlx::query(
            "DELETE FROM observations
             WHERE vantage = $1 OR substr(vantage, 1, length($1) + 1) = $1 || ':'",
        )
        .bind(vantage);
        let rows = self
            .queries
            .at_leisure("source_forget", rows.execute(&mut transaction))
            .await?
            .rows_affected();
        if known + rows == 0 {
            self.rollback(transaction).await?;
            return Ok(None);
        }
        let mut outbox = Outbox::default();
        outbox.forgotten();
        self.commit_changes(transaction, &outbox).await?;
        Ok(Some(rows))
    }

    async fn sweep_sources(&self, before: Timestamp) -> Result<(), StoreError> {
        let delete =
            sqlx::query("DELETE FROM source_counted WHERE counted_at < $1").bind(before.unix());
        self.sweep("sweep_source_counted", delete).await
    }
}

fn signed(hashes: &[u64]) -> Vec<i64> {
    hashes.iter().map(|hash| hash.cast_signed()).collect()
}
