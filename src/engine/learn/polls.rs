//! Learns from polls. They are recorded when a certificate is answered, judged by the sweep, and
//! stored when they contain something new.

use std::sync::{MutexGuard, PoisonError};

use crate::domain::allocation::band::retry_after_base;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::domain::client::fate::Fate;
use crate::domain::client::following::{Case, Measured};
use crate::domain::client::schedule::Polls;
use crate::domain::ledger::Expected;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{DAY, Timestamp};
use crate::engine::index::{Came, Entry, Fingerprint, Index};
use crate::engine::service::Engine;
use crate::engine::state::ca::Ca;
use crate::engine::state::memory::Memory;
use crate::engine::state::sweep::{SweepResult, Tally};
use crate::store::StoreError;

/// Records stored in one step.
const BATCH: usize = 1_000;
/// How long records are kept after they were last written: the longest public lifetime, plus two
/// days.
pub(in crate::engine) const RECORDS_KEPT_SECONDS: i64 = 400 * DAY;

impl Ca {
    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the outcome of an entry's window, if it was judged elsewhere or earlier.
    pub(in crate::engine) fn count_fate(&self, entry: &Entry) {
        let polls = entry.polls();
        if let Some(last) = polls.last() {
            // Approximately when it was judged.
            self.measured().count(polls.fate(), last);
        }
    }

    /// The share of polled certificates that follow their windows.
    pub(in crate::engine) fn kept_share(&self, now: Timestamp) -> f64 {
        self.measured().kept_share(now)
    }
}

impl Memory {
    /// The base of the `Retry-After` for an entry's client, in seconds.
    pub(in crate::engine) fn base_seconds(&self, entry: &Entry) -> i64 {
        let policy = self.config.cas.get(usize::from(entry.ca));
        policy.map_or(DAY, |policy| base_seconds(policy, entry))
    }

    /// Merges a poll record of another process, or of this one before a restart.
    pub(in crate::engine) fn learn_polls(&self, fingerprint: u128, record: u64) {
        let stored = Polls::from_packed(record);
        let fingerprint = Index::stored_fingerprint(fingerprint);
        self.index.teach(fingerprint, |entry| {
            let before = entry.polls().fate();
            entry.learn_polls(stored);
            if !self.counts(fingerprint) {
                entry.expected.response = entry.response();
                return;
            }
            // At once, because otherwise the next sweep would store it as news.
            self.expect(
                entry,
                Expected {
                    response: entry.response(),
                    ..entry.expected
                },
            );
            if before == Fate::NotYet
                && let Some(ca) = self.cas.get(usize::from(entry.ca))
            {
                ca.count_fate(entry);
            }
        });
    }

    /// A certificate without data inherits the schedule of the one that it replaces, because it has
    /// the same client.
    pub(in crate::engine) fn hand_on_rhythm(&self, predecessor: &CertId, successor: &Successor) {
        let Successor::By(successor) = successor else {
            return;
        };
        let predecessor = self.index.fingerprint(predecessor);
        let Some(polls) = self.index.get(predecessor, Entry::polls) else {
            return;
        };
        let successor = self.index.fingerprint(successor);
        self.index.teach(successor, |entry| {
            if entry.polls() == Polls::default() {
                entry.set_polls(polls.inherited());
            }
        });
    }

    /// Processes an entry: judges the outcome of its window, and reports news.
    pub(in crate::engine) fn look_at(
        &self,
        fingerprint: Fingerprint,
        entry: &mut Entry,
        (since, now): (Timestamp, Timestamp),
        found: &mut SweepResult,
    ) {
        let at = usize::from(entry.ca);
        let (Some(ca), Some(policy)) = (self.cas.get(at), self.config.cas.get(at)) else {
            return;
        };
        let polls = entry.polls();
        if polls.is_polled() && polls.fate() == Fate::NotYet {
            let case = Case {
                window: entry.window,
                polls,
                interval_seconds: polls.interval_seconds(base_seconds(policy, entry)),
                // A sweep follows soon enough after it.
                replaced_at: (entry.replaced && entry.came == Came::Live).then_some(now),
                recorded_from: entry.recorded_from(since),
            };
            let fate = case.judge(now);
            ca.measured().count(fate, now);
            entry.news |= fate != Fate::NotYet;
            entry.set_polls(polls.judged(fate));
        }
        found.tally(at, entry, now);
        found.note(fingerprint, entry);
    }
}

impl Engine {
    /// Goes through all certificates: updates the forecast and the metrics from poll records, and
    /// drops from memory what expired before `over_before`.
    pub(in crate::engine) fn look_through(&self, over_before: Timestamp) {
        let memory = self.memory();
        let now = self.now();
        let mut found = SweepResult::added_to(self.waiting.take());
        memory.sweep(self.started_at, now, over_before, &mut found);
        self.waiting.put(std::mem::take(&mut found.news));
        found.tallies.resize(memory.cas.len(), Tally::default());
        for ((policy, ca), tally) in memory
            .config
            .cas
            .iter()
            .zip(&memory.cas)
            .zip(&found.tallies)
        {
            let measured = *ca.measured();
            tally.show(policy, measured.kept_share(now));
        }
    }

    /// Stores the poll records that had news when they were last processed.
    ///
    /// # Errors
    /// [`StoreError`]; what is not stored waits for the next time.
    pub async fn note_polls(&self) -> Result<(), StoreError> {
        let now = self.now();
        loop {
            let batch: Vec<(u128, u64)> = {
                let mut waiting = self.waiting.lock();
                let first = waiting.len().saturating_sub(BATCH);
                waiting.drain(first..).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            if let Err(error) = self.store().note_polls(&batch, now).await {
                self.waiting.put(batch);
                return Err(error);
            }
        }
    }
}

fn base_seconds(policy: &CaPolicy, entry: &Entry) -> i64 {
    retry_after_base(policy, entry.validity.life_seconds())
}
