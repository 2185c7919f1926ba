//! Transactions: how they begin, and end; and whether they are taken again.

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
    /// Where a statement runs that is part of no transaction.
    pub(in crate::store) fn readers(&self) -> &Sessions {
        &self.pool
    }

    pub(in crate::store) async fn write(&self) -> Result<Transaction, StoreError> {
        self.begun("begin", BEGIN).await
    }

    /// The same, for statements that touch many certificates by their keys: the planner is kept from
    /// reading the whole table instead, and rows are locked in the order in which the keys are given.
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
        // It rests while others read by it: a load of ten million takes a minute.
        let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
                     SET LOCAL idle_in_transaction_session_timeout = '10min'";
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
    ) -> Result<Transaction, StoreError> {
        let pool = self.pool.clone();
        let begin = async {
            let task = tokio::spawn(async move { pool.begin(statement).await });
            task.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
        };
        self.queries.named(query, hurried(begin)).await
    }

    /// Makes a transaction durable.
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

    /// Appends to the outbox what the transaction has changed, makes it durable, and hints at it.
    pub(super) async fn commit_told(
        &self,
        mut transaction: Transaction,
        outbox: &Outbox,
    ) -> Result<(), StoreError> {
        self.append(&mut transaction, outbox).await?;
        self.commit(transaction).await?;
        self.hint();
        Ok(())
    }

    /// Tells other processes that something was written.
    pub(in crate::store) fn hint(&self) {
        self.hints.say();
    }

    /// Runs one statement, which is a transaction.
    pub(in crate::store) async fn write_alone(
        &self,
        name: &'static str,
        statement: Statement<'_, Self>,
    ) -> Result<(), StoreError> {
        let written = statement.execute(&self.pool);
        self.queries.named(name, written).await.map(drop)
    }

    /// The same with one that returns a row, or none.
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

    /// After writes have failed, tries whether they succeed again: with a row of 128 KiB that
    /// cannot be compressed, so that files have to grow for it, and that is rolled back.
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
