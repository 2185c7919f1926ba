//! How far a source is trusted, and how far sources that should agree differ. A new source is not used
//! while an older one reports the same time.

use super::minutes::{DAY_MINUTES, index};
use super::reading::{Reader, VOLUME_SOURCES, events, median};
use super::track::{Day, Track};
use super::{Series, Source};
use crate::demand::observation::Kind;
use crate::math::number::real;
use crate::time::{DAY, HOUR, MINUTE, Timestamp};

/// The quarantine of a new source, in seconds: until then it does not affect the volume if another
/// source reports it. A week contains every slot once. It is counted by our own clock, not by the times
/// in the observations.
pub const QUARANTINE_SECONDS: i64 = 7 * DAY;

/// If logs show more than this many times the registered certificates, only a part is registered.
/// Honest counts of the same certificates differ by less.
const A_PART: f64 = 1.1;

/// How many of the last complete hours are compared.
const COMPARED_HOURS: i64 = 24;
/// The fewest hours with several reports …
const LEAST_HOURS: usize = 6;
/// … and the fewest events in them, by their medians: with fewer, chance alone makes 10 %.
const LEAST_EVENTS: f64 = 100.0;

/// Sources disagree if they differ from the median by this share or more. If one of two reports 1.7
/// times as much as the other, each differs this much from their mean.
pub const DISAGREEMENT: f64 = 0.25;

/// The sources that see all of a CA's load, and so should agree. Registrations, public logs and imports
/// may show a part of it.
pub(super) const WHOLE: [Source; 3] = [Source::Ca, Source::Log, Source::Metrics];

/// Whether a source has reported for long enough.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Age {
    /// Long enough to be trusted.
    Known,
    /// Not yet.
    New,
}

/// How far a source is from the other sources.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// The source.
    pub source: Source,
    /// Which of several sources of this kind.
    pub vantage: Option<String>,
    /// The sum of its absolute differences from the median of all sources, hour by hour, relative to
    /// the sum of the medians.
    pub share: f64,
}

impl Track {
    /// When its quarantine ends; `None` if that is over.
    pub(super) fn quarantined_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.first_report? + QUARANTINE_SECONDS;
        (until > now).then_some(until)
    }

    /// Events of a kind in the hour with this number; `None` if it was not reported throughout.
    fn hour(&self, kind: Kind, number: i64) -> Option<f64> {
        let day = self.days.get(&number.div_euclid(DAY / HOUR))?;
        let first = index(number.rem_euclid(DAY / HOUR) * HOUR / MINUTE);
        let mut minutes = first..(first + index(HOUR / MINUTE)).min(DAY_MINUTES);
        let covered = day.covered();
        if !day.reports(kind) || !minutes.all(|minute| covered.contains(minute)) {
            return None;
        }
        let hour = index(number.rem_euclid(DAY / HOUR));
        Some(events(day.units_in_hour(kind, hour)))
    }
}

impl<'a> Reader<'a> {
    /// The sources that can set the volume on a day, best first, followed by those parts of each that
    /// are new. Registered certificates are a part of those in public logs, so if they are far fewer
    /// the logs come first.
    pub(super) fn believed_on(&self, day: i64) -> Vec<(Source, Age)> {
        let in_turn = |age| VOLUME_SOURCES.into_iter().map(move |source| (source, age));
        let mut turns: Vec<_> = in_turn(Age::Known).chain(in_turn(Age::New)).collect();
        let place = |turns: &[(Source, Age)], wanted| turns.iter().position(|turn| *turn == wanted);
        for age in [Age::Known, Age::New] {
            let registry = place(&turns, (Source::Registrations, age));
            let logs = place(&turns, (Source::Ct, age));
            if let (Some(registry), Some(logs)) = (registry, logs)
                && self.registers_a_part(day, age)
            {
                turns.swap(registry, logs);
            }
        }
        turns
    }

