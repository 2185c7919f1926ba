//! Loading everything with its position in the feed, and reading changes.

use async_trait::async_trait;

use super::PostgresStore;
use super::outbox::reading::follows;
use super::session::Transaction;
use crate::domain::time::Timestamp;
use crate::store::row::{StoredObservation, counted_columns};
use crate::store::{Change, FeedPosition, FeedStore, Load, StoreError};

#[async_trait]
impl FeedStore for PostgresStore {
    async fn load(
        &self,
        what: Load,
        observed_from: Timestamp,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        // Otherwise changes without a position would be repeated after the load.
        self.last_place().await?;
        let mut snapshot = self.read().await?;
        // Changes that have a position in this snapshot are in it; those that have none yet are
        // repeated if they are.
        let position = self.position(&mut snapshot).await?;
        self.emit_incidents(&mut snapshot, emit).await?;
        if what == Load::Everything {
            self.emit_certificates(&mut snapshot, emit).await?;
        }
        self.emit_polls(&mut snapshot, emit).await?;
        let observations = sqlx::query_as::<_, StoredObservation>(concat!(
            "SELECT batch, ",
            counted_columns!(),
            " FROM observations JOIN batches ON number = batch
             WHERE batches.closed AND ended_at > $1 ORDER BY batch"
        ))
        .bind(observed_from.unix())
        .fetch(&mut snapshot);
        self.queries
            .each("load_observations", observations, |row| {
                emit(Change::Observed {
                    batch: row.batch,
                    counted_at: row.counted_at,
                    observation: row.observation,
                });
            })
            .await?;
        let forgotten =
            sqlx::query_scalar::<_, i64>("SELECT number FROM outbox WHERE kind = 'forgotten'")
                .fetch(&mut snapshot);
        self.queries
            .each("load_forgotten", forgotten, |number| {
                emit(Change::Forgotten(number));
            })
            .await?;
        self.commit(snapshot).await?;
        Ok(position)
    }

    async fn changes(
        &self,
        since: FeedPosition,
        emit: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        let last = self.last_place().await?;
        let mut place = since.0;
        while place < last {
            let page = self.page(place, last).await?;
            // The next position may have been dropped, or was given by another server.
            if page.is_empty() || !follows(place, &page) {
                emit(Change::Lost);
                return Ok(FeedPosition(last));
            }
            place += i64::try_from(page.len()).unwrap_or(i64::MAX);
            self.emit_page(page, emit).await?;
        }
        if place > last {
            emit(Change::Lost);
        }
        Ok(FeedPosition(last))
    }
}

impl PostgresStore {
    async fn position(&self, connection: &mut Transaction) -> Result<FeedPosition, StoreError> {
        // If several servers commit one after the other, a load may miss a change that the feed
        // contained at that time. So the position is that of an hour earlier, and that hour's changes
        // are read again.
        let select = sqlx::query_scalar(
            "SELECT CASE WHEN distributed_by IS NULL THEN last ELSE coalesce(
                 (SELECT max(position) FROM outbox WHERE written_at < now() - interval '1 hour'),
                 (SELECT min(position) - 1 FROM outbox),
                 last
             ) END FROM feed",
        );
        self.queries
            .named("feed_position", select.fetch_one(connection))
            .await
            .map(FeedPosition)
    }
}
