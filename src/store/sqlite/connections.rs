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

/// Between two tries to open a file that another process is making: the change to WAL takes a few
/// milliseconds.
const PAUSE: Duration = Duration::from_millis(10);
/// Readers are for misses, feeds and loads: more would only compete for the same disk.
const READERS: u32 = 4;
/// 64 MiB of pages, as negative KiB: the inner pages of the indexes of 10 million certificates.
const WRITER_CACHE: &str = "-65536";
/// Makes the writer look every millisecond whether the write lock is free. By itself SQLite looks
/// ever more rarely, up to ten times a second, and most often when the next of an import's steps
/// has begun.
const LOOK_OFTEN: &str = "PRAGMA busy_timeout = 1";
/// `PATIENCE`, in milliseconds.
const WAIT_LONG: &str = "PRAGMA busy_timeout = 5000";
/// The keeper of the log holds the write lock while it waits for readers to leave the log: that
/// long at a time, and then writers get a turn.
const KEEPER_WAITS: &str = "PRAGMA busy_timeout = 100";

const ONLY_READ: &str = "PRAGMA query_only = ON";
/// `SQLITE_BUSY`.
pub(super) const BUSY: &str = "5";

/// The files that all connections have to be of, from when they are known on.
type Same = Arc<OnceLock<Files>>;

/// The connections of one handle.
#[derive(Debug)]
pub(super) struct Connections {
    /// The one that writes.
    pub(super) writer: SqlitePool,
    /// In memory the same one as `writer`.
    pub(super) readers: SqlitePool,
    /// The one that brings the log into the database; in memory there is none.
    pub(super) keeper: Option<SqlitePool>,
    files: Same,
}

impl Connections {
    /// Opens a database, makes it where there is none, and migrates it.
    pub(super) async fn open(location: &Location) -> Result<Self, StoreError> {
        match location {
            Location::File(path) => Self::of_file(location, path).await,
            Location::Memory => Self::in_memory(location).await,
        }
    }

    /// Whether the database's files are those that were opened; the octets of the log.
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
            // Not amid somebody's commit: see `Log`.
            .pragma("wal_autocheckpoint", "0");
        // The change to WAL, once in a file's life, is the one step for which SQLite does not wait
        // when another process is at it.
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
        // Nobody else sets it.
        let _ = files.set(opened);
        Ok(Self {
            writer,
            readers,
            keeper: Some(keeper),
            files,
        })
    }

    /// A database in memory is gone with its connection, which is kept whatever happens. Nothing
    /// but the end of memory ends a transaction of one.
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

/// A connection to the file, if there is one.
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

/// Where another process migrates the same file it is waited for, and not looked for it often.
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

/// A pool of connections to these files, outside of any transaction, that begin with this
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

/// Whether a connection that comes back is outside of any transaction. SQLite ends a transaction by
/// itself where the disk is full or fails; the driver's rollback has nothing to end then, fails,
/// and the driver believes ever after that the transaction goes on. Such a connection is closed,
/// and the pool opens another when it needs one.
async fn is_free(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    if !connection.is_in_transaction() {
        return Ok(true);
    }
    // The rollback of one that was dropped may still be under way: the answer to this comes after it.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

fn check(files: &Same) -> io::Result<u64> {
    files.get().map_or(Ok(0), Files::check)
}

fn failed(error: sqlx::Error) -> StoreError {
    StoreError::from_driver("connect", error)
}