    /// Whether logs show many more certificates of a day than are registered, in the minutes that both
    /// cover.
    fn registers_a_part(&self, number: i64, age: Age) -> bool {
        let of = |source| {
            let tracks = self.tracks_that_are(source, age);
            tracks.filter_map(|track| track.days.get(&number))
        };
        let Some(alive) = self.registry(number) else {
            return false;
        };
        let shown = |day: &Day| {
            let covered = day.covered();
            let both = |minute: &usize| alive.contains(*minute) && covered.contains(*minute);
            let sum = |day: &Day| events(day.issued_in(both));
            (sum(day), of(Source::Registrations).map(sum).sum::<f64>())
        };
        let reported: Vec<(f64, f64)> = of(Source::Ct).map(shown).collect();
        let logged = median(reported.iter().map(|(logged, _)| *logged).collect());
        let registered = median(reported.iter().map(|(_, registered)| *registered).collect());
        // By chance alone, two counts of the same certificates differ by less than this.
        logged > registered * A_PART + 3.0 * registered.sqrt()
    }

    /// Those tracks of a source that are trusted, or those that are new.
    pub(super) fn tracks_that_are(
        &self,
        source: Source,
        age: Age,
    ) -> impl Iterator<Item = &'a Track> {
        let now = self.series.judged_at.unwrap_or(self.now);
        self.tracks(source).filter(move |track| {
            let is_new = track.quarantined_until(now).is_some();
            is_new == (age == Age::New)
        })
    }

    /// Those tracks of a source that are used for a day. New ones are not used if there are trusted
    /// ones.
    pub(super) fn tracks_with_a_say(
        &self,
        source: Source,
        day: i64,
    ) -> impl Iterator<Item = &'a Track> {
        let reports = move |track: &&Track| track.days.get(&day).is_some_and(Day::reports_volume);
        let known = |source| self.tracks_that_are(source, Age::Known);
        let mut all_known = VOLUME_SOURCES.into_iter().flat_map(known);
        let age = if all_known.any(|track| reports(&track)) {
            Age::Known
        } else {
            Age::New
        };
        self.tracks_that_are(source, age).filter(reports)
    }
}

impl Series {
    /// How far each source that sees all of the load is from the median of the sources that count the
    /// same, over the last 24 complete hours. Sources that cannot be compared are left out.
    #[must_use]
    pub fn disagreements(&self, now: Timestamp) -> Vec<Disagreement> {
        let mut all: Vec<Disagreement> = Vec::new();
        for kind in [Kind::Attempt, Kind::Issued] {
            for one in self.off(kind, now) {
                let same = |other: &&mut Disagreement| {
                    (other.source, &other.vantage) == (one.source, &one.vantage)
                };
                match all.iter_mut().find(same) {
                    Some(other) => other.share = other.share.max(one.share),
                    None => all.push(one),
                }
            }
        }
        all
    }

    fn off(&self, kind: Kind, now: Timestamp) -> Vec<Disagreement> {
        let hours = now.slot(HOUR) - COMPARED_HOURS..now.slot(HOUR);
        let whole = self
            .tracks
            .iter()
            .filter(|((source, _), _)| WHOLE.contains(source));
        let reported: Vec<_> = whole
            .map(|(key, track)| {
                let by_hour = hours.clone().map(|hour| track.hour(kind, hour));
                (key, by_hour.collect::<Vec<Option<f64>>>())
            })
            .collect();
        let medians: Vec<Option<f64>> = (0..index(COMPARED_HOURS))
            .map(|hour| {
                let known: Vec<f64> = reported
                    .iter()
                    .filter_map(|(_, counts)| counts[hour])
                    .collect();
                (known.len() > 1).then(|| median(known))
            })
            .collect();
        reported
            .into_iter()
            .filter_map(|((source, vantage), counts)| {
                let both: Vec<(f64, f64)> = counts
                    .iter()
                    .zip(&medians)
                    .filter_map(|(count, median)| Some(((*count)?, (*median)?)))
                    .collect();
                let all: f64 = both.iter().map(|(_, median)| median).sum();
                let off: f64 = both
                    .iter()
                    .map(|(count, median)| (count - median).abs())
                    .sum();
                (both.len() >= LEAST_HOURS && all >= LEAST_EVENTS).then(|| Disagreement {
                    source: *source,
                    vantage: vantage.clone(),
                    share: off / all.max(real(1)),
                })
            })
            .collect()
    }
}
