//! The store in PostgreSQL, shared by any number of processes.

use std::sync::atomic::AtomicBool;

use async_trait::async_trait;
use sqlx::Connection as _;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::OnceCell;

use super::query::Queries;
use super::{Migrations, Sharing, Store, StoreError, migrate};

mod again;
mod certificates;
mod columns;
mod copy;
mod distribute;
mod export;
mod failures;
mod feed;
mod hints;
mod incidents;
mod leases;
mod location;
mod moves;
mod names;
mod observations;
mod outbox;
mod pages;
mod polls;
mod pool;
mod reaching;
mod reading;
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
    pub(super) queries: Queries,
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
        self.hints.received().await;
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
}
