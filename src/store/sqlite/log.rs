//! The write-ahead log: copying its content into the database, and keeping it short.
//!
//! By default SQLite does that in the commit that finds the log too long, which takes some tenths of
//! a second: a single registration would have to wait for the log of an import. Here it is done between
//! commits, by a separate connection and without the write lock. Bulk writers wait for it, so that the
//! log stays short.
//!
//! That alone does not limit its length. The log can restart only when all of it is in the database
//! and no reader uses it; under steady writing that does not happen by itself. So when the log is full,
//! all writers wait until it has been emptied, which is done with the write lock held.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::sync::Mutex;

use super::connections::Connections;
use crate::store::query::observed;

/// The bytes of a page in the log: 4 KiB and a header.
const FRAME_OCTETS: u64 = 4_096 + 24;
/// The most pages that one transaction should write: 32 MiB. A bulk registration chooses the size of
/// each step by the pages that its last steps wrote. Steps with a fixed number of rows stay near the
/// limit even if each row is on pages of its own: 10,000 observations, one index of which is in a
/// different order, take about 10,500.
pub(super) const TRANSACTION_PAGES: i64 = 8_192;
/// If the log grew by less than this many pages (1 MiB) within `CALM_AFTER`, emptying it disturbs
/// nobody.
const CALM_PAGES: i64 = 256;
const CALM_AFTER: Duration = Duration::from_secs(1);
/// How often copying is tried. The log restarts only if all of it is in the database. During the first
/// pass others write only a few pages, so the second takes milliseconds.
const PASSES: u32 = 2;

/// The limits of the log's length.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// With this many pages, the log is copied into the database.
    long_pages: i64,
    /// With this many pages, no transaction begins.
    full_pages: i64,
    /// A file longer than this is truncated when little is written.
    kept_octets: u64,
}

impl Limits {
    /// Copying begins at 40 MiB: then a bulk import writes each hot page once, instead of ten times
    /// with SQLite's default of 4 MiB. Another transaction of 32 MiB fits before the log is full at 72
    /// MiB. The last transaction that began before that writes at most 11,000 pages (see
    /// `TRANSACTION_PAGES`), so the file stays below 128 MB: (18,432 + 11,000) · 4,120 bytes = 121 MB.
    const USUAL: Self = Self {
        long_pages: 10_240,
        full_pages: 18_432,
        kept_octets: 4 << 20,
    };

    const fn full_octets(self) -> u64 {
        self.full_pages.unsigned_abs() * FRAME_OCTETS
    }
}

/// The log of a file; none in memory.
#[derive(Debug)]
pub(super) struct Log(Option<Arc<Tended>>);

#[derive(Debug)]
struct Tended {
    keeper: SqlitePool,
    limits: Limits,
    /// Held while the log is shortened or emptied.
    turn: Mutex<()>,
    /// Whether a task waits for a calm moment.
    waits: AtomicBool,
}

impl Log {
    /// A database in memory has no log.
    pub(super) fn of(connections: &Connections) -> Self {
        Self::limited(connections, Limits::USUAL)
    }

    fn limited(connections: &Connections, limits: Limits) -> Self {
        Self(connections.keeper.clone().map(|keeper| {
            Arc::new(Tended {
                keeper,
                limits,
                turn: Mutex::default(),
                waits: AtomicBool::new(false),
            })
        }))
    }

    /// To be called after writing, with the length of the log's file. Shortens the log if it is long,
    /// and truncates a long file at the next calm moment. Does not wait.
    pub(super) fn grew(&self, octets: u64) {
        let Some(tended) = &self.0 else {
            return;
        };
        if octets > tended.limits.kept_octets {
            tended.cut_when_calm();
        }
        if octets >= tended.limits.long_pages.unsigned_abs() * FRAME_OCTETS {
            let tended = Arc::clone(tended);
            tokio::spawn(async move {
                if let Ok(_turn) = tended.turn.try_lock() {
                    tended.shorten().await;
                }
            });
        }
    }

    /// Shortens the log if it is long.
    pub(super) async fn shorten(&self) {
        if let Some(tended) = &self.0 {
            let _turn = tended.turn.lock().await;
            tended.shorten().await;
        }
    }

