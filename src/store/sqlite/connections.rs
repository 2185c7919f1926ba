//! How connections are opened, and which of them may return to their pool.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Executor as _, SqliteConnection, SqlitePool};

use super::fault;
use super::files::Files;
use super::location::{Location, PATIENCE, options};
use crate::store::{StoreError, migrate};

/// The pause between two attempts to open a file that another process is creating; changing it to WAL
/// takes a few milliseconds.
const PAUSE: Duration = Duration::from_millis(10);
/// The most readers. They serve index misses, feeds and loads; more would only compete for the same
/// disk.
const READERS: u32 = 4;
/// 64 MiB of pages, as negative KiB: enough for the inner pages of the indexes of 10 million
/// certificates.
const WRITER_CACHE: &str = "-65536";
/// Makes the writer check every millisecond whether the write lock is free. SQLite itself waits longer
/// and longer, up to a tenth of a second, and would often miss the gaps between the transactions of an
/// import.
const LOOK_OFTEN: &str = "PRAGMA busy_timeout = 1";
/// `PATIENCE`, in milliseconds.
const WAIT_LONG: &str = "PRAGMA busy_timeout = 5000";
/// How long the connection that shortens the log waits, in milliseconds, with the write lock held, for
/// readers to release the log. After that, other writers get a turn.
const KEEPER_WAITS: &str = "PRAGMA busy_timeout = 100";

const ONLY_READ: &str = "PRAGMA query_only = ON";
/// `SQLITE_BUSY`.
pub(super) const BUSY: &str = "5";

/// The files that all connections must have open, once they are known.
type Same = Arc<OnceLock<Files>>;

/// The connections of one store handle.
#[derive(Debug)]
pub(super) struct Connections {
    /// The connection that writes.
    pub(super) writer: SqlitePool,
    /// The readers; in memory the same as `writer`.
    pub(super) readers: SqlitePool,
    /// The connection that copies the log into the database; none in memory.
    pub(super) keeper: Option<SqlitePool>,
    files: Same,
}

impl Connections {
    /// Opens a database, creates it if it does not exist, and migrates it.
    pub(super) async fn open(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::File(path) => Self::of_file(location, path).await,
            Location::Memory => Self::in_memory(location).await,
        }
    }

    /// Checks that the database's files are those that were opened; returns the length of the log in
    /// bytes.
    pub(super) fn check(&self) -> io::Result<u64> {
        check(&self.files)
    }

    /// The folder of the database's files.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.files.get().and_then(Files::folder)
    }

    async fn of_file(location: &Location, path: &Path) -> Result<Self, StoreError> {
        Files::prepare(path).map_err(|error| failed(error.into()))?;
        let files = Same::default();
        let writing = options(location)?
            .pragma("cache_size", WRITER_CACHE)
            // The log is not copied during commits; see `Log`.
            .pragma("wal_autocheckpoint", "0");
        // The change to WAL happens once in a file's life. It is the one step for which SQLite does not
        // wait if another process is doing it.
        let started = Instant::now();
        let writer = loop {
            let pool = of(&files, LOOK_OFTEN).max_connections(1);
            match pool.connect_with(writing.clone()).await.map_err(failed) {
                Err(error)
                    if error.code().as_deref() == Some(BUSY) && started.elapsed() < PATIENCE =>
                {
                    tokio::time::sleep(PAUSE).await;
                }
                opened => break opened?,
            }
        };
        migrated(&writer).await?;
        let open = async |pool: SqlitePoolOptions, options: SqliteConnectOptions| {
            pool.connect_with(options).await.map_err(failed)
        };
        let keeper = of(&files, KEEPER_WAITS).max_connections(1);
        let keeper = open(keeper, writing).await?;
        let readers = of(&files, ONLY_READ).max_connections(READERS);
        let readers = open(readers, options(location)?).await?;
        let opened = Files::of_open(path).map_err(|error| failed(error.into()))?;
        // It is set only here.
        let _ = files.set(opened);
        Ok(Self {
            writer,
            readers,
            keeper: Some(keeper),
            files,
        })
    }

    /// A database in memory is lost with its connection, which is therefore never closed. Its
    /// transactions cannot be ended by a failing disk.
    async fn in_memory(location: &Location) -> Result<Self, StoreError> {
        let writer = pool().max_connections(1);
        let writer = writer
            .connect_with(options(location)?)
            .await
            .map_err(failed)?;
        migrated(&writer).await?;
        Ok(Self {
            readers: writer.clone(),
            writer,
            keeper: None,
            files: Same::default(),
        })
    }
}

/// A connection to an existing file; `None` if there is none.
pub(in crate::store) async fn existing(
    location: &Location,
) -> Result<Option<SqliteConnection>, StoreError> {
    let Location::File(path) = location else {
        return Ok(None);
    };
    if !tokio::fs::try_exists(path).await.unwrap_or(true) {
        return Ok(None);
    }
    options(location)?
        .connect()
        .await
        .map(Some)
        .map_err(|error| fault::explained(location, StoreError::from_driver("connect", error)))
}

/// If another process is migrating the same file, waits for it, checking less often.
async fn migrated(writer: &SqlitePool) -> Result<(), StoreError> {
    let mut connection = writer.acquire().await.map_err(failed)?;
    connection.execute(WAIT_LONG).await.map_err(failed)?;
    migrate::sqlite(&mut connection).await?;
    connection.execute(LOOK_OFTEN).await.map_err(failed)?;
    Ok(())
}

fn pool() -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
}

/// A pool of connections to these files, outside of any transaction, each beginning with this
/// statement.
fn of(files: &Same, first: &'static str) -> SqlitePoolOptions {
    let files = Arc::clone(files);
    pool()
        .after_connect(move |connection, _| {
            let files = Arc::clone(&files);
            Box::pin(async move {
                connection.execute(first).await?;
                check(&files)?;
                Ok(())
            })
        })
        .after_release(|connection, _| Box::pin(is_free(connection)))
}

/// Whether a returned connection is outside of any transaction. SQLite ends a transaction by itself if
/// the disk is full or fails. Then the driver's rollback fails, and the driver assumes from then on
/// that the transaction continues. Such a connection is closed, and the pool opens another when needed.
async fn is_free(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // A dropped transaction may still be rolling back; the answer to a ping comes after that.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

fn check(files: &Same) -> io::Result<u64> {
    files.get().map_or(Ok(0), Files::check)
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::from_driver("connect", error)
}
