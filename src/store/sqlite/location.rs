//! Where an SQLite database is, and how it is opened.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::store::StoreError;

/// How long to wait for another writer, in this or another process, before the store counts as busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many rows may wait between the database's thread and ours; with enough of them, neither waits
/// for the other.
const ROWS_UNDER_WAY: usize = 1_024;

/// The place of the database.
#[derive(Debug)]
pub(in crate::store) enum Location {
    /// In a file.
    File(PathBuf),
    /// In memory, lost with the handle.
    Memory,
}

pub(super) fn options(location: &Location) -> Result<SqliteConnectOptions, StoreError> {
    let options = match location {
        Location::File(path) => SqliteConnectOptions::new()
            .filename(path)
            // `Files` creates it, once. If it is missing later, a new one would not be the same
            // database.
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal),
        Location::Memory => SqliteConnectOptions::from_str("sqlite::memory:")
            .map_err(|error| StoreError::from_driver("connect", error))?,
    };
    Ok(options
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .row_buffer_size(ROWS_UNDER_WAY)
        .synchronous(SqliteSynchronous::Full))
}
