//! The observed load of one CA, in memory, by the minute.
//!
//! There is a track for each source and vantage, in which observations add up. Sources are never
//! added up: `reading` uses, for each minute, the best source alive.
//!
//! Memory: each kind in a track takes 5,760 bytes a day (1,440 minutes × 4), 2.3 MB in 400 days;
//! latencies take 9 KB a day.

use std::collections::BTreeMap;

use super::breakdown::Breakdown;
use super::observation::{Kind, Observation, Source};
use super::onset::Onsets;
use crate::time::{DAY, MINUTE, Span, Timestamp};
use minutes::index;
use track::{Track, UNITS_PER_EVENT};

mod attempts;
mod consensus;
pub(crate) mod grains;
pub(crate) mod minutes;
mod ratio;
pub(crate) mod reading;
mod registered;
pub(crate) mod sums;
mod track;
pub mod trust;

/// The most vantages of one source. Each takes 7 kB or more for every day, and has a vote in the
/// median. Eight monitors are a large setup; this is enough for eight of these.
pub const MOST_VANTAGES: usize = 64;

/// The observed load of one CA.
#[derive(Clone, Debug, Default)]
pub struct Series {
    tracks: BTreeMap<(Source, Option<String>), Track>,
    /// The certificates of the source `registrations` that were renewed in windows of ours.
    steered: Track,
    /// Load by dimension, endpoint and error type.
    pub(super) breakdown: Breakdown,
    /// Load in the first half minutes of hours.
    pub(super) onsets: Onsets,
    /// The first UTC day that is kept; earlier observations are ignored.
    first_kept: Option<i64>,
    /// The time as of which sources count as new; `None`: the time of learning.
    judged_at: Option<Timestamp>,
}

impl Series {
    /// Adds an observation. Its events are spread evenly over its minutes, which count as covered from
    /// then on, even if the count is 0. The order of observations does not matter.
    pub fn add(&mut self, line: &Observation) {
        self.add_stored(line, None);
    }

    /// The same for an observation stored at `counted_at` by our own clock. The first such time begins
    /// the quarantine of its source. Without it, the day of the observation begins the quarantine.
    pub fn add_stored(&mut self, line: &Observation, counted_at: Option<Timestamp>) {
        let last = line.at + (i64::from(line.seconds.max(1)) - 1);
        if self.is_forgotten(last) {
            return;
        }
        self.breakdown.add(line);
        if line.dimension.is_some() || !self.takes(line) {
            return;
        }
        self.onsets.add(line);
        if line.steered {
            self.steered.add(line);
        }
        self.tracks
            .entry((line.source, line.vantage.clone()))
            .or_default()
            .add_stored(line, counted_at);
    }

    /// Whether the vantage of an observation is known already, or its source has fewer than
    /// [`MOST_VANTAGES`].
    #[must_use]
    pub fn takes(&self, line: &Observation) -> bool {
        let key = (line.source, line.vantage.clone());
        self.tracks.contains_key(&key) || {
            let of = self
                .tracks
                .keys()
                .filter(|(source, _)| *source == line.source);
            of.count() < MOST_VANTAGES
        }
    }

    /// Adds a registered certificate: one `issued` of the source `registrations` at `issued_at`, or in
    /// that UTC day if the hour is not known. For `steered` see
    /// [`Certificate::steered`](crate::certificate::Certificate::steered).
    pub fn add_registration(&mut self, issued_at: Timestamp, hour_known: bool, steered: bool) {
        self.count_registration(issued_at, hour_known, steered, i64::from(UNITS_PER_EVENT));
    }

    /// Records that a certificate was registered at this time. The registrations are in quarantine for
    /// a week after the first such time, and not at all without one.
    pub fn note_registered(&mut self, registered_at: Timestamp) {
        let registry = self
            .tracks
            .entry((Source::Registrations, None))
            .or_default();
        let first_report = registry.first_report.unwrap_or(registered_at);
        registry.first_report = Some(first_report.min(registered_at));
    }

    /// A copy in which the quarantine of sources is judged as of `at`, to learn the past with the
    /// sources known then.
    #[must_use]
    pub fn judged_at(&self, at: Timestamp) -> Self {
        Self {
            judged_at: Some(at),
            ..self.clone()
        }
    }

    /// Removes what [`Series::add_registration`] added with the same arguments.
    pub fn remove_registration(&mut self, issued_at: Timestamp, hour_known: bool, steered: bool) {
        self.count_registration(issued_at, hour_known, steered, -i64::from(UNITS_PER_EVENT));
    }

    /// Drops the UTC days that ended at `before` or earlier, and ignores observations of them from then
    /// on. A certificate may have been issued long ago, and each day takes memory.
    pub fn trim(&mut self, before: Timestamp) {
        let first_kept = before.slot(DAY);
        self.first_kept = Some(first_kept);
        let forget = |track: &mut Track| track.days = track.days.split_off(&first_kept);
        self.tracks.values_mut().for_each(forget);
        forget(&mut self.steered);
        self.tracks.retain(|_, track| !track.days.is_empty());
    }

    /// The whole days from the first to the last of which anything is known.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        let days = || self.tracks.values().map(|track| &track.days);
        let first = days().filter_map(|d| d.keys().next()).min()?;
        let last = days().filter_map(|d| d.keys().next_back()).max()?;
        Some(Span {
            from: minutes::day_span(*first).from,
            to: minutes::day_span(*last).to,
        })
    }

    fn is_forgotten(&self, at: Timestamp) -> bool {
        self.first_kept.is_some_and(|first| at.slot(DAY) < first)
    }

    fn count_registration(&mut self, at: Timestamp, hour_known: bool, steered: bool, change: i64) {
        if self.is_forgotten(at) {
            return;
        }
        if hour_known {
            self.onsets
                .count_registration(at, if change < 0 { -1.0 } else { 1.0 });
        }
        let registry = self
            .tracks
            .entry((Source::Registrations, None))
            .or_default();
        for track in [Some(registry), steered.then_some(&mut self.steered)]
            .into_iter()
            .flatten()
        {
            let day = track.days.entry(at.slot(DAY)).or_default();
            if hour_known {
                let minute = index(at.second_of_day() / MINUTE);
                day.count_minute(Kind::Issued, minute, change);
            } else {
                day.count_day(Kind::Issued, change);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_a_bounded_number_of_vantages() {
        let mut series = Series::default();
        let line = |vantage: usize| Observation {
            vantage: Some(vantage.to_string()),
            ..Observation::plain(Timestamp::from_unix(0), Source::Observer, Kind::Attempt, 1)
        };
        (0..10_000).for_each(|vantage| series.add(&line(vantage)));
        assert_eq!(series.tracks.len(), MOST_VANTAGES);
        assert!(series.takes(&line(0)) && !series.takes(&line(MOST_VANTAGES)));
        // Another source has vantages of its own.
        let log = Observation::plain(Timestamp::from_unix(0), Source::Log, Kind::Attempt, 1);
        assert!(series.takes(&log));
    }
}
