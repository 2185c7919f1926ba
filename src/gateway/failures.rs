//! Orders that failed repeatedly, remembered for three days and across restarts.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use moka::sync::Cache;

use crate::domain::time::{DAY, Timestamp};
use crate::engine::Engine;
use crate::store::{Failures, FailuresChange, StoreError};

/// How long failures count after the most recent one.
const REMEMBERED_SECONDS: i64 = 3 * DAY;

/// An order within this time after a failure is a retry.
const AGAIN_WITHIN_SECONDS: i64 = DAY;

/// The most pairs of account and names in memory, about 150 octets each: at most 30 MB. Beyond
/// that, the least recently used are dropped.
const MOST_REMEMBERED: u32 = 200_000;

/// Changes waiting for the store, about 100 octets each: at most 10 MB. Further ones are kept only
/// in memory.
const MOST_CHANGED: usize = 100_000;

/// Rows written at once: about 50 ms of SQLite's writer, or one statement in PostgreSQL.
const AT_ONCE: usize = 2_000;

/// The error type to count if the upstream fails without naming one.
pub(super) const SERVER_INTERNAL: &str = "urn:ietf:params:acme:error:serverInternal";

/// Who caused an order to fail.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The client: its names, its validation, or a limit of its own.
    Client,
    /// The upstream, or unknown because the request was not verified to come from the account. The
    /// next order is a retry with its usual priority.
    Other,
}

impl Fault {
    /// Who causes errors of this type (RFC 8555 section 6.7), if the account made the request.
    pub(super) fn of(error_type: &str) -> Self {
        if error_type == SERVER_INTERNAL {
            Self::Other
        } else {
            Self::Client
        }
    }
}

/// Error types of requests that the upstream does not attribute to an account, so that anyone can
/// cause them (RFC 8555 section 6.7).
const OF_STRANGERS: [&str; 6] = [
    "accountDoesNotExist",
    "badNonce",
    "badPublicKey",
    "badSignatureAlgorithm",
    "malformed",
    "unauthorized",
];

/// Whether an error of this type can be caused without an account.
pub(super) fn is_of_a_stranger(error_type: &str) -> bool {
    let name = error_type.strip_prefix("urn:ietf:params:acme:error:");
    name.is_some_and(|name| OF_STRANGERS.contains(&name))
}

/// An account and a set of names.
type Key = (u128, u128);

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Failed {
    /// The number of consecutive failures caused by the client.
    count: u32,
    /// The time of the last one.
    counted_at: Timestamp,
    /// The time of the last failure, whoever caused it.
    at: Timestamp,
}

/// Changes to a key that have not been stored yet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Change {
    succeeded: bool,
    /// Failures since the last success, if there was one.
    failed: u32,
    at: Timestamp,
}

impl Change {
    /// This change followed by another.
    fn then(self, later: Self) -> Self {
        let before = if later.succeeded { 0 } else { self.failed };
        Self {
            succeeded: self.succeeded || later.succeeded,
            failed: before.saturating_add(later.failed),
            at: self.at.max(later.at),
        }
    }
}

/// What a gateway knows about failed orders. Other gateways write to the same rows of the store.
/// This one knows their failures as of its start, or as of the last failure that it reported
/// itself.
#[derive(Debug)]
pub(super) struct Memory {
    known: Cache<Key, Failed>,
    changed: Mutex<HashMap<Key, Change>>,
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

    /// The consecutive failures of this account for these names that the client caused, the last
    /// one within three days.
    pub(super) fn count(&self, account: u128, names: u128, now: Timestamp) -> u32 {
        match self.known.get(&(account, names)) {
            Some(failed) if now - failed.counted_at < REMEMBERED_SECONDS => failed.count,
            _ => 0,
        }
    }

    /// Whether an order of this account for these names is within a day after a failure.
    pub(super) fn comes_again(&self, account: u128, names: u128, now: Timestamp) -> bool {
        let known = self.known.get(&(account, names));
        known.is_some_and(|failed| now - failed.at < AGAIN_WITHIN_SECONDS)
    }

    /// Records a failure.
    pub(super) fn failed(&self, account: u128, names: u128, now: Timestamp, fault: Fault) {
        let key = (account, names);
        let mut failed = self.known.get(&key).unwrap_or_default();
        failed.at = now;
        if fault == Fault::Client {
            failed.count = self.count(account, names, now).saturating_add(1);
            failed.counted_at = now;
            let one = Change {
                failed: 1,
                at: now,
                ..Change::default()
            };
            self.change(key, one);
        }
        self.known.insert(key, failed);
    }

    /// Records a success: the next order is not a retry and has no failures.
    pub(super) fn succeeded(&self, account: u128, names: u128, now: Timestamp) {
        let known = self.known.remove(&(account, names));
        // Before the store has been read, its content is unknown.
        let recalled = self.recalled.load(Ordering::Relaxed);
        if !recalled || known.is_some_and(|failed| failed.count > 0) {
            let success = Change {
                succeeded: true,
                at: now,
                ..Change::default()
            };
            self.change((account, names), success);
        }
    }

