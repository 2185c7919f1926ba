//! What polls tell: taken in where certificates are answered, judged by the sweep, kept in the
//! store where it means something new.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Engine;
use super::ca::Ca;
use super::index::{Came, Entry, Fingerprint, Index};
use super::world::World;
use crate::domain::allocation::band::retry_after_base;
use crate::domain::certificate::Successor;
use crate::domain::certificate::certid::CertId;
use crate::domain::client::fate::Fate;
use crate::domain::client::following::{Case, Measured};
use crate::domain::client::schedule::{Polls, Schedule};
use crate::domain::ledger::Expected;
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::{DAY, Timestamp};
use crate::store::StoreError;

/// Records that wait to be stored, at most; the next sweep finds those for which there is no room.
/// 32 octets each are 3.2 MB, and 100,000 each five minutes are 29 million a day.
const MOST_WAITING: usize = 100_000;
/// Records that go to the store in one step.
const BATCH: usize = 1_000;
/// Records are kept for this long after they were last written: the longest public life, and two
/// days.
pub(super) const RECORDS_KEPT_SECONDS: i64 = 400 * DAY;

/// The certificates of one CA that are live and not replaced.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    certificates: i64,
    polled: i64,
    /// By [`Schedule::code`], of those polled.
    schedules: [i64; Schedule::NAMES.len()],
}

/// What a sweep finds.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// By CA.
    tallies: Vec<Tally>,
    /// Records that say something new.
    news: Vec<(u128, u64)>,
    /// How many of them there is room for.
    room: usize,
}

/// Records on their way to the store.
#[derive(Debug)]
pub(super) struct Waiting(Mutex<Vec<(u128, u64)>>);

impl Default for Waiting {
    /// With all the room that it may take, which costs nothing until it is used: what grows on one
    /// thread after the other leaves the allocator of each with room of its own.
    fn default() -> Self {
        Self(Mutex::new(Vec::with_capacity(MOST_WAITING)))
    }
}

impl Waiting {
    /// Takes all that waits, and the room for it.
    fn take(&self) -> Vec<(u128, u64)> {
        std::mem::take(&mut *self.lock())
    }

