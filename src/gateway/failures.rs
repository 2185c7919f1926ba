//! Orders that failed one after the other, remembered for three days and over a restart.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::sync::Cache;

use crate::domain::time::{DAY, Timestamp};
use crate::engine::Engine;
use crate::store::{Failures, StoreError};

/// For how long a failure counts after the last one.
const REMEMBERED_SECONDS: i64 = 3 * DAY;

/// An order that comes after a failure within this is no first try.
const AGAIN_WITHIN_SECONDS: i64 = DAY;

/// Accounts and sets of names whose failures are in memory, some 150 octets each: 30 MB at most. Where there
/// are more, those are forgotten that are asked for least.
const MOST_REMEMBERED: u32 = 200_000;

/// Changes that wait for the store, some 100 octets each: 10 MB at most. Further ones are in memory alone.
const MOST_CHANGED: usize = 100_000;

/// Rows that go to the store in one transaction: some 50 ms of the writer's time.
const AT_ONCE: usize = 2_000;

/// What is counted where the upstream fails without saying why.
pub(super) const SERVER_INTERNAL: &str = "urn:ietf:params:acme:error:serverInternal";

/// Whose fault it is that an order failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The client's: its names, its validation, a limit of its own.
    Client,
    /// The upstream's; or nobody knows, since whoever asked was not shown to be the account. Then the next
    /// order is a retry, and is served as it would have been.
    Other,
}

impl Fault {
    /// Whose fault an error of this type is (RFC 8555 section 6.7), where the account asked.
    pub(super) fn of(error_type: &str) -> Self {
        if error_type == SERVER_INTERNAL {
            Self::Other
        } else {
            Self::Client
        }
    }
}

/// An account and a set of names.
type Key = (u128, u128);

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Failed {
    /// By the client's fault, one after the other.
    count: u32,
    /// When the last of these failed.
    counted_at: Timestamp,
    /// When the last one failed, whosever fault it was.
    at: Timestamp,
}

