//! The store in one SQLite file, or in memory: one writer and several readers in this process,
//! and other processes beside it.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::query::Queries;
use super::{
    BatchKey, Change, ClosedBatch, Closing, FeedPosition, IdRange, ImportProgress, Learned, Lease,
    LeaseGuard, Load, Move, Publication, Registered, Registration, Sharing, Store, StoreError,
    StoredRebalance, Succession, Turn,
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
mod connections;
mod cuts;
mod delivery;
mod export;
mod fault;
mod feed;
mod files;
mod gateway;
mod incidents;
mod learned;
mod location;
mod log;
mod moves;
mod names;
mod observations;
mod planned;
mod polls;
mod publications;
mod rebalances;
mod recovery;
mod replica;
mod source;
mod successors;
mod tables;
mod transactions;
mod write_throttle;

pub(super) use connections::existing;
pub(super) use location::Location;

use connections::Connections;
use log::Log;
use write_throttle::WriteThrottle;

/// The store in SQLite.
#[derive(Debug)]
pub(super) struct SqliteStore {
    queries: Queries,
    connections: Connections,
    throttle: WriteThrottle,
    log: Log,
}

impl SqliteStore {
    pub(super) async fn open(location: &Location) -> Result<Self, StoreError> {
        let connections = Connections::open(location)
            .await
            .map_err(|error| fault::explained(location, error))?;
        Ok(Self {
            queries: Queries::default(),
            log: Log::of(&connections),
            connections,
            throttle: WriteThrottle::default(),
        })
    }

    fn readers(&self) -> &SqlitePool {
        &self.connections.readers
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn admit(&self) -> Result<(), StoreError> {
        // Opening the file has done all.
        Ok(())
    }

    fn sharing(&self) -> Sharing {
        Sharing::IndexIsComplete
    }

    fn queries_run(&self) -> u64 {
        self.queries.run_so_far()
    }

    async fn hinted(&self) {
        // One look at the file's data version is as cheap as a hint could be.
        std::future::pending::<()>().await;
    }

    async fn take_lease(
        &self,
        _duty: Lease,
        _turn: Turn,
    ) -> Result<Option<LeaseGuard>, StoreError> {
        Ok(Some(LeaseGuard::alone()))
    }

    async fn hash_key(&self) -> Result<HashKey, StoreError> {
        self.read_hash_key().await
    }

    fn trouble(&self) -> Option<String> {
        self.known_trouble()
    }

    async fn try_again(&self) -> Result<(), StoreError> {
        self.try_to_write().await
    }

    fn step_records(&self) -> usize {
        self.throttle.step_records()
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
        self.insert_publication(publication, unless_since).await
    }

    async fn document(&self, path: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.read_document(path).await
    }

    async fn publication_after(&self, after: i64) -> Result<Option<Publication>, StoreError> {
        self.read_publication_after(after).await
    }
}
