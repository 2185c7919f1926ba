//! The store in PostgreSQL, shared by any number of processes.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

use super::query::Queries;
use super::{
    BatchKey, Change, ClosedBatch, Closing, FeedPosition, IdRange, ImportProgress, Learned, Lease,
    LeaseGuard, Load, Migrations, Move, Publication, Registered, Registration, Sharing, Store,
    StoreError, StoredRebalance, Succession, Turn, migrate,
};
use crate::domain::allocation::table::StoredTable;
use crate::domain::certificate::certid::{CertId, KeyIdentifier};
use crate::domain::certificate::hash::HashKey;
use crate::domain::certificate::{Certificate, Successor};
use crate::domain::demand::observation::Observation;
use crate::domain::moves::incident::Incident;
use crate::domain::policy::ca::CaName;
use crate::domain::time::{Span, Timestamp};

mod certificates;
mod columns;
mod copy;
mod delivery;
mod distribute;
mod export;
mod feed;
mod gateway;
mod hints;
mod incidents;
mod learned;
mod leases;
mod location;
mod moves;
mod names;
mod observations;
mod outbox;
mod pages;
mod planned;
mod polls;
mod pool;
mod publications;
mod reaching;
mod reading;
mod rebalances;
mod replica;
mod scan;
mod servers;
mod session;
mod source;
mod successors;
mod tables;
mod transactions;

pub(super) use distribute::{distribute, require_citus};
use hints::ChangeNotifier;
pub(super) use location::Location;
use pool::{QUERY_AT_MOST, pool};
pub(super) use pool::{connection, earlier_connections};
use servers::Servers;
use session::Sessions;

/// The store in PostgreSQL.
#[derive(Debug)]
pub(super) struct PostgresStore {
    queries: Queries,
    hints: ChangeNotifier,
    pool: Sessions,
    options: PgConnectOptions,
    migrations: Migrations,
    /// Filled when the schema was found to be as it has to be.
    admitted: OnceCell<()>,
    /// Whether the last rows to be inserted met some that were there: the next ones probably will,
    /// and copying them would be in vain.
    meets_known: AtomicBool,
    servers: Servers,
}

impl PostgresStore {
    /// A store that has asked nothing yet, and runs no query before it was admitted.
    pub(super) fn at(url: &str, migrations: Migrations) -> Result<Self, StoreError> {
        let location = Location::parse(url)?;
        let (pool, options) = (pool(&location), location.direct);
        Ok(Self {
            queries: Queries::limited(QUERY_AT_MOST),
            hints: ChangeNotifier::new(pool.clone(), options.clone()),
            pool,
            options,
            migrations,
            admitted: OnceCell::new(),
            meets_known: AtomicBool::new(false),
            servers: Servers::default(),
        })
    }

    /// In a task of its own: a migration that was begun goes on where nobody waits for it any more.
    async fn check(&self) -> Result<(), StoreError> {
        let (options, migrations) = (self.options.clone(), self.migrations);
        let failed = |error| StoreError::from_driver("connect", error);
        let checking = tokio::spawn(async move {
            let mut connection = connection(&options).await?;
            migrate::postgres(&mut connection, migrations, QUERY_AT_MOST).await?;
            connection.close().await.map_err(failed)
        });
        let crashed = |_| Err(failed(sqlx::Error::WorkerCrashed));
        checking.await.unwrap_or_else(crashed)?;
        self.queries.open();
        self.look_for_servers().await
    }

    /// Tells other processes that something was written.
    fn told<T>(&self, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
        if outcome.is_ok() {
            self.hints.say();
        }
        outcome
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn admit(&self) -> Result<(), StoreError> {
        self.admitted
            .get_or_try_init(|| self.check())
            .await
            .copied()
    }

    fn sharing(&self) -> Sharing {
        Sharing::AskOnMiss
    }

    fn queries_run(&self) -> u64 {
        self.queries.run_so_far()
    }

    async fn hinted(&self) {
        self.hints.heard().await;
    }

    async fn take_lease(&self, duty: Lease, turn: Turn) -> Result<Option<LeaseGuard>, StoreError> {
        self.lock_lease(duty, turn).await
    }

    async fn hash_key(&self) -> Result<HashKey, StoreError> {
        self.read_hash_key().await
    }

    fn trouble(&self) -> Option<String> {
        self.queries.condition().trouble().map(str::to_owned)
    }

    fn away(&self) -> Option<&'static str> {
        self.servers.away()
    }

    async fn try_again(&self) -> Result<(), StoreError> {
        self.reach_servers().await?;
        self.try_to_write().await
    }

    fn step_records(&self) -> usize {
        columns::ROWS
    }

    async fn register(
        &self,
        registration: Registration<'_>,
    ) -> Result<Vec<Registered>, StoreError> {
        self.told(self.write_registration(registration).await)
    }

    async fn certificate(&self, id: &CertId) -> Result<Option<Certificate>, StoreError> {
        self.read_certificate(id).await
    }

    async fn certificates(&self, ids: &[CertId]) -> Result<Vec<Certificate>, StoreError> {
        self.read_certificates(ids).await
    }

    async fn cuts(&self, parts: u32) -> Result<Vec<CertId>, StoreError> {
        self.read_cuts(parts).await
    }

    async fn certificates_in(
        &self,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read_certificates_in(range, limit).await
    }

    async fn remove(&self, ids: &[CertId]) -> Result<u64, StoreError> {
        self.told(self.delete_certificates(ids).await)
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
        self.told(self.write_successor(id, successor).await)
    }

    async fn unsucceed(&self, id: &CertId) -> Result<Option<bool>, StoreError> {
        self.told(self.clear_successor(id).await)
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
        self.told(self.delete_file(sha256).await)
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
        self.told(self.update_batch_closed(batch, key, closed, now).await)
    }

    async fn create_incident(&self, incident: &Incident) -> Result<i64, StoreError> {
        self.told(self.insert_incident(incident).await)
    }

    async fn update_incident(
        &self,
        incident: &Incident,
        seen_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.told(self.write_incident(incident, seen_at).await)
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

    async fn incident_certificates_in(
        &self,
        incident: i64,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read_incident_certificates_in(incident, range, limit)
            .await
    }

    async fn certificates_with_windows_in(
        &self,
        span: Span,
        now: Timestamp,
        range: &IdRange,
        limit: u32,
    ) -> Result<Vec<Certificate>, StoreError> {
        self.read_certificates_with_windows_in(span, now, range, limit)
            .await
    }

    async fn move_windows(
        &self,
        tables: &[StoredTable],
        moves: &[Move],
    ) -> Result<u64, StoreError> {
        self.told(self.write_windows(tables, moves).await)
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
        what: Load,
        observed_from: Timestamp,
        tell: &mut (dyn FnMut(Change) + Send),
    ) -> Result<FeedPosition, StoreError> {
        self.tell_all(what, observed_from, tell).await
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
        self.told(self.insert_publication(publication, unless_since).await)
    }

    async fn document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read_document(path).await
    }

    async fn publication_after(&self, after: i64) -> Result<Option<Publication>, StoreError> {
        self.read_publication_after(after).await
    }
}
