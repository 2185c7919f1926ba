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

/// Takes the write lock at the beginning, so that what is read stays true until the commit.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// How long a bulk writer waits for readers to release a full log before the store counts as busy. A
/// load of ten million certificates takes a minute; nobody waits for the bulk writer.
const BULK_PATIENCE: Duration = Duration::from_mins(5);

impl SqlTypes for SqliteStore {
    type Database = Sqlite;
    type Connection = SqliteConnection;
    type Transaction = Transaction<'static, Sqlite>;
}

impl SqliteStore {
    /// Begins the write transaction; there is one at a time. It is refused if the files were replaced,
    /// and waits while the log is full.
    pub(in crate::store) async fn write(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.queries.named("begin", self.begun(PATIENCE)).await
    }

    /// The same for bulk writers, which can wait longer.
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
            // The write lock is held, so nobody else makes the log longer.
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

    /// Commits a transaction, unless the files it was written to have been deleted or replaced.
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

    /// Does nothing: readers check the file's data version, which is as cheap as a notification would
    /// be.
    #[expect(clippy::unused_self, reason = "the other store tells other processes")]
    pub(in crate::store) fn hint(&self) {}

    /// Runs one statement in its own transaction.
    pub(in crate::store) async fn write_alone(
        &self,
        query: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<(), StoreError> {
        self.written_rows(query, statement).await.map(drop)
    }

    /// The same for a statement that may return a row.
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

    /// The same for a statement that changes a limited number of rows, repeated until it changes none.
    /// Other writers get a turn in between, and the log stays short.
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

    /// The number of this commit in the feed.
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
