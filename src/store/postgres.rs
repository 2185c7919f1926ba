//! The store in PostgreSQL, shared by any number of processes.

use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, PgPool, Transaction,
};

use super::query::Queries;
use super::{
    BatchKey, Change, ClosedBatch, Closing, FeedPosition, ImportProgress, Learned, Migrations,
    Move, Publication, Registered, Registration, Sharing, Store, StoreError, StoredRebalance,
    Succession, migrate,
};
use crate::domain::ca::CaName;
use crate::domain::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::hash::HashKey;
use crate::domain::incident::Incident;
use crate::domain::observation::Observation;
use crate::domain::table::StoredTable;
use crate::domain::time::{Span, Timestamp};

mod certificates;
mod feed;
mod incidents;
mod learned;
mod moves;
mod observations;
mod polls;
mod publications;
mod rebalances;
mod successors;
mod tables;

/// How long to wait for a free connection, and for the answer to a query that a client waits for,
/// before the store is away.
const PATIENCE: Duration = Duration::from_secs(5);
/// Of the 100 connections that PostgreSQL takes by default: room for several replicas.
const CONNECTIONS: u32 = 10;
/// A connection that rested this long is asked whether it lives before it is used.
const TRUSTED: Duration = Duration::from_secs(1);

/// The store in PostgreSQL.
#[derive(Debug)]
pub(super) struct PostgresStore {
    queries: Queries,
    pool: PgPool,
}

/// A connection outside the pool.
pub(super) async fn connection(url: &str) -> Result<PgConnection, StoreError> {
    let failed = |error| StoreError::from_driver("connect", error);
    let connecting = options(url)?;
    tokio::time::timeout(PATIENCE, connecting.connect())
        .await
        .map_err(|_| failed(sqlx::Error::PoolTimedOut))?
        .map_err(failed)
}

fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options =
        PgConnectOptions::from_str(url).map_err(|error| StoreError::Url(error.to_string()))?;
    Ok(match options.get_application_name() {
        Some(_) => options,
        None => options.application_name("offpeak"),
    })
}

/// Gives up on a query that a client waits for, when the database has stopped without a word.
async fn hurried<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}

impl PostgresStore {
    pub(super) async fn open(url: &str, migrations: Migrations) -> Result<Self, StoreError> {
        let mut migrating = connection(url).await?;
        migrate::postgres(&mut migrating, migrations).await?;
        let failed = |error| StoreError::from_driver("connect", error);
        migrating.close().await.map_err(failed)?;
        let pool = PgPoolOptions::new()
            .acquire_timeout(PATIENCE)
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .before_acquire(|connection, state| {
                Box::pin(async move {
                    if state.idle_for > TRUSTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // A process that hangs in a transaction would hold back every reader of the feed, and
            // one that waits for a lock would hold a connection.
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection
                        .execute(
                            "SET idle_in_transaction_session_timeout = '60s'; \
                             SET lock_timeout = '10s'",
                        )
                        .await
                        .map(drop)
                })
            })
            .connect_with(options(url)?)
            .await
            .map_err(failed)?;
        Ok(Self {
            queries: Queries::default(),
            pool,
        })
    }

    async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, StoreError> {
        self.begun("begin", "BEGIN").await
    }

