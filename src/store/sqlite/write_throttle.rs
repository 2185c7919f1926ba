//! How much an import writes in one transaction, and how it lets other writers in.
//!
//! SQLite has one writer at a time and no queue: a waiting writer checks again and again whether the
//! lock is free. Long transactions are the fastest for an import, because each writes whole pages and
//! waits for the disk once. So they grow while there are no other writers. Another writer may have to
//! wait for one long transaction; from then on they are short, with gaps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::log::TRANSACTION_PAGES;

/// The length of a transaction if there are other writers. They should wait less than 50 ms, and their
/// own writing and syncing is included in that.
const SHARED: Duration = Duration::from_millis(15);
/// How long the lock is left free. Waiting writers check every millisecond, if they get a processor.
const GAP: Duration = Duration::from_millis(4);
/// How long other writers are expected again after they were noticed.
const COMPANY: Duration = Duration::from_secs(10);
/// The records of the first transaction: about 30 ms, because it is not known yet who else writes.
const FIRST: usize = 1_000;
/// The fewest records: with fewer, waiting for the disk takes longer than writing.
const LEAST: usize = 250;
/// The most records: about 20 MB in memory.
const MOST: usize = 20_000;

/// The throttle of one store handle.
#[derive(Debug)]
pub(super) struct WriteThrottle {
    records: AtomicUsize,
    /// How many tasks of this process wait for the lock.
    waiting: AtomicUsize,
    met: Mutex<Met>,
}

/// A task that waits for the lock, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What is known of other writers and of the last transactions.
#[derive(Debug, Default)]
struct Met {
    last_at: Option<Instant>,
    /// The number in the feed after this handle's last commit.
    stamp: Option<i64>,
    /// How long one record of the last transaction held the lock.
    each: Duration,
    /// How many records fit into a transaction, judged by the last one; `None` before that.
    fitting: Option<usize>,
}

impl Default for WriteThrottle {
    fn default() -> Self {
        Self {
            records: AtomicUsize::new(FIRST),
            waiting: AtomicUsize::new(0),
            met: Mutex::default(),
        }
    }
}

impl WriteThrottle {
    /// How many certificates the next transaction should contain.
    pub(super) fn step_records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Records that a task of this process waits for the lock.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Records that others write, or wait to.
    pub(super) fn met_others(&self, now: Instant) {
        self.meet(&mut self.met(), now);
    }

    /// Records the number of a commit in the feed. Numbers between it and the last one are those of
    /// other writers.
    pub(super) fn stamped(&self, stamp: i64, now: Instant) {
        let mut met = self.met();
        // The same number again means that the last commit was rolled back.
        if met.stamp.is_some_and(|last| stamp > last + 1) {
            self.meet(&mut met, now);
        }
        met.stamp = Some(stamp);
    }

    /// Records that a transaction of this many certificates wrote this many pages and held the lock for
    /// this long.
    pub(super) fn held(&self, records: usize, pages: i64, lasted: Duration, now: Instant) {
        let mut met = self.met();
        met.each = lasted / u32::try_from(records).unwrap_or(u32::MAX).max(1);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            met.last_at = Some(now);
        }
        // In a short transaction, the costs that do not depend on the number of records would distort
        // the time per record.
        if records >= LEAST {
            met.fitting = Some(fitting(records, pages));
        }
        // A short transaction, as for one request, says nothing about longer ones.
        let grown = self.step_records().max(records.saturating_mul(2).min(MOST));
        let grown = grown.min(met.fitting.unwrap_or(MOST));
        let next = if met.is_in_company(now) {
            grown.min(met.short())
        } else {
            grown
        };
        self.records.store(next, Ordering::Relaxed);
    }

    /// If there are other writers, leaves the lock free for a moment.
    pub(super) async fn yield_lock(&self) {
        if self.is_shared(Instant::now()) {
            tokio::time::sleep(GAP).await;
        }
    }

    fn is_shared(&self, now: Instant) -> bool {
        self.met().is_in_company(now)
    }

    fn meet(&self, met: &mut Met, now: Instant) {
        met.last_at = Some(now);
        self.records.fetch_min(met.short(), Ordering::Relaxed);
    }

    fn met(&self) -> MutexGuard<'_, Met> {
        self.met.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Met {
    fn is_in_company(&self, now: Instant) -> bool {
        self.last_at
            .is_some_and(|at| now.saturating_duration_since(at) < COMPANY)
    }

    /// How many records hold the lock for `SHARED`.
    fn short(&self) -> usize {
        if self.each.is_zero() {
            return FIRST;
        }
        let records = SHARED.as_nanos() / self.each.as_nanos();
        usize::try_from(records).unwrap_or(MOST).clamp(LEAST, MOST)
    }
}

