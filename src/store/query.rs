//! Named queries: each is counted and timed under its name.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use futures_util::stream::BoxStream;

use super::condition::Condition;
use super::error::StoreError;

/// Runs the queries of a store.
#[derive(Debug, Default)]
pub(super) struct Queries {
    run: AtomicU64,
    answered: AtomicU64,
    /// Whether queries are refused, because the store is not open yet.
    shut: AtomicBool,
    /// How long a query, or its next row, may take.
    at_most: Option<Duration>,
    condition: Condition,
}

/// How many rows are passed on before other tasks get a turn: some tenths of a millisecond. Rows that
/// have arrived already never make a reader wait, so a long feed would block a request until its end.
const EMITTED_AT_ONCE: usize = 64;

/// Gives other tasks their turns while rows are passed on.
#[derive(Debug, Default)]
pub(super) struct Turns(usize);

impl Turns {
    /// A row was passed on.
    pub(super) async fn emitted(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(EMITTED_AT_ONCE) {
            tokio::task::yield_now().await;
        }
    }
}

/// The limit for deletes that scan whole tables, once an hour and with nobody waiting. An hour's
/// observations of a busy CA take seconds; the first sweep after a long pause takes minutes.
const AT_LEISURE: Duration = Duration::from_mins(10);

impl Queries {
    /// For a database that may stop without an error: a query that takes longer than `at_most` fails,
    /// and the database counts as unavailable. Queries are refused before [`Queries::open`].
    pub(super) fn limited(at_most: Duration) -> Self {
        Self {
            at_most: Some(at_most),
            shut: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// Allows queries from now on.
    pub(super) fn open(&self) {
        self.shut.store(false, Ordering::Release);
    }

    /// What is known about whether the database accepts writes.
    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// How many queries have been run.
    pub(super) fn run_so_far(&self) -> u64 {
        self.run.load(Ordering::Relaxed)
    }

    /// How many of them have succeeded.
    pub(super) fn answered_so_far(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Runs one query.
    pub(super) async fn named<T>(
        &self,
        query: &'static str,
        work: impl Future<Output = sqlx::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        self.timed(query, within(self.at_most, work)).await
    }

    /// Runs one query that may take minutes.
    pub(super) async fn at_leisure<T>(
        &self,
        query: &'static str,
        work: impl Future<Output = sqlx::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        let limit = self.at_most.map(|_| AT_LEISURE);
        self.timed(query, within(limit, work)).await
    }

    /// Runs one query and passes its rows on as they arrive, so that few are in memory at a time.
    pub(super) async fn each<T: Send>(
        &self,
        query: &'static str,
        mut rows: BoxStream<'_, sqlx::Result<T>>,
        mut emit: impl FnMut(T) + Send,
    ) -> Result<(), StoreError> {
        let emit_all = async {
            let mut turns = Turns::default();
            while let Some(row) = within(self.at_most, rows.try_next()).await? {
                emit(row);
                turns.emitted().await;
            }
            Ok(())
        };
        self.timed(query, emit_all).await
    }

    async fn timed<T>(
        &self,
        query: &'static str,
        work: impl Future<Output = sqlx::Result<T>> + Send,
    ) -> Result<T, StoreError> {
        if self.shut.load(Ordering::Acquire) {
            let source = io::Error::new(io::ErrorKind::NotConnected, "not reached since the start");
            return Err(StoreError::from_driver(query, source.into()));
        }
        self.run.fetch_add(1, Ordering::Relaxed);
        let result = observed(query, work).await;
        if result.is_ok() {
            self.answered.fetch_add(1, Ordering::Relaxed);
        }
        result.map_err(|error| {
            let error = StoreError::from_driver(query, error);
            self.condition.failed(&error);
            error
        })
    }
}

async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = sqlx::Result<T>> + Send,
) -> sqlx::Result<T> {
    let Some(limit) = limit else {
        return work.await;
    };
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

/// Runs one query for our own purposes. It is in the metrics, but not among the handle's queries, which
/// tests count.
pub(super) async fn observed<T>(
    query: &'static str,
    work: impl Future<Output = sqlx::Result<T>> + Send,
) -> sqlx::Result<T> {
    metrics::counter!("offpeak_store_queries_total", "query" => query).increment(1);
    let started = Instant::now();
    let result = work.await;
    metrics::histogram!("offpeak_store_query_duration_seconds", "query" => query)
        .record(started.elapsed().as_secs_f64());
    result
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::pin::pin;

    use futures_util::future::{Either, select};
    use futures_util::{StreamExt as _, stream};

    use super::*;

    #[tokio::test]
    async fn other_tasks_get_turns_while_ready_rows_are_passed_on() {
        let queries = Queries::default();
        let rows = stream::iter((0..1_000).map(Ok)).boxed();
        let mut emitted = 0;
        let emitting = queries.each("rows", rows, |row: u32| emitted += row);
        let turns = Cell::new(0);
        let others = pin!(async {
            loop {
                turns.set(turns.get() + 1);
                tokio::task::yield_now().await;
            }
        });
        let Either::Left((outcome, _)) = select(Box::pin(emitting), others).await;
        outcome.unwrap();
        assert!(turns.get() >= 1_000 / EMITTED_AT_ONCE, "{}", turns.get());
        assert_eq!(emitted, 499_500);
    }
}