/// What one gateway knows of orders that failed.
#[derive(Debug)]
pub(super) struct Memory {
    known: Cache<Key, Failed>,
    changed: Mutex<HashMap<Key, Failures>>,
    recalled: AtomicBool,
}

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            known: Cache::new(MOST_REMEMBERED.into()),
            changed: Mutex::default(),
            recalled: AtomicBool::new(false),
        }
    }

    /// How many orders of this account for these names failed one after the other, by the client's fault, the
    /// last one within three days.
    pub(super) fn count(&self, account: u128, names: u128, now: Timestamp) -> u32 {
        match self.known.get(&(account, names)) {
            Some(failed) if now - failed.counted_at < REMEMBERED_SECONDS => failed.count,
            _ => 0,
        }
    }

    /// Whether an order of this account for these names comes within a day after one that failed.
    pub(super) fn comes_again(&self, account: u128, names: u128, now: Timestamp) -> bool {
        let known = self.known.get(&(account, names));
        known.is_some_and(|failed| now - failed.at < AGAIN_WITHIN_SECONDS)
    }

    /// One more has failed.
    pub(super) fn failed(&self, account: u128, names: u128, now: Timestamp, fault: Fault) {
        let key = (account, names);
        let mut failed = self.known.get(&key).unwrap_or_default();
        failed.at = now;
        if fault == Fault::Client {
            failed.count = self.count(account, names, now).saturating_add(1);
            failed.counted_at = now;
            self.change(key, failed.count, now);
        }
        self.known.insert(key, failed);
    }

    /// One has succeeded: the next is no retry, and nothing failed before it.
    pub(super) fn succeeded(&self, account: u128, names: u128, now: Timestamp) {
        let known = self.known.remove(&(account, names));
        // Before the store was read nobody knows what it has.
        let recalled = self.recalled.load(Ordering::Relaxed);
        if !recalled || known.is_some_and(|failed| failed.count > 0) {
            self.change((account, names), 0, now);
        }
    }

    /// Hands to the store what has changed, and at first reads what is there. Where the store is away, it
    /// waits until the next time.
    pub(super) async fn hand_in(
        &self,
        engine: &Arc<Engine>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let since = now - REMEMBERED_SECONDS;
        let store = engine.store();
        if !self.recalled.load(Ordering::Relaxed) {
            let kept = store.failures_since(since, MOST_REMEMBERED).await?;
            self.recall(&kept);
            self.recalled.store(true, Ordering::Relaxed);
        }
        loop {
            let some: Vec<Failures> = self.changed().values().take(AT_ONCE).copied().collect();
            if some.is_empty() {
                return Ok(());
            }
            store.keep_failures(&some, since).await?;
            // What has changed meanwhile goes next.
            let mut changed = self.changed();
            for kept in &some {
                let key = (kept.account, kept.names);
                if changed.get(&key) == Some(kept) {
                    changed.remove(&key);
                }
            }
        }
    }

    /// Takes in what was kept before this process started: what has failed since comes on top of it.
    fn recall(&self, kept: &[Failures]) {
        for of in kept {
            let key = (of.account, of.names);
            let changed = self.changed().get(&key).copied();
            let failed = match changed {
                None => Failed {
                    count: of.count,
                    counted_at: of.at,
                    at: of.at,
                },
                // One has succeeded.
                Some(changed) if changed.count == 0 => continue,
                Some(changed) => Failed {
                    count: changed.count.saturating_add(of.count),
                    counted_at: changed.at,
                    at: changed.at,
                },
            };
            self.known.insert(key, failed);
            if changed.is_some() {
                self.change(key, failed.count, failed.at);
            }
        }
    }

    fn change(&self, key: Key, count: u32, at: Timestamp) {
        let mut changed = self.changed();
        if changed.len() < MOST_CHANGED || changed.contains_key(&key) {
            let (account, names) = key;
            let failures = Failures {
                account,
                names,
                count,
                at,
            };
            changed.insert(key, failures);
        }
    }

    fn changed(&self) -> MutexGuard<'_, HashMap<Key, Failures>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::time::HOUR;

    const NOW: Timestamp = Timestamp::from_unix(1_795_824_000);

    #[test]
    fn failures_count_for_three_days_after_the_last_or_until_one_succeeds() {
        let memory = Memory::new();
        for days in 0..4 {
            memory.failed(1, 2, NOW + days * 2 * DAY, Fault::Client);
        }
        let last = NOW + 6 * DAY;
        assert_eq!(memory.count(1, 2, last + 3 * DAY - 1), 4);
        assert_eq!(memory.count(1, 2, last + 3 * DAY), 0);
        assert_eq!(memory.count(1, 3, last), 0);
        // The next one after that begins anew.
        memory.failed(1, 2, last + 3 * DAY, Fault::Client);
        assert_eq!(memory.count(1, 2, last + 3 * DAY), 1);
        memory.succeeded(1, 2, last + 3 * DAY);
        assert_eq!(memory.count(1, 2, last + 3 * DAY), 0);
        assert!(!memory.comes_again(1, 2, last + 3 * DAY));
    }

    #[test]
    fn what_is_not_the_client_s_fault_makes_a_retry_and_no_failure() {
        let memory = Memory::new();
        memory.failed(1, 2, NOW, Fault::of(SERVER_INTERNAL));
        assert_eq!(memory.count(1, 2, NOW), 0);
        assert!(memory.comes_again(1, 2, NOW + DAY - 1));
        assert!(!memory.comes_again(1, 2, NOW + DAY));
        memory.failed(1, 2, NOW, Fault::of("urn:ietf:params:acme:error:dns"));
        memory.failed(1, 2, NOW + HOUR, Fault::Other);
        assert_eq!(memory.count(1, 2, NOW + HOUR), 1);
        assert_eq!(
            memory.changed().len(),
            1,
            "the upstream's faults are not kept"
        );
    }

    #[test]
    fn what_was_kept_is_known_again_and_what_came_meanwhile_comes_on_top() {
        let kept = |account, count| Failures {
            account,
            names: 2,
            count,
            at: NOW,
        };
        let memory = Memory::new();
        memory.failed(1, 2, NOW, Fault::Client);
        memory.failed(3, 2, NOW, Fault::Client);
        memory.succeeded(3, 2, NOW);
        memory.recall(&[kept(1, 7), kept(2, 5), kept(3, 9)]);
        let counts = [1, 2, 3].map(|account| memory.count(account, 2, NOW));
        assert_eq!(counts, [8, 5, 0]);
    }
}
