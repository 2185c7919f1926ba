//! Connections: opening them, checking them before and after use, and giving them up if the database
//! has stopped answering. A database that hangs, or is behind a network that drops all packets, returns
//! no errors, so only a time limit shows it.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _,
};

use super::location::Location;
use super::session::{Pooling, Sessions};
use crate::store::StoreError;

/// The application name of connections from versions without the outbox.
const EARLIER: &str = "offpeak";

/// How long to wait for a free connection, and for the answer to a query that a client waits for,
/// before the store counts as unavailable.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long any query, or its next row, may take. A step of 10,000 rows takes some tenths of a second;
/// a lock is waited for at most 10 s.
pub(super) const QUERY_AT_MOST: Duration = Duration::from_secs(20);
/// A connection that was idle for this long is checked before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// … and is given up if it does not answer within this time, so that within [`PATIENCE`] four dead ones
/// can be replaced.
/// are got out of the way.
const PROBED: Duration = Duration::from_secs(1);

/// The pool of a store; it connects when a connection is needed.
pub(super) fn pool(location: &Location) -> Sessions {
    let pooling = location.pooling;
    let pool = PgPoolOptions::new()
        .acquire_timeout(PATIENCE)
        .max_connections(location.connections)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for > TRUSTED {
                    within(PROBED, connection.ping()).await?;
                }
                Ok(true)
            })
        })
        // The driver checks a returned connection and waits without limit, so those whose database has
        // stopped would never leave the pool.
        .after_release(|connection, _| {
            Box::pin(async move {
                within(PATIENCE, is_in_step(connection))
                    .await
                    .or_else(|error| match error {
                        // An answer of another form belongs to another query.
                        sqlx::Error::ColumnDecode { .. }
                        | sqlx::Error::ColumnIndexOutOfBounds { .. } => Ok(false),
                        error => Err(error),
                    })
            })
        })
        // The same limits that transactions set for themselves, for statements outside of transactions.
        // Not behind a pooler, where they would stay with the next client of the server's connection.
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if pooling == Pooling::ByTransaction {
                    return Ok(());
                }
                connection
                    .execute(
                        "SET idle_in_transaction_session_timeout = '60s'; \
                         SET lock_timeout = '10s'",
                    )
                    .await
                    .map(drop)
            })
        })
        .connect_lazy_with(location.pooled.clone());
    Sessions { pool, pooling }
}

/// Checks that a connection answers the statement it was sent, outside of any transaction. If its last
/// user was dropped during a COPY, it takes the answer to an earlier statement for that to the next,
/// and an insert would get another statement's count. So it is asked for a number that no earlier
/// answer contains. Within a transaction, `now()` does not change. The check uses the simple protocol,
/// in which a statement is one message; in the extended protocol each of several messages has its own
/// time, and the transaction has that of the first.
async fn is_in_step(connection: &mut PgConnection) -> sqlx::Result<bool> {
    let number: i64 = rand::random();
    let question = format!("SELECT {number}::bigint WHERE now() = statement_timestamp()");
    let answer = sqlx::raw_sql(AssertSqlSafe(question))
        .fetch_optional(connection)
        .await?;
    let answer: Option<i64> = answer.map(|row| row.try_get(0)).transpose()?;
    Ok(answer == Some(number))
}

/// A connection outside the pool.
pub(in crate::store) async fn connection(
    options: &PgConnectOptions,
) -> Result<PgConnection, StoreError> {
    within(PATIENCE, options.connect())
        .await
        .map_err(|error| StoreError::from_driver("connect", error))
}

/// How many connections to this database are from versions without the outbox.
pub(in crate::store) async fn earlier_connections(
    connection: &mut PgConnection,
) -> Result<i64, StoreError> {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = $1",
    )
    .bind(EARLIER)
    .fetch_one(connection)
    .await
    .map_err(|error| StoreError::from_driver("earlier_connections", error))
}

/// Gives up if work that a client waits for takes too long.
pub(super) async fn hurried<T>(work: impl Future<Output = sqlx::Result<T>>) -> sqlx::Result<T> {
    within(PATIENCE, work).await
}

/// The same for several queries together. It is then not known whether they succeeded: the client has
/// to ask again.
pub(super) async fn hurried_step<T>(
    query: &'static str,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(result) => result,
        Err(elapsed) => {
            let source = sqlx::Error::Io(elapsed.into());
            Err(StoreError::from_driver(query, source))
        }
    }
}

pub(super) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(result) => result,
        Err(elapsed) => Err(sqlx::Error::Io(elapsed.into())),
    }
}
