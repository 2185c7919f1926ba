//! Everything one CA's load has taught, in memory, by the minute.
//!
//! A series is one (source, vantage); its lines add up. Sources are never added up: `reading`
//! takes, for each minute, the best source alive.
//!
//! Memory: a kind of a series takes 5,760 bytes a day (1,440 minutes × 4), 2.3 MB in 400 days;
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

/// Vantages of a source that are told apart: each takes memory by the day, 7 kB or more, and has a say in the
/// median. Eight monitors are a large setup, and eight such setups are as many.
pub const MOST_VANTAGES: usize = 64;

/// Everything one CA's load has taught.
#[derive(Clone, Debug, Default)]
pub struct Series {
    tracks: BTreeMap<(Source, Option<String>), Track>,
    /// What of the source `registrations` was steered, as issued.
    steered: Track,
    /// What was told by dimension, endpoint and error type.
    pub(super) breakdown: Breakdown,
    /// What came in the first half minutes of hours.
    pub(super) onsets: Onsets,
    /// The first UTC day that is kept; what lies before it is not taken in.
    first_kept: Option<i64>,
    /// As of when it is told which sources are new; `None`: as of when it is learned.
    judged_at: Option<Timestamp>,
}

impl Series {
    /// Adds a line. Its events spread evenly over its minutes, each of which is covered from then
    /// on, count 0 or not. What came first does not matter.
    pub fn add(&mut self, line: &Observation) {
        self.add_heard(line, None);
    }

    /// The same of a line that was counted then, by our own clock: from the first one on its source is heard of.
    /// Without that it is from the day on that the line tells of.
    pub fn add_heard(&mut self, line: &Observation, counted_at: Option<Timestamp>) {
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
            .add_heard(line, counted_at);
    }

    /// Whether a line's vantage is known, or its source has fewer than [`MOST_VANTAGES`].
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

    /// Adds a registered certificate: one `issued` of the source `registrations` at `issued_at`,
    /// or in that UTC day where the hour is not known. `steered`: see
    /// [`Certificate::steered`](crate::certificate::Certificate::steered).
    pub fn add_registration(&mut self, issued_at: Timestamp, hour_known: bool, steered: bool) {
        self.count_registration(issued_at, hour_known, steered, i64::from(UNITS_PER_EVENT));
    }

    /// Says that a certificate was registered then: who registers since a week is not new. Without that he is not new
    /// either.
    pub fn hear_of_registry(&mut self, registered_at: Timestamp) {
        let registry = self
            .tracks
            .entry((Source::Registrations, None))
            .or_default();
        let heard = registry.first_report.unwrap_or(registered_at);
        registry.first_report = Some(heard.min(registered_at));
    }

    /// The same, with the newness of sources judged at `at`, so that past times are learned with
    /// the sources known then.
    #[must_use]
    pub fn judged_at(&self, at: Timestamp) -> Self {
        Self {
            judged_at: Some(at),
            ..self.clone()
        }
    }

    /// Takes back what [`Series::add_registration`] added, given the same arguments.
    pub fn remove_registration(&mut self, issued_at: Timestamp, hour_known: bool, steered: bool) {
        self.count_registration(issued_at, hour_known, steered, -i64::from(UNITS_PER_EVENT));
    }

    /// Forgets the UTC days that ended at `before` or earlier, and takes nothing of them in from
    /// then on: a certificate may tell of an issuance long past, and days take memory.
    pub fn trim(&mut self, before: Timestamp) {
        let first_kept = before.slot(DAY);
        self.first_kept = Some(first_kept);
        let forget = |track: &mut Track| track.days = track.days.split_off(&first_kept);
        self.tracks.values_mut().for_each(forget);
        forget(&mut self.steered);
        self.tracks.retain(|_, track| !track.days.is_empty());
    }

    /// The instants from the first to the last that anything is known of, in whole days.
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
        // Another source has its own.
        let log = Observation::plain(Timestamp::from_unix(0), Source::Log, Kind::Attempt, 1);
        assert!(series.takes(&log));
    }
}
