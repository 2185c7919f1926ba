//! Transactions: how they begin, wait for each other, and end.

use std::time::Instant;

use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use super::{BUSY, PATIENCE, SqliteStore};
use crate::store::StoreError;

/// With the write lock from the beginning: what is read stays true until the commit.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// Makes the writer look every millisecond whether the write lock is free. By itself SQLite looks
/// ever more rarely, up to ten times a second, and most often when the next of an import's steps
/// has begun.
pub(super) async fn look_often(writer: &SqlitePool) -> sqlx::Result<()> {
    sqlx::query("PRAGMA busy_timeout = 1")
        .execute(writer)
        .await
        .map(drop)
}

impl SqliteStore {
    /// The one write transaction.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.queries.named("begin", self.begun()).await
    }

    async fn begun(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        let since = Instant::now();
        let _waiting = self.pace.waiting();
        loop {
            match self.writer.begin_with(BEGIN).await {
                Err(error) if is_busy(&error) && since.elapsed() < PATIENCE => {
                    self.pace.met_others(Instant::now());
                }
                begun => return begun,
            }
        }
    }

    /// A read transaction: one snapshot for all its queries.
    pub(super) async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.queries.named("begin", self.readers.begin()).await
    }

    /// Makes a transaction durable.
    pub(super) async fn commit(
        &self,
        transaction: Transaction<'static, Sqlite>,
    ) -> Result<(), StoreError> {
        self.queries.named("commit", transaction.commit()).await?;
        self.log.grew();
        Ok(())
    }

    /// Runs one statement in a transaction of its own.
    pub(super) async fn write_alone(
        &self,
        query: &'static str,
        statement: Query<'_, Sqlite, SqliteArguments>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.write().await?;
        self.queries
            .named(query, statement.execute(&mut *transaction))
            .await?;
        self.commit(transaction).await
    }

    /// This commit's number in the feed.
    pub(super) async fn stamp(&self, connection: &mut SqliteConnection) -> Result<i64, StoreError> {
        let stamp = sqlx::query_scalar(
            "UPDATE feed SET commits = commits + 1 WHERE only_row = 1 RETURNING commits",
        );
        let stamp = self
            .queries
            .named("feed_stamp", stamp.fetch_one(connection))
            .await?;
        self.pace.stamped(stamp, Instant::now());
        Ok(stamp)
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == BUSY)
}
