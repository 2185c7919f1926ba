//! How much an import writes in one transaction, and how it makes room for others.
//!
//! SQLite has one writer at a time and no queue: a waiting writer checks again and again, and finds
//! a gap or none. Long transactions fill the database fastest, because each writes whole pages and
//! waits for the disk once. So they grow while nobody else writes. Another writer has to wait for
//! one of them; from then on they are short, with gaps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::log::TRANSACTION_PAGES;

/// Where others write too, a transaction lasts about so long: they are to wait less than 50 ms, and
/// have to be written and synced themselves.
const SHARED: Duration = Duration::from_millis(15);
/// And leaves the lock free for this long. Waiting writers check every millisecond, if they get a
/// processor.
const GAP: Duration = Duration::from_millis(4);
/// For so long after others were met they are expected again.
const COMPANY: Duration = Duration::from_secs(10);
/// The first transaction: some 30 ms, since who else writes is not known yet.
const FIRST: usize = 1_000;
/// Fewer would wait for the disk more than they write.
const LEAST: usize = 250;
/// Some 20 MB of records on their way.
const MOST: usize = 20_000;

/// The pace of one handle.
#[derive(Debug)]
pub(super) struct WriteThrottle {
    records: AtomicUsize,
    /// How many of this process wait for the lock.
    waiting: AtomicUsize,
    met: Mutex<Met>,
}

/// One that waits for the lock, until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Observations of other writers.
#[derive(Debug, Default)]
struct Met {
    last_at: Option<Instant>,
    /// The feed's number as this handle left it.
    stamp: Option<i64>,
    /// How long one record held the lock, of the last transaction.
    each: Duration,
    /// As many records as fit into a transaction, by what the last one wrote; `None` before that.
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
    /// How many certificates the next transaction should hold.
    pub(super) fn step_records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Somebody of this process waits for the lock from now on.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(&self.waiting)
    }

    /// Others write, or wait to.
    pub(super) fn met_others(&self, now: Instant) {
        self.meet(&mut self.met(), now);
    }

    /// This commit has this number in the feed. Numbers between it and the last one are others'.
    pub(super) fn stamped(&self, stamp: i64, now: Instant) {
        let mut met = self.met();
        // The same once more was rolled back.
        if met.stamp.is_some_and(|last| stamp > last + 1) {
            self.meet(&mut met, now);
        }
        met.stamp = Some(stamp);
    }

    /// A transaction of so many certificates wrote so many pages, and held the lock for so long.
    pub(super) fn held(&self, records: usize, pages: i64, lasted: Duration, now: Instant) {
        let mut met = self.met();
        met.each = lasted / u32::try_from(records).unwrap_or(u32::MAX).max(1);
        if self.waiting.load(Ordering::Relaxed) > 0 {
            met.last_at = Some(now);
        }
        // What is written however few there are would count for much in a short one.
        if records >= LEAST {
            met.fitting = Some(fitting(records, pages));
        }
        // A short one, as a request brings it, tells nothing of longer ones.
        let grown = self.step_records().max(records.saturating_mul(2).min(MOST));
        let grown = grown.min(met.fitting.unwrap_or(MOST));
        let next = if met.is_in_company(now) {
            grown.min(met.short())
        } else {
            grown
        };
        self.records.store(next, Ordering::Relaxed);
    }

    /// Leaves the lock to others for a moment, where there are some.
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

    /// As many as hold the lock for `SHARED`.
    fn short(&self) -> usize {
        if self.each.is_zero() {
            return FIRST;
        }
        let records = SHARED.as_nanos() / self.each.as_nanos();
        usize::try_from(records).unwrap_or(MOST).clamp(LEAST, MOST)
    }
}

/// As many records as write no more pages than a transaction should, where so many wrote these.
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

    /// A pace whose transactions have grown to the longest, at 20 µs a certificate.
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
        // Short ones leave it there; however long they take, longer ones go on.
        throttle.held(10, 0, 30 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 2 * FIRST);
        assert_eq!(alone(now).step_records(), MOST);
        assert!(!alone(now).is_shared(now));
    }

    #[test]
    fn beside_others_they_are_short_until_nobody_was_met_for_a_while() {
        let now = Instant::now();
        let throttle = alone(now);
        throttle.met_others(now);
        assert!(throttle.is_shared(now));
        // 15 ms at 20 µs each.
        assert_eq!(throttle.step_records(), 750);
        // Slower ones hold fewer, and never too few.
        throttle.held(750, 0, 30 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), 375);
        throttle.held(375, 0, 300 * MILLISECOND, now);
        assert_eq!(throttle.step_records(), LEAST);
        // Faster ones hold more, by and by.
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
        // Whoever wrote before this handle was opened is not there for that.
        throttle.stamped(41, now);
        throttle.stamped(42, now);
        // Rolled back, and taken again.
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
        // A short one says nothing of that.
        throttle.held(10, 100, MILLISECOND, now);
        assert_eq!(throttle.step_records(), 4_096);
        throttle.held(4_096, 2_000, MILLISECOND, now);
        assert_eq!(throttle.step_records(), 8_192);
    }
}