    /// Whether a transaction may begin with this length of the log's file. The file keeps its length
    /// when the log restarts.
    pub(super) async fn has_room(&self, octets: u64) -> sqlx::Result<bool> {
        match &self.0 {
            Some(tended) if octets >= tended.limits.full_octets() => {
                Ok(tended.state().await?.pages < tended.limits.full_pages)
            }
            _ => Ok(true),
        }
    }

    /// Copies all of a full log into the database and restarts it, if no reader uses it.
    pub(super) async fn make_room(&self) -> sqlx::Result<()> {
        let Some(tended) = &self.0 else {
            return Ok(());
        };
        let _turn = tended.turn.lock().await;
        // Another task may have done it in the meantime.
        if tended.state().await?.pages >= tended.limits.full_pages {
            tended.checkpoint("PRAGMA wal_checkpoint(RESTART)").await?;
        }
        Ok(())
    }

    /// Copies as much as possible into the database, and truncates the file if no reader uses it.
    pub(super) async fn empty(&self) -> sqlx::Result<()> {
        match &self.0 {
            Some(tended) => {
                let _turn = tended.turn.lock().await;
                tended.empty().await
            }
            None => Ok(()),
        }
    }

    /// How many pages are in the log; 0 if there is none.
    pub(super) async fn pages(&self) -> i64 {
        match &self.0 {
            Some(tended) => tended.state().await.map_or(0, |state| state.pages),
            None => 0,
        }
    }
}

impl Tended {
    /// An error here loses nothing: the next call tries again.
    async fn shorten(&self) {
        for _ in 0..PASSES {
            match self.state().await {
                Ok(state) if self.is_long(state) => {}
                _ => return,
            }
            let brought = self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").await;
            if brought.is_err() {
                return;
            }
        }
    }

    const fn is_long(&self, state: State) -> bool {
        state.pages >= self.limits.long_pages && state.brought < state.pages
    }

