//! What can go wrong in a store.

use std::path::PathBuf;

/// A store's failure, named after the operation that met it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row that cannot be what the schema promises.
    #[error("the query {query} read a row that does not fit: {detail}")]
    Corrupt {
        /// The query's name.
        query: &'static str,
        /// The misfit.
        detail: String,
    },
    /// The database has no Citus to distribute its tables.
    #[error("the database has no citus: run CREATE EXTENSION citus in it, on each of its servers")]
    NoCitus,
    /// An SQLite file is one file.
    #[error("an SQLite database cannot be distributed")]
    NotDistributable,
    /// Processes of a version that knows of no outbox are connected.
    #[error(
        "{0} connections are of an earlier version (application name \"offpeak\"): \
         stop those processes first"
    )]
    EarlierVersion(i64),
    /// The batch was swept because it stayed open too long, or is closed already.
    #[error("batch {0} is not open")]
    NotOpen(i64),
    /// A newer binary has migrated the database.
    #[error(
        "the database is at migration {database}, this binary knows none after {binary}: \
         run a newer offpeak"
    )]
    Newer {
        /// The last migration that the database has seen.
        database: i64,
        /// The last migration that this binary knows.
        binary: i64,
    },
    /// The database did not answer, or had no connection free in time: try again later.
    #[error(
        "the database is away or busy (query {query}): {source}{}",
        said_as_pooler(source)
    )]
    Unavailable {
        /// The query's name.
        query: &'static str,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// The file of an SQLite database cannot be one.
    #[error("the SQLite database {} cannot be opened: {reason}", path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// Migrations are pending and were not asked for.
    #[error("migrations are pending: {0:?}; run `offpeak migrate` or pass --migrate")]
    PendingMigrations(Vec<String>),
    /// A migration failed.
    #[error("migration failed: {}{}", .0, said_as_pooler(.0))]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The query itself failed.
    #[error("the query {query} failed: {source}{}", said_as_pooler(source))]
    Query {
        /// The query's name.
        query: &'static str,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// The URL names no store. It is not shown: it may hold a password.
    #[error("the database's URL is none of sqlite:PATH and postgres://…: {0}")]
    Url(String),
}

/// What to do about an error that only a transaction pooler gives.
fn said_as_pooler(error: &impl std::fmt::Display) -> &'static str {
    let said = error.to_string();
    let by_pooler = said.contains("unsupported startup parameter")
        || said.contains("prepared statement") && !said.contains("syntax");
    if by_pooler {
        "; is this a pooler? then say where the database itself is, as `?direct=HOST:PORT` in the URL"
    } else {
        ""
    }
}

impl StoreError {
    /// Whether the database cannot be reached or does not serve yet, and nothing says that it is
    /// not the one that is configured or that it does not let us in.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        // 28: it refuses who we say we are; 3D: it has no such database.
        let refused = |code: String| code.starts_with("28") || code.starts_with("3D");
        matches!(self, Self::Unavailable { .. }) && !self.code().is_some_and(refused)
    }

    /// A row that others take away and put back, or a number that they take, faster than it can be read.
    pub(super) const fn contested(query: &'static str) -> Self {
        Self::Unavailable {
            query,
            source: sqlx::Error::RowNotFound,
        }
    }

    /// The driver's error, sorted by what a caller can do about it.
    pub(super) fn from_driver(query: &'static str, source: sqlx::Error) -> Self {
        match source {
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::ColumnIndexOutOfBounds { .. } => Self::Corrupt {
                query,
                detail: source.to_string(),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::Protocol(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::WorkerCrashed => Self::Unavailable { query, source },
            sqlx::Error::Database(ref database)
                if database.code().is_some_and(|code| {
                    passes_by_itself(&code) || code == INTERNAL && is_node_away(database.message())
                }) =>
            {
                Self::Unavailable { query, source }
            }
            source => Self::Query { query, source },
        }
    }

    /// The error's code, as the database gave it.
    pub(super) fn code(&self) -> Option<String> {
        match self {
            Self::Query { source, .. } | Self::Unavailable { source, .. } => source
                .as_database_error()
                .and_then(sqlx::error::DatabaseError::code)
                .map(std::borrow::Cow::into_owned),
            _ => None,
        }
    }
}

/// `internal_error`: the code of a distributed database that has lost one of its own servers, if
/// that server could not report an error itself.
const INTERNAL: &str = "XX000";

/// Whether an internal error with these words is about a server that is away.
fn is_node_away(message: &str) -> bool {
    let words = [
        "connection not open",
        "connection to the remote node",
        "could not connect to",
        "could not find any healthy",
        "failure on connection",
        "no connection to the server",
        "server closed the connection",
    ];
    words.iter().any(|words| message.contains(words))
}

/// Whether an error with this code says that the database is away, busy or full, and not that the
/// query is wrong.
fn passes_by_itself(code: &str) -> bool {
    // A PostgreSQL SQLSTATE has five characters. 08: connection; 28 and 3D: it lets nobody in, as
    // while it is being restored; 40: deadlock, serialization; 53: out of connections, disk or
    // memory; 55P03: lock timeout; 57: shutdown, cancelled; 25006: failed over to a standby;
    // 58: system error.
    if code.len() == 5 {
        return ["08", "25006", "28", "3D", "40", "53", "55P03", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // An SQLite code is a number, extended codes keep the cause in the low byte. 5: busy;
    // 6: locked; 7: out of memory; 8: read-only; 10: I/O; 13: full; 14: cannot open; 15: others
    // were always faster to lock the log.
    code.parse::<i32>()
        .is_ok_and(|code| [5, 6, 7, 8, 10, 13, 14, 15].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_busy_database_from_a_wrong_query() {
        for code in [
            "57P01", "57P03", "53300", "08006", "3D000", "28P01", "40P01", "53100", "25006", "5",
            "517", "13", "778", "8", "1032",
        ] {
            assert!(passes_by_itself(code), "{code}");
        }
        for code in ["42P01", "23505", "22021", "1", "19", "1555", "11", "26"] {
            assert!(!passes_by_itself(code), "{code}");
        }
    }

    #[test]
    fn a_lost_server_of_a_distributed_database_is_away_and_an_error_of_ours_is_not() {
        for message in [
            "connection to the remote node postgres@worker-2:5432 failed",
            "failure on connection marked as essential: worker-1:5432",
            "server closed the connection unexpectedly",
        ] {
            assert!(is_node_away(message), "{message}");
        }
        assert!(!is_node_away(
            "duplicate key value violates unique constraint"
        ));
        assert!(!is_node_away("cannot push down this subquery"));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("code {0}")]
    struct Coded(&'static str);

    impl sqlx::error::DatabaseError for Coded {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> sqlx::error::ErrorKind {
            sqlx::error::ErrorKind::Other
        }
    }

    #[test]
    fn tells_an_absent_database_from_one_that_refuses_us() {
        let coded = |code| {
            let source = sqlx::Error::Database(Box::new(Coded(code)));
            StoreError::from_driver("connect", source)
        };
        // Starting up, in recovery, shutting down, full of connections.
        for code in ["57P03", "57P01", "57P02", "53300", "08006"] {
            assert!(coded(code).is_absence(), "{code}");
        }
        // A wrong password, nobody of that name, no such database, a wrong query.
        for code in ["28P01", "28000", "3D000", "42P01"] {
            assert!(!coded(code).is_absence(), "{code}");
        }
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(StoreError::from_driver("connect", refused.into()).is_absence());
        assert!(!StoreError::PendingMigrations(Vec::new()).is_absence());
    }
}
