//! The store in an SQLite file, or in memory: one writer and several readers in this process. Other
//! processes may use the same file.

use async_trait::async_trait;
use sqlx::SqlitePool;

use super::query::Queries;
use super::{Lease, LeaseGuard, LeaseStore, Sharing, Store, StoreError, Turn};

mod certificates;
mod connections;
mod export;
mod failures;
mod fault;
mod feed;
mod files;
mod incidents;
mod location;
mod log;
mod moves;
mod names;
mod observations;
mod polls;
mod reading;
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
    pub(super) queries: Queries,
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

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.connections.readers
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn admit(&self) -> Result<(), StoreError> {
        // Opening the file has done all of that.
        Ok(())
    }

    fn sharing(&self) -> Sharing {
        Sharing::IndexIsComplete
    }

    fn queries_run(&self) -> u64 {
        self.queries.run_so_far()
    }

    async fn hinted(&self) {
        // Checking the file's data version is as cheap as a notification would be.
        std::future::pending::<()>().await;
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
}

#[async_trait]
impl LeaseStore for SqliteStore {
    async fn take_lease(&self, _: Lease, _: Turn) -> Result<Option<LeaseGuard>, StoreError> {
        Ok(Some(LeaseGuard::alone()))
    }
}
