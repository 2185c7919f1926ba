//! Named queries: each is counted and timed under its name.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;

use super::StoreError;

/// Runs a store's queries.
#[derive(Debug, Default)]
pub(super) struct Queries {
    run: AtomicU64,
}

impl Queries {
    /// How many have been run.
    pub(super) fn run_so_far(&self) -> u64 {
        self.run.load(Ordering::Relaxed)
    }

    /// Runs one query.
    pub(super) async fn named<T>(
        &self,
        query: &'static str,
        work: impl Future<Output = sqlx::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        let started = self.started(query);
        let result = work.await;
        finished(query, started);
        result.map_err(|error| StoreError::from_driver(query, error))
    }

    /// Runs one query and tells its rows as they come: however many there are, few are in memory.
    pub(super) async fn each<T>(
        &self,
        query: &'static str,
        mut rows: BoxStream<'_, sqlx::Result<T>>,
        mut tell: impl FnMut(T) + Send,
    ) -> Result<(), StoreError> {
        let started = self.started(query);
        let result = async {
            while let Some(row) = rows.try_next().await? {
                tell(row);
            }
            Ok(())
        }
        .await;
        finished(query, started);
        result.map_err(|error| StoreError::from_driver(query, error))
    }

    fn started(&self, query: &'static str) -> Instant {
        self.run.fetch_add(1, Ordering::Relaxed);
        metrics::counter!("offpeak_store_queries_total", "query" => query).increment(1);
        Instant::now()
    }
}

fn finished(query: &'static str, started: Instant) {
    metrics::histogram!("offpeak_store_query_duration_seconds", "query" => query)
        .record(started.elapsed().as_secs_f64());
}
