//! The write-ahead log, and bringing what is in it into the database.
//!
//! SQLite would do that amid the commit that finds the log long, which takes some tenths of a second:
//! a single registration beside an import would pay for the import's log. Here it is done beside the
//! commits, by a reader's connection and without the write lock. Who writes many rows waits for it,
//! so that the log stays short.

use std::sync::Arc;

use sqlx::SqlitePool;
use tokio::sync::Mutex;

use crate::store::query::observed;

/// 16,384 pages of 4 KiB: a bulk import that checkpoints every 64 MiB instead of every 4 writes
/// each hot page once where it would write it many times.
const LONG_PAGES: i64 = 16_384;
/// The log begins anew only where all of it is in the database. What others wrote meanwhile is a few
/// pages, and the second pass takes milliseconds.
const PASSES: u32 = 2;

/// The log of a file.
#[derive(Debug)]
pub(super) struct Log(Option<Tended>);

#[derive(Clone, Debug)]
struct Tended {
    readers: SqlitePool,
    /// One at a time.
    turn: Arc<Mutex<()>>,
}

impl Log {
    /// A database in memory has none.
    pub(super) const fn none() -> Self {
        Self(None)
    }

    pub(super) fn of_file(readers: SqlitePool) -> Self {
        let turn = Arc::default();
        Self(Some(Tended { readers, turn }))
    }

    /// Something was written: the log is shortened where it is long, and nobody waits.
    pub(super) fn grew(&self) {
        let Some(tended) = self.0.clone() else {
            return;
        };
        tokio::spawn(async move {
            if let Ok(_turn) = tended.turn.try_lock() {
                tended.shorten().await;
            }
        });
    }

    /// Shortens the log where it is long.
    pub(super) async fn shorten(&self) {
        if let Some(tended) = &self.0 {
            let _turn = tended.turn.lock().await;
            tended.shorten().await;
        }
    }
}

impl Tended {
    /// What fails here has lost nothing: the next one tries again.
    async fn shorten(&self) {
        for _ in 0..PASSES {
            let Ok(state) = self
                .asked("log_length", "PRAGMA wal_checkpoint(NOOP)")
                .await
            else {
                return;
            };
            if !state.is_long() || self.checkpoint().await.is_err() {
                return;
            }
        }
    }

    async fn checkpoint(&self) -> sqlx::Result<()> {
        self.asked("checkpoint", "PRAGMA wal_checkpoint(PASSIVE)")
            .await
            .map(drop)
    }

    async fn asked(&self, query: &'static str, pragma: &'static str) -> sqlx::Result<State> {
        let row = sqlx::query_as::<_, (i64, i64, i64)>(pragma).fetch_one(&self.readers);
        let (_, pages, brought) = observed(query, row).await?;
        Ok(State { pages, brought })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct State {
    /// In the log.
    pages: i64,
    /// Of those, in the database as well.
    brought: i64,
}

impl State {
    const fn is_long(self) -> bool {
        self.pages >= LONG_PAGES && self.brought < self.pages
    }
}

#[cfg(test)]
mod tests {
    use sqlx::ConnectOptions as _;
    use sqlx::sqlite::SqlitePoolOptions;

    use super::super::location::{Location, options};
    use super::*;

    #[tokio::test]
    async fn a_long_log_is_brought_into_the_database_and_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let options = options(&Location::File(folder.path().join("log.db"))).unwrap();
        let options = options.pragma("wal_autocheckpoint", "0");
        let readers = SqlitePoolOptions::new().connect_lazy_with(options.clone());
        let mut writer = options.connect().await.unwrap();
        let log = Log::of_file(readers.clone());
        let tended = log.0.as_ref().unwrap();
        let state = || tended.asked("log_length", "PRAGMA wal_checkpoint(NOOP)");
        for statement in [
            "CREATE TABLE blobs (blob BLOB)",
            "INSERT INTO blobs VALUES (zeroblob(1000000))",
        ] {
            sqlx::query(statement).execute(&mut writer).await.unwrap();
        }
        log.shorten().await;
        // Nothing is done about a short one.
        assert_eq!(state().await.unwrap().brought, 0);

        // One row of 80 MB.
        let eighty_megabytes = "INSERT INTO blobs VALUES (zeroblob(80000000))";
        sqlx::query(eighty_megabytes)
            .execute(&mut writer)
            .await
            .unwrap();
        assert!(state().await.unwrap().is_long());
        log.shorten().await;
        let brought = state().await.unwrap();
        assert!(!brought.is_long(), "{brought:?}");
        let few_pages = "INSERT INTO blobs VALUES ('')";
        sqlx::query(few_pages).execute(&mut writer).await.unwrap();
        assert!(state().await.unwrap().pages < 10);
    }
}
