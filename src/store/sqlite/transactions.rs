//! Transactions: how they begin, wait for each other, and end.

use std::io;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Sqlite, SqliteConnection, Transaction};

use super::SqliteStore;
use super::connections::BUSY;
use super::location::PATIENCE;
use crate::store::StoreError;
use crate::store::both::{Select, SqlTypes, Statement};

/// With the write lock from the beginning: what is read stays true until the commit.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// Readers that hold a full log are gone after this long, or the store is busy. A load of ten million
/// certificates takes a minute; who writes many rows waits for that, and nobody waits for him.
const BULK_PATIENCE: Duration = Duration::from_mins(5);

impl SqlTypes for SqliteStore {
    type Database = Sqlite;
    type Connection = SqliteConnection;
    type Transaction = Transaction<'static, Sqlite>;
}

impl SqliteStore {
    /// The one write transaction. None is begun on files other than those that the names lead to, nor
    /// on a full log.
    pub(in crate::store) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.queries.named("begin", self.begun(PATIENCE)).await
    }

    /// The same for who writes many rows, and can wait.
    pub(super) async fn write_many(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.queries.named("begin", self.begun(BULK_PATIENCE)).await
    }

    pub(super) async fn begun(
        &self,
        patience: Duration,
    ) -> sqlx::Result<Transaction<'static, Sqlite>> {
        let started = Instant::now();
        loop {
            self.connections.check()?;
            let begun = self.locked().await?;
            // With the write lock held: nobody else makes it longer.
            if self.log.has_room(self.connections.check()?).await? {
                return Ok(begun);
            }
            begun.rollback().await?;
            if started.elapsed() >= patience {
                return Err(sqlx::Error::Io(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the write-ahead log is full, and a reader holds it",
                )));
            }
            self.log.make_room().await?;
        }
    }

    async fn locked(&self) -> sqlx::Result<Transaction<'static, Sqlite>> {
        let since = Instant::now();
        let _waiting = self.throttle.waiting();
        loop {
            match self.connections.writer.begin_with(BEGIN).await {
                Err(error) if is_busy(&error) && since.elapsed() < PATIENCE => {
                    self.throttle.met_others(Instant::now());
                }
                begun => return begun,
            }
        }
    }

    /// A read transaction: one snapshot for all its queries.
    pub(in crate::store) async fn read(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.queries.named("begin", self.readers().begin()).await
    }

    /// Ends a read transaction.
    pub(in crate::store) async fn end(
        &self,
        snapshot: Transaction<'static, Sqlite>,
    ) -> Result<(), StoreError> {
        self.queries.named("commit", snapshot.commit()).await
    }

    /// Makes a transaction durable. What went into files that are not there any more is not.
    pub(in crate::store) async fn commit(
        &self,
        transaction: Transaction<'static, Sqlite>,
    ) -> Result<(), StoreError> {
        self.queries.named("commit", transaction.commit()).await?;
        let check = async { Ok(self.connections.check()?) };
        let octets = self.queries.named("files", check).await?;
        self.log.grew(octets);
        Ok(())
    }

    /// There is nobody to tell: one look at the file's data version is as cheap as a hint could be.
    #[expect(clippy::unused_self, reason = "the other store tells other processes")]
    pub(in crate::store) fn hint(&self) {}

    /// Runs one statement in a transaction of its own.
    pub(in crate::store) async fn write_alone(
        &self,
        query: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<(), StoreError> {
        self.written_rows(query, statement).await.map(drop)
    }

    /// The same with one that returns a row, or none.
    pub(in crate::store) async fn written_row<T>(
        &self,
        query: &'static str,
        statement: Select<'_, Self, T>,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let mut transaction = self.write().await?;
        let row = self.row_in(&mut transaction, query, statement).await?;
        self.commit(transaction).await?;
        Ok(row)
    }

    /// Runs one statement that nobody waits for.
    pub(in crate::store) async fn sweep(
        &self,
        query: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<(), StoreError> {
        self.write_alone(query, statement).await
    }

    async fn written_rows(
        &self,
        query: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<u64, StoreError> {
        let mut transaction = self.write().await?;
        let rows = self.run_in(&mut transaction, query, statement).await?;
        self.commit(transaction).await?;
        Ok(rows)
    }

    /// The same with a statement that changes so many rows at most, until it finds no more: others
    /// get in between, and the log stays short.
    pub(super) async fn write_in_steps(
        &self,
        query: &'static str,
        rows: u32,
        statement: impl Fn() -> Statement<'static, Self> + Send,
    ) -> Result<(), StoreError> {
        while self.written_rows(query, statement()).await? >= u64::from(rows) {
            self.log.shorten().await;
            self.throttle.yield_lock().await;
        }
        Ok(())
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
        self.throttle.stamped(stamp, Instant::now());
        Ok(stamp)
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == BUSY)
}
