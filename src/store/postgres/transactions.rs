//! Transactions: how they begin and end, and whether writes are accepted again.

use sqlx::postgres::PgRow;
use sqlx::{FromRow, Postgres};

use super::PostgresStore;
use super::outbox::Outbox;
use super::pool::hurried;
use super::session::{BEGIN, Sessions, Transaction, settings};
use crate::store::StoreError;
use crate::store::both::{Select, SqlTypes, Statement};

impl SqlTypes for PostgresStore {
    type Database = Postgres;
    type Connection = Transaction;
    type Transaction = Transaction;
}

impl PostgresStore {
    /// Where statements run that are not part of a transaction.
    pub(in crate::store) fn readers(&self) -> &Sessions {
        &self.pool
    }

    pub(in crate::store) async fn write(&self) -> Result<Transaction, StoreError> {
        self.begun("begin", BEGIN).await
    }

    /// Begins a write transaction for statements that find many certificates by their keys. The planner
    /// may not scan the whole table instead, and rows are locked in the order in which the keys are
    /// given.
    pub(super) async fn begin_by_key(&self) -> Result<Transaction, StoreError> {
        let begin = concat!(
            "BEGIN; ",
            settings!(),
            "; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; \
             SET LOCAL enable_seqscan = off"
        );
        self.begun("begin", begin).await
    }

    /// A read transaction: one snapshot for all its queries.
    pub(in crate::store) async fn read(&self) -> Result<Transaction, StoreError> {
        // It is idle while other connections use its snapshot: a load of ten million certificates takes
        // a minute.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                     SET LOCAL idle_in_transaction_session_timeout = '10min'";
        self.begun("begin_snapshot", begin).await
    }

    /// Begins a transaction in a task of its own. If the caller is dropped before the answer arrives,
    /// its connection would be left in a transaction that nobody knows of, and the next user's writes
    /// would never be committed. The task completes the beginning, so that the transaction is then
    /// rolled back.
    async fn begun(
        &self,
        query: &'static str,
        statement: &'static str,
    ) -> Result<Transaction, StoreError> {
        let pool = self.pool.clone();
        let begin = async {
            let task = tokio::spawn(async move { pool.begin(statement).await });
            task.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
        };
        self.queries.named(query, hurried(begin)).await
    }

    /// Commits a transaction.
    pub(in crate::store) async fn commit(
        &self,
        transaction: Transaction,
    ) -> Result<(), StoreError> {
        self.queries.named("commit", transaction.commit()).await
    }

    /// Ends a read transaction.
    pub(in crate::store) async fn end(&self, snapshot: Transaction) -> Result<(), StoreError> {
        self.commit(snapshot).await
    }

    /// Appends the transaction's changes to the outbox, commits it, and notifies other processes.
    pub(super) async fn commit_changes(
        &self,
        mut transaction: Transaction,
        outbox: &Outbox,
    ) -> Result<(), StoreError> {
        self.append(&mut transaction, outbox).await?;
        self.commit(transaction).await?;
        self.hint();
        Ok(())
    }

    /// Notifies other processes that something was written.
    pub(in crate::store) fn hint(&self) {
        self.hints.notify();
    }

    /// Runs one statement, which is a transaction of its own.
    pub(in crate::store) async fn write_alone(
        &self,
        name: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<(), StoreError> {
        let written = statement.execute(&self.pool);
        self.queries.named(name, written).await.map(drop)
    }

    /// The same for a statement that may return a row.
    pub(in crate::store) async fn written_row<T>(
        &self,
        name: &'static str,
        statement: Select<'_, Self, T>,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        self.row(name, statement).await
    }

    /// Runs one statement that may take minutes.
    pub(in crate::store) async fn sweep(
        &self,
        name: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<(), StoreError> {
        let swept = statement.execute(&self.pool);
        self.queries.at_leisure(name, swept).await.map(drop)
    }

    /// After writes have failed, tests whether they succeed again. It writes a row of 128 KiB that
    /// cannot be compressed, so that files have to grow, and rolls it back.
    pub(super) async fn try_to_write(&self) -> Result<(), StoreError> {
        let condition = self.queries.condition();
        if condition.trouble().is_none() {
            return Ok(());
        }
        let mut transaction = self.write().await?;
        let insert = sqlx::query(
            "INSERT INTO learned (ca, name, body, learned_at)
             SELECT '', 'write again', string_agg(gen_random_uuid()::text, ''), 0
             FROM generate_series(1, 3640)",
        );
        self.run_in(&mut transaction, "write_again", insert).await?;
        self.rollback(transaction).await?;
        condition.recovered();
        tracing::info!(event = "database_writable");
        Ok(())
    }
}