    /// First without the write lock, so that little is left to do with it.
    async fn empty(&self) -> sqlx::Result<()> {
        self.checkpoint("PRAGMA wal_checkpoint(PASSIVE)").await?;
        self.checkpoint("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        Ok(())
    }

    /// Truncates the file as soon as hardly anything is written. There is at most one such task; it
    /// ends with the store.
    fn cut_when_calm(self: &Arc<Self>) {
        if self.waits.swap(true, Ordering::AcqRel) {
            return;
        }
        let tended = Arc::downgrade(self);
        tokio::spawn(async move {
            let mut before = None;
            loop {
                tokio::time::sleep(CALM_AFTER).await;
                let Some(tended) = tended.upgrade() else {
                    return;
                };
                if !matches!(tended.cut(&mut before).await, Ok(false)) {
                    tended.waits.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }

    /// Truncates the file if the log has hardly grown since `before`; returns whether that is done.
    async fn cut(&self, before: &mut Option<i64>) -> sqlx::Result<bool> {
        let pages = self.state().await?.pages;
        let grown = before.replace(pages).map(|before| pages - before);
        if !grown.is_some_and(|grown| (0..CALM_PAGES).contains(&grown)) {
            return Ok(false);
        }
        let _turn = self.turn.lock().await;
        self.empty().await?;
        Ok(self.state().await?.pages < CALM_PAGES)
    }

    async fn state(&self) -> sqlx::Result<State> {
        self.asked("log_length", "PRAGMA wal_checkpoint(NOOP)")
            .await
    }

    async fn checkpoint(&self, pragma: &'static str) -> sqlx::Result<State> {
        self.asked("checkpoint", pragma).await
    }

    async fn asked(&self, query: &'static str, pragma: &'static str) -> sqlx::Result<State> {
        let row = sqlx::query_as::<_, (i64, i64, i64)>(pragma).fetch_one(&self.keeper);
        let (_, pages, brought) = observed(query, row).await?;
        Ok(State { pages, brought })
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct State {
    /// Pages in the log.
    pages: i64,
    /// Pages of these that are in the database, too.
    brought: i64,
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Instant;

    use super::super::{SqliteStore, WriteThrottle};
    use super::*;
    use crate::domain::demand::observation::{Kind, Observation, Source};
    use crate::domain::time::Timestamp;
    use crate::store::query::Queries;
    use crate::store::sqlite::location::Location;
    use crate::store::{BatchStore as _, ObservationStore as _};

    /// A thirty-second of the usual limits: copied at 1.3 MB, full at 2.4 MB.
    const SMALL: Limits = Limits {
        long_pages: 320,
        full_pages: 576,
        kept_octets: 128 << 10,
    };
    /// A step of 1,000 observations of about 110 bytes, with indexes twice that: less than 80 pages.
    const STEP: usize = 1_000;
    const STEP_PAGES: i64 = 80;
    const HANGS_AFTER: Duration = Duration::from_secs(90);

    async fn store(folder: &Path) -> SqliteStore {
        let location = Location::File(folder.join("log.db"));
        let connections = Connections::open(&location).await.unwrap();
        SqliteStore {
            queries: Queries::default(),
            log: Log::limited(&connections, SMALL),
            connections,
            throttle: WriteThrottle::default(),
        }
    }

    fn log_octets(folder: &Path) -> u64 {
        let log: PathBuf = folder.join("log.db-wal");
        log.metadata().unwrap().len()
    }

    fn observations(from: i64) -> Vec<Observation> {
        let step = i64::try_from(STEP).unwrap();
        let one = |n| {
            let at = Timestamp::from_unix(1_794_787_200 + n * 60);
            Observation::plain(at, Source::Ca, Kind::Issued, 1)
        };
        (from..from + step).map(one).collect()
    }

    async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + HANGS_AFTER;
        while !is_so() {
            assert!(Instant::now() < deadline, "not yet: {what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_log_stays_short_under_parallel_uploads_and_is_cut_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(store(folder.path()).await);
        let uploads: Vec<_> = (0..4)
            .map(|upload| {
                let (store, folder) = (Arc::clone(&store), folder.path().to_owned());
                tokio::spawn(async move {
                    let now = Timestamp::from_unix(1_794_787_200);
                    let batch = store.open_batch(now).await.unwrap();
                    let mut longest = 0;
                    for step in 0..20 {
                        let rows = observations(upload * 20_000 + step * 1_000);
                        store.append_batch(batch, &rows).await.unwrap();
                        longest = longest.max(log_octets(&folder));
                    }
                    longest
                })
            })
            .collect();
        let mut longest = 0;
        for upload in uploads {
            longest = longest.max(upload.await.unwrap());
        }
        // Without emptying, 80 steps would take 5 MB or more.
        let most = (SMALL.full_pages + STEP_PAGES).unsigned_abs() * FRAME_OCTETS;
        assert!(longest <= most, "{longest} octets of at most {most}");
        until("the log is cut", || {
            log_octets(folder.path()) <= SMALL.kept_octets
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_reader_that_holds_the_log_makes_writers_wait() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(store(folder.path()).await);
        let batch = store.open_batch(Timestamp::from_unix(0)).await.unwrap();
        let mut reader = store.read().await.unwrap();
        sqlx::query("SELECT commits FROM feed")
            .execute(&mut *reader)
            .await
            .unwrap();
        let writing = tokio::spawn({
            let store = Arc::clone(&store);
            async move {
                for step in 0..60 {
                    let rows = observations(step * 1_000);
                    store.append_batch(batch, &rows).await.unwrap();
                }
            }
        });
        let full = SMALL.full_pages.unsigned_abs() * FRAME_OCTETS;
        until("the log is full", || log_octets(folder.path()) >= full).await;
        // A writer that waits for no time gets an error.
        let refused = store.begun(Duration::ZERO).await.unwrap_err();
        assert!(refused.to_string().contains("log is full"), "{refused}");
        let most = (SMALL.full_pages + STEP_PAGES).unsigned_abs() * FRAME_OCTETS;
        assert!(log_octets(folder.path()) <= most);
        assert!(!writing.is_finished());
        store.end(reader).await.unwrap();
        writing.await.unwrap();
        assert!(log_octets(folder.path()) <= most);
    }
}