    /// Writes the changes to the store; the first call also reads the stored failures. If the store
    /// is unavailable, the changes wait for the next call.
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
            let some = self.take_changes();
            if some.is_empty() {
                return Ok(());
            }
            let changes: Vec<FailuresChange> = some.iter().map(stored_form).collect();
            match store.keep_failures(&changes, since).await {
                Ok(kept) => self.learn(&kept),
                Err(error) => {
                    self.put_back(some);
                    return Err(error);
                }
            }
        }
    }

    /// Loads the failures stored before this process started. Later failures are added to them.
    fn recall(&self, kept: &[Failures]) {
        let changed = self.changed();
        for of in kept {
            let key = (of.account, of.names);
            let since = changed.get(&key).copied().unwrap_or_default();
            if !since.succeeded {
                self.known.insert(key, on_top_of(of, since));
            }
        }
    }

    /// Adopts the store's numbers after a report; other gateways may have added to them.
    fn learn(&self, kept: &[Failures]) {
        let changed = self.changed();
        for of in kept {
            let key = (of.account, of.names);
            let since = changed.get(&key).copied().unwrap_or_default();
            if since.succeeded {
                continue;
            }
            if let Some(known) = self.known.get(&key) {
                let failed = on_top_of(of, since);
                let at = known.at.max(failed.at);
                self.known.insert(key, Failed { at, ..failed });
            }
        }
    }

    /// Some of the changes that are not stored yet.
    fn take_changes(&self) -> Vec<(Key, Change)> {
        let mut changed = self.changed();
        let keys: Vec<Key> = changed.keys().take(AT_ONCE).copied().collect();
        let take = |key| changed.remove(&key).map(|change| (key, change));
        keys.into_iter().filter_map(take).collect()
    }

    /// The store did not accept these changes. They are merged with newer ones and tried again.
    fn put_back(&self, some: Vec<(Key, Change)>) {
        let mut changed = self.changed();
        for (key, earlier) in some {
            let later = changed.get(&key).copied().unwrap_or_default();
            changed.insert(key, earlier.then(later));
        }
    }

    fn change(&self, key: Key, change: Change) {
        let mut changed = self.changed();
        if let Some(before) = changed.get_mut(&key) {
            *before = before.then(change);
        } else if changed.len() < MOST_CHANGED {
            changed.insert(key, change);
        }
    }

    fn changed(&self) -> MutexGuard<'_, HashMap<Key, Change>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the store has, plus later changes.
fn on_top_of(kept: &Failures, since: Change) -> Failed {
    let at = kept.at.max(since.at);
    Failed {
        count: kept.count.saturating_add(since.failed),
        counted_at: at,
        at,
    }
}

/// A change in the store's form.
fn stored_form(&((account, names), change): &(Key, Change)) -> FailuresChange {
    FailuresChange {
        account,
        names,
        succeeded: change.succeeded,
        failed: change.failed,
        at: change.at,
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
        // The next failure after that starts a new count.
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
    #[test]
    fn failures_that_others_added_are_learned_at_the_next_report() {
        let kept = |account, count| Failures {
            account,
            names: 2,
            count,
            at: NOW,
        };
        let memory = Memory::new();
        for account in 1..=4 {
            memory.failed(account, 2, NOW, Fault::Client);
        }
        assert_eq!(memory.take_changes().len(), 4);
        // While the store is being written, one fails again, one succeeds, and one is dropped.
        memory.failed(2, 2, NOW + 1, Fault::Client);
        memory.succeeded(3, 2, NOW + 1);
        memory.known.remove(&(4, 2));
        memory.learn(&[kept(1, 7), kept(2, 7), kept(3, 7), kept(4, 7)]);
        let counts = [1, 2, 3, 4].map(|account| memory.count(account, 2, NOW + 1));
        assert_eq!(counts, [7, 8, 0, 0]);
    }

    #[test]
    fn failures_that_were_not_stored_are_reported_again_with_new_ones() {
        let memory = Memory::new();
        for account in [1, 1, 2, 3, 4] {
            memory.failed(account, 2, NOW, Fault::Client);
        }
        let some = memory.take_changes();
        assert!(memory.changed().is_empty());
        memory.failed(1, 2, NOW + 1, Fault::Client);
        memory.succeeded(2, 2, NOW + 1);
        memory.succeeded(3, 2, NOW + 1);
        memory.failed(3, 2, NOW + 2, Fault::Client);
        memory.put_back(some);
        let of = |account| {
            let change = memory.changed()[&(account, 2)];
            (change.succeeded, change.failed, change.at - NOW)
        };
        let stored_form = [1, 2, 3, 4].map(of);
        assert_eq!(
            stored_form,
            [(false, 3, 1), (true, 0, 1), (true, 1, 2), (false, 1, 0)]
        );
    }
}
