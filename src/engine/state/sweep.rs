//! The findings of a pass through all certificates.

use crate::domain::client::schedule::Schedule;
use crate::domain::math::number::real;
use crate::domain::policy::ca::CaPolicy;
use crate::domain::time::Timestamp;
use crate::engine::index::{Entry, Fingerprint};
use crate::engine::learn::waiting::MOST_WAITING;

/// The live, unreplaced certificates of a CA.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::engine) struct Tally {
    certificates: i64,
    polled: i64,
    /// The polled ones, by [`Schedule::code`].
    schedules: [i64; Schedule::NAMES.len()],
}

/// The findings of a sweep.
#[derive(Debug, Default)]
pub(in crate::engine) struct SweepResult {
    /// By CA.
    pub(in crate::engine) tallies: Vec<Tally>,
    /// Records with news.
    pub(in crate::engine) news: Vec<(u128, u64)>,
    /// How many more of them fit.
    room: usize,
}

impl SweepResult {
    /// Adds its findings to those already `waiting`.
    pub(in crate::engine) fn added_to(waiting: Vec<(u128, u64)>) -> Self {
        Self {
            news: waiting,
            room: MOST_WAITING,
            ..Self::default()
        }
    }

    pub(in crate::engine) fn tally(&mut self, ca: usize, entry: &Entry, now: Timestamp) {
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

    pub(in crate::engine) fn note(&mut self, fingerprint: Fingerprint, entry: &mut Entry) {
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

impl Tally {
    pub(in crate::engine) fn show(&self, policy: &CaPolicy, kept_share: f64) {
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