    /// A read transaction: one snapshot for all its queries.
    async fn snapshot(&self) -> Result<Transaction<'static, sqlx::Postgres>, StoreError> {
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        self.begun("begin_snapshot", begin).await
    }

    /// Begins a transaction in a task of its own: a caller that is gone before the answer comes
    /// would leave its connection amid a transaction that nobody knows of, and whoever got that
    /// connection next would write what is never committed. The task brings the transaction to
    /// its beginning, and so to its end.
    async fn begun(
        &self,
        query: &'static str,
        statement: &'static str,
    ) -> Result<Transaction<'static, sqlx::Postgres>, StoreError> {
        let pool = self.pool.clone();
        let task = tokio::spawn(async move { pool.begin_with(statement).await });
        let begin = async { task.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)) };
        self.queries.named(query, begin).await
    }

    /// Makes a transaction durable.
    async fn commit(
        &self,
        transaction: Transaction<'static, sqlx::Postgres>,
    ) -> Result<(), StoreError> {
        self.queries.named("commit", transaction.commit()).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    fn sharing(&self) -> Sharing {
        Sharing::AskOnMiss
    }

    fn queries_run(&self) -> u64 {
        self.queries.run_so_far()
    }

    async fn hash_key(&self) -> Result<HashKey, StoreError> {
        self.read_hash_key().await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.queries
            .named("ping", hurried(sqlx::query("SELECT 1").execute(&self.pool)))
            .await
            .map(drop)
    }

    async fn register(
        &self,
        registration: Registration<'_>,
    ) -> Result<Vec<Registered>, StoreError> {
        self.write_registration(registration).await
    }

    async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, StoreError> {
        self.read_certificate(id).await
    }

    async fn certificates_after(
        &self,
        after: Option<&CertId>,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read_certificates_after(after, limit).await
    }

    async fn remove(&self, ids: &[CertId]) -> Result<u64, StoreError> {
        self.delete_certificates(ids).await
    }

    async fn purge_expired(
        &self,
        before: Timestamp,
        limit: u32,
        ca_of: &(dyn for<'a> Fn(&'a KeyIdentifier) -> CaName + Send + Sync),
    ) -> Result<u64, StoreError> {
        self.delete_expired(before, limit, ca_of).await
    }

    async fn succeed(&self, id: &CertId, successor: &Successor) -> Result<Succession, StoreError> {
        self.write_successor(id, successor).await
    }

    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError> {
        self.clear_successor(id).await
    }

    async fn table(&self, number: i64) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read_table(number).await
    }

    async fn import_progress(
        &self,
        sha256: &[u8; 32],
    ) -> Result<Option<ImportProgress>, StoreError> {
        self.read_import_progress(sha256).await
    }

    async fn forget_file(&self, sha256: &[u8; 32]) -> Result<bool, StoreError> {
        self.delete_file(sha256).await
    }

    async fn closed_batch(&self, key: &BatchKey) -> Result<Option<ClosedBatch>, StoreError> {
        self.read_closed_batch(key).await
    }

    async fn open_batch(&self, now: Timestamp) -> Result<i64, StoreError> {
        self.insert_open_batch(now).await
    }

    async fn append_batch(&self, batch: i64, rows: &[Observation]) -> Result<(), StoreError> {
        self.insert_into_batch(batch, rows).await
    }

    async fn close_batch(
        &self,
        batch: i64,
        key: Option<&BatchKey>,
        closed: &ClosedBatch,
        now: Timestamp,
    ) -> Result<Closing, StoreError> {
        self.update_batch_closed(batch, key, closed, now).await
    }

    async fn create_incident(&self, incident: &Incident) -> Result<i64, StoreError> {
        self.insert_incident(incident).await
    }

    async fn update_incident(
        &self,
        incident: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write_incident(incident, seen_at).await
    }

    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.read_incidents().await
    }

    async fn add_incident_certificates(
        &self,
        incident: i64,
        ids: &[CertId],
    ) -> Result<u64, StoreError> {
        self.insert_incident_certificates(incident, ids).await
    }

    async fn incident_certificates_after(
        &self,
        incident: i64,
        after: Option<&CertId>,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read_incident_certificates_after(incident, after, limit)
            .await
    }

    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        after: Option<&CertId>,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read_certificates_with_windows_in(span, now, after, limit)
            .await
    }

    async fn move_windows(
        &self,
        tables: &[StoredTable],
        moves: &[Move],
    ) -> Result<u64, StoreError> {
        self.write_windows(tables, moves).await
    }

    async fn note_polls(&self, records: &[(u128, u64)], now: Timestamp) -> Result<(), StoreError> {
        self.upsert_polls(records, now).await
    }

    async fn sweep_polls(&self, before: Timestamp) -> Result<(), StoreError> {
        self.delete_polls(before).await
    }

    async fn learned(&self) -> Result<Vec<Learned>, StoreError> {
        self.read_learned().await
    }

    async fn set_learned(&self, learned: &Learned, now: Timestamp) -> Result<(), StoreError> {
        self.upsert_learned(learned, now).await
    }

    async fn sweep_tables(&self, now: Timestamp) -> Result<(), StoreError> {
        self.delete_tables(now).await
    }

    async fn sweep_observations(
        &self,
        observed_before: Timestamp,
        opened_before: Timestamp,
        keys_before: Timestamp,
    ) -> Result<(), StoreError> {
        self.delete_stale(observed_before, opened_before, keys_before)
            .await
    }

    async fn load(
        &self,
        observed_from: Timestamp,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        self.tell_everything(observed_from, tell).await
    }

    async fn changes(
        &self,
        since: FeedPosition,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        self.tell_changes(since, tell).await
    }

    async fn begin_rebalance(
        &self,
        ca: &CaName,
        made_at: Timestamp,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        self.insert_rebalance(ca, made_at, unless_since).await
    }

    async fn finish_rebalance(&self, number: i64, body: &str) -> Result<(), StoreError> {
        self.update_rebalance(number, body).await
    }

    async fn rebalances(&self, limit: u32) -> Result<Vec<StoredRebalance>, StoreError> {
        self.read_rebalances(limit).await
    }

    async fn rebalance(&self, number: i64) -> Result<Option<StoredRebalance>, StoreError> {
        self.read_rebalance(number).await
    }

    async fn publish(
        &self,
        publication: &Publication,
        unless_since: Option<Timestamp>,
    ) -> Result<Option<i64>, StoreError> {
        self.insert_publication(publication, unless_since).await
    }

    async fn document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read_document(path).await
    }

    async fn publication_after(&self, after: i64) -> Result<Option<Publication>, StoreError> {
        self.read_publication_after(after).await
    }
}
