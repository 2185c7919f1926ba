//! The errors of a store.

use std::path::PathBuf;

/// An error of a store. It names the query that failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row that does not match the schema.
    #[error("the query {query} read a row that does not fit: {detail}")]
    Corrupt {
        /// The name of the query.
        query: &'static str,
        /// What does not match.
        detail: String,
    },
    /// The database has no Citus, so its tables cannot be distributed.
    #[error("the database has no citus: run CREATE EXTENSION citus in it, on each of its servers")]
    NoCitus,
    /// An SQLite database is one file, which cannot be distributed.
    #[error("an SQLite database cannot be distributed")]
    NotDistributable,
    /// Processes of a version without the outbox are connected.
    #[error(
        "{0} connections are of an earlier version (application name \"offpeak\"): \
         stop those processes first"
    )]
    EarlierVersion(i64),
    /// The batch is closed already, or was removed because it stayed open too long.
    #[error("batch {0} is not open")]
    NotOpen(i64),
    /// The database was migrated by a newer version of offpeak.
    #[error(
        "the database is at migration {database}, this binary knows none after {binary}: \
         run a newer offpeak"
    )]
    Newer {
        /// The last migration applied to the database.
        database: i64,
        /// The last migration that this binary has.
        binary: i64,
    },
    /// The database did not answer, or had no free connection in time: try again later.
    #[error(
        "the database is away or busy (query {query}): {source}{}",
        said_as_pooler(source)
    )]
    Unavailable {
        /// The name of the query.
        query: &'static str,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// This file cannot be an SQLite database.
    #[error("the SQLite database {} cannot be opened: {reason}", path.display())]
    Path {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// Migrations are pending, and applying them was not asked for.
    #[error("migrations are pending: {0:?}; run `offpeak migrate` or pass --migrate")]
    PendingMigrations(Vec<String>),
    /// A migration failed.
    #[error("migration failed: {}{}", .0, said_as_pooler(.0))]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The query failed.
    #[error("the query {query} failed: {source}{}", said_as_pooler(source))]
    Query {
        /// The name of the query.
        query: &'static str,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// The URL is not that of a store. It is not shown, because it may contain a password.
    #[error("the database's URL is none of sqlite:PATH and postgres://…: {0}")]
    Url(String),
}

/// Advice for errors that only a transaction pooler causes.
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
    /// Whether the database cannot be reached or does not serve yet. Errors about a wrong database, or
    /// refused credentials, do not count.
    #[must_use]
    pub fn is_absence(&self) -> bool {
        // 28: credentials refused; 3D: no such database.
        let refused = |code: String| code.starts_with("28") || code.starts_with("3D");
        matches!(self, Self::Unavailable { .. }) && !self.code().is_some_and(refused)
    }

    /// The error of a row that others keep removing and adding, or a number that they keep taking,
    /// while it is read.
    pub(super) const fn contested(query: &'static str) -> Self {
        Self::Unavailable {
            query,
            source: sqlx::Error::RowNotFound,
        }
    }

    /// Classifies the driver's error by what a caller can do about it.
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

    /// The error code of the database.
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

/// `internal_error`: the code of a distributed database that has lost one of its servers, if that
/// server could not report an error itself.
const INTERNAL: &str = "XX000";

/// Whether an internal error with this message is about a server that is unavailable.
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

/// Whether an error with this code means that the database is unavailable, busy or full, so that the
/// query may succeed later.
fn passes_by_itself(code: &str) -> bool {
    // A PostgreSQL SQLSTATE has five characters. 08: connection; 28 and 3D: nobody is let in, as during
    // a restore; 40: deadlock, serialization; 53: out of connections, disk or memory; 55P03: lock
    // timeout; 57: shutdown, cancelled; 25006: failed over to a standby; 58: system error.
    if code.len() == 5 {
        return ["08", "25006", "28", "3D", "40", "53", "55P03", "57", "58"]
            .iter()
            .any(|class| code.starts_with(class));
    }
    // An SQLite code is a number; extended codes have the cause in the low byte. 5: busy; 6: locked; 7:
    // out of memory; 8: read-only; 10: I/O; 13: full; 14: cannot open; 15: others always locked the log
    // first.
    code.parse::<i32>()
        .is_ok_and(|code| [5, 6, 7, 8, 10, 13, 14, 15].contains(&(code & 0xff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_database_is_distinguished_from_a_wrong_query() {
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
    fn an_absent_database_is_distinguished_from_one_that_refuses_us() {
        let coded = |code| {
            let source = sqlx::Error::Database(Box::new(Coded(code)));
            StoreError::from_driver("connect", source)
        };
        // Starting up, in recovery, shutting down, full of connections.
        for code in ["57P03", "57P01", "57P02", "53300", "08006"] {
            assert!(coded(code).is_absence(), "{code}");
        }
        // A wrong password, no such user, no such database, a wrong query.
        for code in ["28P01", "28000", "3D000", "42P01"] {
            assert!(!coded(code).is_absence(), "{code}");
        }
        let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
        assert!(StoreError::from_driver("connect", refused.into()).is_absence());
        assert!(!StoreError::PendingMigrations(Vec::new()).is_absence());
    }
}
