//! Runs statements in a session or behind a transaction pooler (PgBouncer's `pool_mode = transaction`).
//! Behind such a pooler, two statements outside of a transaction may use two connections, and so may
//! the preparation of a statement and its execution. So each is put into a transaction, and none is
//! prepared under a name, which might belong to another program.

use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr};

/// The settings of every transaction that writes, sent in the message that begins it. They limit how
/// long a process that hangs can hold locks, and how long a process that waits for a lock can hold a
/// connection. They also mark the transaction as one that appends to the outbox itself, so that the
/// triggers of `0003_outbox` do not.
macro_rules! settings {
    () => {
        "SET LOCAL idle_in_transaction_session_timeout = '60s'; SET LOCAL lock_timeout = '10s'; \
         SET LOCAL offpeak.outbox = 'told'"
    };
}
pub(super) use settings;

/// Begins a transaction that writes.
pub(super) const BEGIN: &str = concat!("BEGIN; ", settings!());

/// What a connection of the pool belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pooling {
    /// To a session of the database.
    BySession,
    /// To one transaction.
    ByTransaction,
}

/// The pool of a store.
#[derive(Clone, Debug)]
pub(in crate::store) struct Sessions {
    pub(super) pool: PgPool,
    pub(super) pooling: Pooling,
}

/// A transaction of this session; rolled back if it is dropped.
#[derive(Debug)]
pub(in crate::store) struct Transaction {
    inner: sqlx::Transaction<'static, Postgres>,
    pooling: Pooling,
}

type Step = Either<PgQueryResult, PgRow>;

impl Sessions {
    /// Begins a transaction with this statement.
    pub(super) async fn begin(
        &self,
        statement: impl sqlx::SqlSafeStr,
    ) -> sqlx::Result<Transaction> {
        Ok(Transaction {
            inner: self.pool.begin_with(statement).await?,
            pooling: self.pooling,
        })
    }
}

impl Transaction {
    /// The connection, for other uses than queries.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.inner
    }

    pub(super) async fn commit(self) -> sqlx::Result<()> {
        self.inner.commit().await
    }

    pub(in crate::store) async fn rollback(self) -> sqlx::Result<()> {
        self.inner.rollback().await
    }

    pub(super) fn into_inner(self) -> sqlx::Transaction<'static, Postgres> {
        self.inner
    }
}

impl<'c> Executor<'c> for &'c Sessions {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.pooling == Pooling::BySession {
            return self.pool.fetch_many(query);
        }
        stream::once(async move {
            let mut transaction = self.begin(BEGIN).await?;
            // All at once, because the rows end before the transaction does.
            let steps: Vec<Step> = transaction.fetch_many(query).try_collect().await?;
            transaction.commit().await?;
            Ok::<_, sqlx::Error>(stream::iter(steps.into_iter().map(Ok)))
        })
        .try_flatten()
        .boxed()
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        if self.pooling == Pooling::BySession {
            return self.pool.fetch_optional(query);
        }
        Box::pin(async move {
            let mut transaction = self.begin(BEGIN).await?;
            let row = transaction.fetch_optional(query).await?;
            transaction.commit().await?;
            Ok(row)
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.pool.prepare_with(sql, parameters)
    }
}

impl<'c> Executor<'c> for &'c mut Transaction {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Step>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.pooling {
            Pooling::BySession => self.inner.fetch_many(query),
            Pooling::ByTransaction => self.inner.fetch_many(Unnamed(query)),
        }
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        match self.pooling {
            Pooling::BySession => self.inner.fetch_optional(query),
            Pooling::ByTransaction => self.inner.fetch_optional(Unnamed(query)),
        }
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.inner.prepare_with(sql, parameters)
    }
}

/// A query that is prepared without a name.
struct Unnamed<E>(E);

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Unnamed<E> {
    fn sql(self) -> SqlStr {
        self.0.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.0.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.0.take_arguments()
    }

    fn persistent(&self) -> bool {
        false
    }
}