/// How many records write as many pages as a transaction should, if so many wrote these.
fn fitting(records: usize, pages: i64) -> usize {
    let most = TRANSACTION_PAGES.unsigned_abs();
    let pages = pages.unsigned_abs().max(1);
    let fitting = u64::try_from(records)
        .unwrap_or(u64::MAX)
        .saturating_mul(most)
        / pages;
    usize::try_from(fitting).unwrap_or(MOST).clamp(LEAST, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// A throttle whose transactions have grown to the longest, at 20 µs a certificate.
    fn alone(now: Instant) -> WriteThrottle {
        let throttle = WriteThrottle::default();
        while throttle.step_records() < MOST {
            let records = throttle.step_records();
            throttle.held(records, 0, 20 * MILLISECOND / 1_000 * count(records), now);
        }
        throttle
    }

    fn count(records: usize) -> u32 {
        u32::try_from(records).unwrap()
    }

    #[test]
    fn transactions_grow_while_nobody_else_writes() {
        let now = Instant::now();
        let throttle = WriteThrottle::default();
        assert_eq!(throttle.step_records(), FIRST);
        throttle.held(FIRST, 0, 30 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 2 * FIRST);
        // Short transactions do not change the size, however long they take; longer ones do.
        throttle.held(10, 0, 30 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 2 * FIRST);
        assert_eq!(alone(now).step_records(), MOST);
        assert!(!alone(now).is_shared(now));
    }

    #[test]
    fn with_other_writers_transactions_are_short_until_there_are_none() {
        let now = Instant::now();
        let throttle = alone(now);
        throttle.met_others(now);
        assert!(throttle.is_shared(now));
        // 15 ms at 20 µs each.
        assert_eq!(throttle.step_records(), 750);
        // Slower ones contain fewer records, but never too few.
        throttle.held(750, 0, 30 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 375);
        throttle.held(375, 0, 300 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), LEAST);
        // Faster ones gradually contain more.
        throttle.held(250, 0, 2 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 500);
        let later = now + COMPANY;
        assert!(!throttle.is_shared(later));
        throttle.held(500, 0, 100 * MILLISECOND, later);
        assert_eq!(throttle.step_records(), 1_000);
    }

    #[test]
    fn whoever_waits_in_this_process_is_met_when_a_transaction_ends() {
        let now = Instant::now();
        let throttle = alone(now);
        let waiting = throttle.waiting();
        throttle.held(MOST, 0, 20 * MILLISECOND, now);
        assert!(throttle.is_shared(now));
        drop(waiting);
        let later = now + COMPANY;
        throttle.held(MOST, 0, 20 * MILLISECOND, later);
        assert!(!throttle.is_shared(later));
    }

    #[test]
    fn numbers_that_are_missing_in_the_feed_are_others() {
        let now = Instant::now();
        let throttle = WriteThrottle::default();
        // Writers before this handle was opened do not count.
        throttle.stamped(41, now);
        throttle.stamped(42, now);
        // Rolled back, and the number is used again.
        throttle.stamped(42, now);
        assert!(!throttle.is_shared(now));
        throttle.stamped(44, now);
        assert!(throttle.is_shared(now));
    }

    #[test]
    fn records_that_write_many_pages_are_fewer() {
        let now = Instant::now();
        let throttle = alone(now);
        // Each on two pages of its own, as in a large database.
        throttle.held(MOST, 40_000, 20 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 4_096);
        // A short transaction says nothing about that.
        throttle.held(10, 100, MILLISECOND, now);
        assert_eq!(throttle.step_records(), 4_096);
        throttle.held(4_096, 2_000, MILLISECOND, now);
        assert_eq!(throttle.step_records(), 8_192);
    }
}