    /// Puts records to those that wait, in the greater room of the two.
    fn put(&self, mut records: Vec<(u128, u64)>) {
        let mut waiting = self.lock();
        if waiting.capacity() < records.capacity() {
            std::mem::swap(&mut *waiting, &mut records);
        }
        waiting.append(&mut records);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(u128, u64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ca {
    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts what became of the window of an entry whose polls were judged elsewhere or before.
    pub(super) fn count_fate(&self, entry: &Entry) {
        let polls = entry.polls();
        if let Some(last) = polls.last() {
            // About when it was judged.
            self.measured().count(polls.fate(), last);
        }
    }

    /// How often polled certificates keep their windows.
    pub(super) fn kept_share(&self, now: Timestamp) -> f64 {
        self.measured().kept_share(now)
    }
}

impl World {
    /// How long the client of an entry is sent away, in seconds.
    pub(super) fn base_seconds(&self, entry: &Entry) -> i64 {
        let policy = self.config.cas.get(usize::from(entry.ca));
        policy.map_or(DAY, |policy| base_seconds(policy, entry))
    }

    /// Takes in what another process, or this one before it was restarted, knew of polls.
    pub(super) fn learn_polls(&self, fingerprint: u128, record: u64) {
        let told = Polls::from_packed(record);
        let fingerprint = Index::told_fingerprint(fingerprint);
        self.index.teach(fingerprint, |entry| {
            let before = entry.polls().fate();
            entry.learn_polls(told);
            if !self.counts(fingerprint) {
                entry.expected.response = entry.response();
                return;
            }
            // Booked at once: else the next sweep would take it for news to the store.
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

    /// A certificate that nothing is known of takes over the schedule of the one that it replaces:
    /// it is the same client.
    pub(super) fn hand_on_rhythm(&self, predecessor: &CertId, successor: &Successor) {
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

    /// Looks at one entry: judges what became of its window, and tells what is new of it.
    pub(super) fn look_at(
        &self,
        fingerprint: Fingerprint,
        entry: &mut Entry,
        (since, now): (Timestamp, Timestamp),
        found: &mut Found,
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
                // A sweep comes soon enough after it.
                replaced_at: (entry.replaced && entry.came == Came::Live).then_some(now),
                heard_from: entry.heard_from(since),
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

impl Found {
    /// What is found is put to what is `waiting`.
    pub(super) fn added_to(waiting: Vec<(u128, u64)>) -> Self {
        Self {
            news: waiting,
            room: MOST_WAITING,
            ..Self::default()
        }
    }

    fn tally(&mut self, ca: usize, entry: &Entry, now: Timestamp) {
        if entry.replaced || entry.validity.not_after < now {
            return;
        }
        if self.tallies.len() <= ca {
            self.tallies.resize(ca + 1, Tally::default());
        }
        let tally = &mut self.tallies[ca];
        tally.certificates += 1;
        let polls = entry.polls();
        if polls.is_polled() {
            tally.polled += 1;
            tally.schedules[usize::from(polls.schedule().code())] += 1;
        }
    }

    fn note(&mut self, fingerprint: Fingerprint, entry: &mut Entry) {
        if entry.has_news() {
            let has_room = self.news.len() < self.room;
            if has_room {
                self.news
                    .push((fingerprint.number(), entry.polls().packed()));
            }
            entry.note(!has_room);
        }
    }
}

impl Engine {
    /// Goes through all certificates: takes what polls have shown into the forecast and the
    /// metrics, and drops from memory what expired before `over_before`.
    pub(super) fn look_through(&self, over_before: Timestamp) {
        let world = self.world();
        let now = self.now();
        let mut found = Found::added_to(self.waiting.take());
        world.sweep(self.started_at, now, over_before, &mut found);
        self.waiting.put(std::mem::take(&mut found.news));
        found.tallies.resize(world.cas.len(), Tally::default());
        for ((policy, ca), tally) in world.config.cas.iter().zip(&world.cas).zip(&found.tallies) {
            let measured = *ca.measured();
            tally.show(policy, measured.kept_share(now));
        }
    }

    /// Stores the records of polls that said something new when they were last looked through.
    ///
    /// # Errors
    /// [`StoreError`]: what is not stored waits for the next time.
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

impl Tally {
    fn show(&self, policy: &CaPolicy, kept_share: f64) {
        let ca = policy.name.as_str().to_owned();
        let share = |part: i64, of: i64| real(part) / real(of.max(1));
        metrics::gauge!("offpeak_polled_share", "ca" => ca.clone())
            .set(share(self.polled, self.certificates));
        metrics::gauge!("offpeak_windows_kept_share", "ca" => ca.clone()).set(kept_share);
        for (schedule, count) in Schedule::NAMES.into_iter().zip(self.schedules) {
            metrics::gauge!("offpeak_rhythm_share", "ca" => ca.clone(), "rhythm" => schedule)
                .set(share(count, self.polled));
        }
    }
}

fn base_seconds(policy: &CaPolicy, entry: &Entry) -> i64 {
    retry_after_base(policy, entry.validity.life_seconds())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_stored_amid_a_sweep_waits_on() {
        let waiting = Waiting::default();
        waiting.put(vec![(1, 1)]);
        let mut swept = waiting.take();
        // The store did not take these.
        waiting.put(vec![(2, 2)]);
        swept.push((3, 3));
        waiting.put(swept);
        let mut all = waiting.take();
        assert!(all.capacity() >= MOST_WAITING);
        all.sort_unstable();
        assert_eq!(all, [(1, 1), (2, 2), (3, 3)]);
    }
}
